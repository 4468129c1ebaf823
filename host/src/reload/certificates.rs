//! The certificates of listeners, of the admin API and of clusters as their files were last read: made anew only when a file or what is
//! asked for has changed. Files that are wrong keep the last good ones, as those of components do.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use sha2::{Digest as _, Sha256};

use crate::config::Problem;
use crate::config::model::{self, Config, Place};
use crate::server;
use crate::snapshot::status::{CertificateStatus, Owner};
use crate::snapshot::{self, Certificates};
use crate::tls::{Challenges, Contents, Shown, TlsError};
use crate::upstream;

/// The largest file that is read: a bundle of all public authorities has a quarter of it.
const MOST_BYTES: u64 = 1 << 20;

/// What is known of each listener and cluster with TLS.
#[derive(Default)]
pub struct Store {
    listeners: Kept<model::Tls>,
    admin: Kept<model::Tls>,
    clusters: Kept<model::ClusterTls>,
    /// How names are shown to be the gateway's own.
    challenges: Arc<Challenges>,
}

impl Store {
    /// Bring everything up to date that any of these configurations needs, and forget the rest. `unsettled` files
    /// are left as they are.
    pub fn refresh(&mut self, configs: &[&Config], unsettled: &BTreeSet<PathBuf>) {
        let challenges = &self.challenges;
        self.listeners.refresh(configs.iter().flat_map(|config| listeners(config)), unsettled, challenges);
        self.admin.refresh(configs.iter().flat_map(|config| admin(config)), unsettled, challenges);
        self.clusters.refresh(configs.iter().flat_map(|config| clusters(config)), unsettled, challenges);
    }

    /// What a configuration's connections begin with.
    ///
    /// # Errors
    /// Those that have never been good: who should encrypt never goes without.
    pub fn choose(&self, config: &Config) -> Result<Certificates, Vec<Problem>> {
        let mut problems = Vec::new();
        let certificates = Certificates {
            listeners: self.listeners.choose(listeners(config), "listener", &mut problems),
            admin: self.admin.choose(admin(config), "", &mut problems).into_values().next(),
            clusters: self.clusters.choose(clusters(config), "cluster", &mut problems),
            challenges: Arc::clone(&self.challenges),
        };
        if problems.is_empty() { Ok(certificates) } else { Err(problems) }
    }

    pub fn describe(&self, config: &Config) -> Vec<CertificateStatus> {
        let challenges = &self.challenges;
        let listeners = self.listeners.describe(listeners(config), challenges, Owner::Listener);
        let admin = self.admin.describe(admin(config), challenges, |_| Owner::Admin);
        listeners.chain(admin).chain(self.clusters.describe(clusters(config), challenges, Owner::Cluster)).collect()
    }
}

/// The files of everything that encrypts.
pub fn files(config: &Config) -> impl Iterator<Item = &PathBuf> {
    let of_servers = listeners(config).chain(admin(config)).flat_map(|(_, tls)| tls.files());
    of_servers.chain(clusters(config).flat_map(|(_, tls)| tls.files()))
}

/// The listeners that encrypt.
fn listeners(config: &Config) -> impl Iterator<Item = (&Arc<str>, &model::Tls)> {
    config.listeners.iter().filter_map(|listener| Some((&listener.name, listener.tls.as_ref()?)))
}

/// The admin API, if it encrypts; without a name.
fn admin(config: &Config) -> impl Iterator<Item = (&Arc<str>, &model::Tls)> {
    static NAME: LazyLock<Arc<str>> = LazyLock::new(Arc::default);
    config.admin.iter().filter_map(|admin| Some((&*NAME, admin.tls.as_ref()?)))
}

/// The clusters whose connections are encrypted.
fn clusters(config: &Config) -> impl Iterator<Item = (&Arc<str>, &model::ClusterTls)> {
    config.clusters.iter().filter_map(|cluster| Some((&cluster.name, cluster.tls.as_ref()?)))
}

/// What TLS is to be, and what is made of it.
trait Wanted: Clone + PartialEq {
    type Made;

    fn paths(&self) -> Vec<&PathBuf>;

    fn place(&self) -> &Place;

    /// `previous` is what serves, perhaps asked for in another way.
    fn make(
        &self,
        contents: &Contents,
        challenges: &Arc<Challenges>,
        previous: Option<&Self::Made>,
    ) -> Result<Self::Made, TlsError>;

    /// Why there is less than was asked for, though nothing is wrong with the files.
    fn lacks(&self, _challenges: &Challenges) -> Option<String> {
        None
    }

    fn shown(made: &Self::Made) -> Vec<Shown>;
}

impl Wanted for model::Tls {
    type Made = server::tls::Tls;

    fn paths(&self) -> Vec<&PathBuf> {
        self.files().collect()
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn make(
        &self,
        contents: &Contents,
        challenges: &Arc<Challenges>,
        previous: Option<&Self::Made>,
    ) -> Result<Self::Made, TlsError> {
        Self::Made::build(self, contents, challenges, previous)
    }

    fn lacks(&self, challenges: &Challenges) -> Option<String> {
        let model::Certificates::Acme(certificate) = &self.certificates else { return None };
        challenges.failure(&certificate.files.certificate)
    }

    fn shown(made: &Self::Made) -> Vec<Shown> {
        made.shown.clone()
    }
}

impl Wanted for model::ClusterTls {
    type Made = upstream::Tls;

