//! The component files as they were last read: each read again only when it has changed, and compiled
//! only if a plugin needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::load::{self, FileError, Stamp};
use crate::plugin::wasm::{self, Component, Inspection, PluginHost};

/// Why a file can't serve. The texts follow the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Load(#[from] wasm::LoadError),
    #[error("is still being written")]
    Unsettled,
}

impl Refusal {
    /// What to do, where the text doesn't say it by itself.
    pub fn remedy(&self) -> &'static str {
        use wasm::LoadError;
        match self {
            Self::File(FileError::NotAFile | FileError::TooLarge { .. })
            | Self::Load(LoadError::NotWasm { .. } | LoadError::Malformed(_) | LoadError::TooLarge { .. }) => {
                "put a component in its place, as a plugin's build makes it"
            }
            Self::Load(LoadError::Encode(_) | LoadError::Interface(_) | LoadError::Compile(_)) => {
                "build it against the gateway's WIT package, and look into it with `sluice plugin inspect`"
            }
            Self::Load(LoadError::TooComplex { .. } | LoadError::TooSlow { .. }) => "make it smaller",
            _ => "",
        }
    }
}

/// All component files that matter, by path.
pub struct Components {
    host: Arc<PluginHost>,
    files: BTreeMap<PathBuf, File>,
}

struct File {
    stamp: Option<Stamp>,
    version: Result<Version, Refusal>,
    /// Whether this pass has seen it.
    current: bool,
}

/// What a file holds.
#[derive(Clone)]
pub enum Version {
    /// Nobody needs more of it.
    Inspected(Arc<Inspection>),
    Loaded(Arc<Component>, Bytes),
}

impl Version {
    pub fn inspection(&self) -> &Inspection {
        match self {
            Self::Inspected(inspection) => inspection,
            Self::Loaded(component, _) => component.inspection(),
        }
    }
}

impl Components {
    pub fn new(host: Arc<PluginHost>) -> Self {
        Self { host, files: BTreeMap::new() }
    }

    /// From here to [`Components::end`], each file that still matters is refreshed.
    pub fn begin(&mut self) {
        self.files.values_mut().for_each(|file| file.current = false);
    }

    /// Bring what is known of files up to date. Those that are `used` have to be loaded; for others it
    /// is enough to look into them. `unsettled` ones are left as they are.
    pub fn refresh(&mut self, directory: &Path, names: &BTreeSet<PathBuf>, used: bool, unsettled: &BTreeSet<PathBuf>) {
        for name in names {
            self.refresh_one(directory, name, used, unsettled);
        }
    }

    /// Forget the other files.
    pub fn end(&mut self) {
        self.files.retain(|_, file| file.current);
    }

    /// What a file of the last [`Components::refresh`] holds.
    ///
    /// # Errors
    /// Why it can't serve.
    pub fn version(&self, directory: &Path, name: &Path) -> Result<&Version, Refusal> {
        match self.files.get(&directory.join(name)) {
            Some(file) => file.version.as_ref().map_err(Clone::clone),
            None => Err(FileError::Missing(directory.to_owned()).into()),
        }
    }

    /// Compile bytes that come from elsewhere.
    ///
    /// # Errors
    /// They are no plugin.
    pub fn load(&self, bytes: &[u8]) -> Result<Arc<Component>, wasm::LoadError> {
        self.host.load(bytes)
    }

    fn refresh_one(&mut self, directory: &Path, name: &Path, used: bool, unsettled: &BTreeSet<PathBuf>) {
        let path = directory.join(name);
        if unsettled.contains(&path) {
            let unknown = || File { stamp: None, version: Err(Refusal::Unsettled), current: true };
            self.files.entry(path).or_insert_with(unknown).current = true;
            return;
        }
        // Before reading: what changes meanwhile is read again.
        let stamp = Stamp::of(&path);
        if let Some(file) = self.files.get_mut(&path) {
            let known = match &file.version {
                Ok(Version::Loaded(..)) | Err(Refusal::Load(_)) => true,
                Ok(Version::Inspected(_)) => !used,
                // It may be mended without a change of the file itself.
                Err(Refusal::File(_) | Refusal::Unsettled) => false,
            };
            if known && file.stamp == stamp {
                file.current = true;
                return;
            }
        }
        let version = self.read(directory, name, used);
        self.files.insert(path, File { stamp, version, current: true });
    }

    fn read(&self, directory: &Path, name: &Path, used: bool) -> Result<Version, Refusal> {
        let read = load::read(directory, name, wasm::MAX_BYTES as u64)?;
        if used {
            return Ok(Version::Loaded(self.host.load(&read.bytes)?, read.bytes));
        }
        let inspection = wasm::inspect(&read.bytes)?;
        inspection.check()?;
        Ok(Version::Inspected(Arc::new(inspection)))
    }
}
