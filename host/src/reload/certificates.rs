//! The certificates of listeners as their files were last read: made anew only when a file or what is asked
//! for has changed. Files that are wrong keep the last good ones, as those of components do.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::config::Problem;
use crate::config::model::{Config, Listener, Tls as Wanted};
use crate::server::tls::{Contents, Tls, TlsError};
use crate::snapshot::status::CertificateStatus;
use crate::snapshot::{self, Certificates};

/// The largest file that is read: a bundle of all public authorities has a quarter of it.
const MOST_BYTES: u64 = 1 << 20;

/// What is known of each listener with TLS.
#[derive(Default)]
pub struct Store {
    known: Vec<Known>,
}

struct Known {
    listener: Arc<str>,
    wanted: Wanted,
    /// Of the files' contents.
    digest: [u8; 32],
    good: Option<Arc<Tls>>,
    error: Option<TlsError>,
    /// Whether this pass has seen it.
    current: bool,
}

impl Store {
    /// Bring everything up to date that any of these configurations needs, and forget the rest. `unsettled` files
    /// are left as they are.
    pub fn refresh(&mut self, configs: &[&Config], unsettled: &BTreeSet<PathBuf>) {
        self.known.iter_mut().for_each(|known| known.current = false);
        for listener in configs.iter().flat_map(|config| &config.listeners) {
            if let Some(wanted) = &listener.tls {
                self.refresh_one(listener, wanted, unsettled);
            }
        }
        self.known.retain(|known| known.current);
    }

    fn refresh_one(&mut self, listener: &Listener, wanted: &Wanted, unsettled: &BTreeSet<PathBuf>) {
        let place = self.known.iter().position(|known| known.is_of(listener, wanted));
        let known = place.map(|place| self.known.swap_remove(place));
        let waits = wanted.files().any(|file| unsettled.contains(file));
        let known = match known {
            Some(known) if known.current || waits => Known { current: true, ..known },
            before => self.make(listener, wanted, before),
        };
        self.known.push(known);
    }

    fn make(&self, listener: &Listener, wanted: &Wanted, before: Option<Known>) -> Known {
        let contents: Contents = wanted.files().map(|path| (path.clone(), read(path))).collect();
        let digest = digest(&contents);
        let good = match before {
            Some(before) if before.digest == digest => return Known { current: true, ..before },
            before => before.and_then(|before| before.good),
        };
        // Also one that was asked for in another way: its session tickets may stay good.
        let same_listener = || self.known.iter().find(|known| known.listener == listener.name)?.good.clone();
        let previous = good.clone().or_else(same_listener);
        let (good, error) = match Tls::build(wanted, &contents, previous.as_deref()) {
            Ok(tls) => (Some(Arc::new(tls)), None),
            Err(error) => (good, Some(error)),
        };
        Known { listener: Arc::clone(&listener.name), wanted: wanted.clone(), digest, good, error, current: true }
    }

    /// What a configuration's listeners begin with.
    ///
    /// # Errors
    /// Those that have never been good: a listener that should encrypt never serves without.
    pub fn choose(&self, config: &Config) -> Result<Certificates, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut chosen = Certificates::new();
        for (listener, wanted, known) in self.of(config) {
            match known.map(|known| (&known.good, &known.error)) {
                Some((Some(good), _)) => drop(chosen.insert(Arc::clone(&listener.name), Arc::clone(good))),
                other => {
                    let error = other.and_then(|(_, error)| error.as_ref());
                    let message = error.map_or_else(|| "the files weren't read".to_owned(), ToString::to_string);
                    let key = format!("listener \"{}\": tls", listener.name);
                    problems.push(snapshot::problem(&wanted.place, key, message, REMEDY));
                }
            }
        }
        if problems.is_empty() { Ok(chosen) } else { Err(problems) }
    }

    pub fn describe(&self, config: &Config) -> Vec<CertificateStatus> {
        let describe = |(listener, _, known): (&Listener, &Wanted, Option<&Known>)| CertificateStatus {
            listener: Arc::clone(&listener.name),
            shown: known.and_then(|known| known.good.as_ref()).map(|good| good.shown.clone()).unwrap_or_default(),
            reason: known.and_then(|known| known.error.as_ref()).map(ToString::to_string),
        };
        self.of(config).map(describe).collect()
    }

    /// The listeners that encrypt, and what is known of their certificates.
    fn of<'a>(&'a self, config: &'a Config) -> impl Iterator<Item = (&'a Listener, &'a Wanted, Option<&'a Known>)> {
        config.listeners.iter().filter_map(|listener| {
            let wanted = listener.tls.as_ref()?;
            Some((listener, wanted, self.known.iter().find(|known| known.is_of(listener, wanted))))
        })
    }
}

const REMEDY: &str = "name PEM files that belong together, readable by the gateway";

impl Known {
    fn is_of(&self, listener: &Listener, wanted: &Wanted) -> bool {
        self.listener == listener.name && self.wanted == *wanted
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let text = |error: std::io::Error| error.to_string();
    // Before opening: to open a pipe is to wait for its writer.
    if !std::fs::metadata(path).map_err(text)?.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(text)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(text)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("it has more than {MOST_BYTES} bytes"));
    }
    Ok(bytes)
}

fn digest(contents: &Contents) -> [u8; 32] {
    let mut digest = Sha256::new();
    for (path, content) in contents {
        let (kind, bytes) = match content {
            Ok(bytes) => (0u8, bytes.as_slice()),
            Err(reason) => (1, reason.as_bytes()),
        };
        digest.update(path.as_os_str().as_encoded_bytes());
        digest.update([0, kind]);
        digest.update(Sha256::digest(bytes));
    }
    digest.finalize().into()
}