    fn paths(&self) -> Vec<&PathBuf> {
        self.files().collect()
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn make(&self, contents: &Contents, _: &Arc<Challenges>, _: Option<&Self::Made>) -> Result<Self::Made, TlsError> {
        Self::Made::build(self, contents)
    }

    fn shown(made: &Self::Made) -> Vec<Shown> {
        made.shown.iter().cloned().collect()
    }
}

/// What is known of those of one kind.
struct Kept<W: Wanted> {
    known: Vec<Known<W>>,
}

struct Known<W: Wanted> {
    /// Whose it is.
    name: Arc<str>,
    wanted: W,
    /// Of the files' contents.
    digest: [u8; 32],
    good: Option<Arc<W::Made>>,
    error: Option<TlsError>,
    /// Whether this pass has seen it.
    current: bool,
}

impl<W: Wanted> Default for Kept<W> {
    fn default() -> Self {
        Self { known: Vec::new() }
    }
}

impl<W: Wanted> Kept<W> {
    fn refresh<'a>(
        &mut self,
        all: impl Iterator<Item = (&'a Arc<str>, &'a W)>,
        unsettled: &BTreeSet<PathBuf>,
        challenges: &Arc<Challenges>,
    ) where
        W: 'a,
    {
        self.known.iter_mut().for_each(|known| known.current = false);
        all.for_each(|(name, wanted)| self.refresh_one(name, wanted, unsettled, challenges));
        self.known.retain(|known| known.current);
    }

    fn refresh_one(
        &mut self,
        name: &Arc<str>,
        wanted: &W,
        unsettled: &BTreeSet<PathBuf>,
        challenges: &Arc<Challenges>,
    ) {
        let place = self.known.iter().position(|known| known.is_of(name, wanted));
        let known = place.map(|place| self.known.swap_remove(place));
        let waits = wanted.paths().into_iter().any(|file| unsettled.contains(file));
        let known = match known {
            Some(known) if known.current || waits => Known { current: true, ..known },
            before => self.make(name, wanted, before, challenges),
        };
        self.known.push(known);
    }

    fn make(&self, name: &Arc<str>, wanted: &W, before: Option<Known<W>>, challenges: &Arc<Challenges>) -> Known<W> {
        let contents: Contents = wanted.paths().into_iter().map(|path| (path.clone(), read(path))).collect();
        let digest = digest(&contents);
        let good = match before {
            Some(before) if before.digest == digest => return Known { current: true, ..before },
            before => before.and_then(|before| before.good),
        };
        // Also one that was asked for in another way: its session tickets may stay good.
        let of_same_name = || self.known.iter().find(|known| known.name == *name)?.good.clone();
        let previous = good.clone().or_else(of_same_name);
        let (good, error) = match wanted.make(&contents, challenges, previous.as_deref()) {
            Ok(tls) => (Some(Arc::new(tls)), None),
            Err(error) => (good, Some(error)),
        };
        Known { name: Arc::clone(name), wanted: wanted.clone(), digest, good, error, current: true }
    }

    /// The good ones by name; those that have never been are problems.
    fn choose<'a>(
        &self,
        all: impl Iterator<Item = (&'a Arc<str>, &'a W)>,
        kind: &str,
        problems: &mut Vec<Problem>,
    ) -> snapshot::ByName<W::Made>
    where
        W: 'a,
    {
        let mut chosen = snapshot::ByName::new();
        for (name, wanted) in all {
            match self.find(name, wanted).map(|known| (&known.good, &known.error)) {
                Some((Some(good), _)) => drop(chosen.insert(Arc::clone(name), Arc::clone(good))),
                other => {
                    let error = other.and_then(|(_, error)| error.as_ref());
                    let message = error.map_or_else(|| "the files weren't read".to_owned(), ToString::to_string);
                    let remedy = match error {
                        Some(TlsError::NoSystemAuthorities(_)) => "install them, or add ca = \"FILE\"",
                        _ => "name PEM files that belong together, readable by the gateway",
                    };
                    problems.push(snapshot::problem(
                        wanted.place(),
                        if name.is_empty() { "admin.tls".to_owned() } else { format!("{kind} \"{name}\": tls") },
                        message,
                        remedy,
                    ));
                }
            }
        }
        chosen
    }

    fn describe<'a>(
        &self,
        all: impl Iterator<Item = (&'a Arc<str>, &'a W)>,
        challenges: &Challenges,
        owner: impl Fn(Arc<str>) -> Owner,
    ) -> impl Iterator<Item = CertificateStatus>
    where
        W: 'a,
    {
        all.map(move |(name, wanted)| {
            let known = self.find(name, wanted);
            CertificateStatus {
                owner: owner(Arc::clone(name)),
                shown: known.and_then(|known| known.good.as_deref()).map(W::shown).unwrap_or_default(),
                reason: known
                    .and_then(|known| known.error.as_ref())
                    .map(ToString::to_string)
                    .or_else(|| wanted.lacks(challenges)),
            }
        })
    }

    fn find(&self, name: &str, wanted: &W) -> Option<&Known<W>> {
        self.known.iter().find(|known| known.is_of(name, wanted))
    }
}

impl<W: Wanted> Known<W> {
    fn is_of(&self, name: &str, wanted: &W) -> bool {
        *self.name == *name && self.wanted == *wanted
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
