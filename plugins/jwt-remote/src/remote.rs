//! The issuer's keys: fetched by one request for all, kept in the plugin's store, and parsed once in each instance.
//! Keys that were good stay in use as long as no newer ones can be had.

use std::cell::{Ref, RefCell};
use std::time::Duration;

use jwt_token::{Fetch, KeySet};
use sluice_plugin::http::OutgoingRequest;
use sluice_plugin::prelude::*;
use sluice_plugin::{clock, crypto, kv};

/// Time between two fetches because of tokens whose key isn't known: anybody can send one.
const ROTATION: Duration = Duration::from_secs(30);
/// Time in which nobody tries again after a fetch failed.
const BACKOFF: Duration = Duration::from_secs(1);
/// The most bytes of a key set; the store takes 64 KiB.
const MAX_SET: usize = 60 << 10;

/// Keys of one issuer.
pub(crate) struct Remote {
    fetch: Fetch,
    configured: KeySet,
    /// What their entries in the store begin with. Another address is another issuer.
    prefix: String,
    held: RefCell<Held>,
}

/// What this instance has parsed.
struct Held {
    keys: KeySet,
    /// When they were fetched, since the Unix epoch.
    fetched: Option<Duration>,
}

impl Remote {
    pub(crate) fn new(fetch: Fetch, configured: KeySet) -> Result<Self> {
        if !fetch.path.starts_with('/') {
            return Err(Error::at("fetch.path", "must begin with `/`, like \"/.well-known/jwks.json\""));
        }
        for (name, span) in [("fetch.every", fetch.every), ("fetch.timeout", fetch.timeout)] {
            if span.0 < Duration::from_millis(100) {
                return Err(Error::at(name, "must be at least \"100ms\""));
            }
        }
        let address = format!("{}\n{}", fetch.cluster, fetch.path);
        let digest = crypto::digest(crypto::DigestAlgorithm::Sha256, address.as_bytes())?;
        let prefix = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let held = RefCell::new(Held { keys: configured.clone(), fetched: None });
        Ok(Self { fetch, configured, prefix, held })
    }

    /// The keys to judge by. Fetches them if there are none, or if they are old and nobody else does.
    ///
    /// # Errors
    /// There are none and none to be had.
    pub(crate) fn keys(&self) -> Result<Ref<'_, KeySet>> {
        if self.is_old() {
            self.take_over()?;
        }
        if self.is_old() {
            let nothing = self.held.borrow().keys.is_empty();
            // Without any keys nobody can be let in: then it's better that several ask than that all are refused.
            if self.may_try(nothing)? {
                match self.fetch() {
                    Ok(()) => {}
                    Err(why) if nothing => return Err(Error::new(format!("the issuer's keys can't be had: {why}"))),
                    Err(why) => log::warn!("the issuer's keys can't be fetched, the old ones stay in use: {why}"),
                }
            } else if nothing {
                return Err(Error::new("the issuer's keys couldn't be had a moment ago"));
            }
        }
        Ok(Ref::map(self.held.borrow(), |held| &held.keys))
    }

    /// A token's key isn't known: the issuer may have newer ones. Whether there are any.
    ///
    /// # Errors
    /// The store can't be reached.
    pub(crate) fn renew(&self) -> Result<bool> {
        if self.take_over()? {
            return Ok(true);
        }
        if kv::increment(&self.entry("rotation"), 1, Some(ROTATION))? > 1 {
            return Ok(false);
        }
        match self.fetch() {
            Ok(()) => Ok(true),
            Err(why) => {
                log::warn!("the issuer's keys can't be fetched, the old ones stay in use: {why}");
                Ok(false)
            }
        }
    }

    fn is_old(&self) -> bool {
        let fetched = self.held.borrow().fetched;
        fetched.is_none_or(|fetched| clock::now().saturating_sub(fetched) > self.fetch.every.0)
    }

    /// Take newer keys that another instance has fetched. Whether there were any.
    fn take_over(&self) -> Result<bool> {
        let Some(entry) = kv::get(&self.entry("keys"))? else { return Ok(false) };
        let Some((fetched, body)) = entry.split_first_chunk::<8>() else { return Ok(false) };
        let fetched = Duration::from_millis(u64::from_le_bytes(*fetched));
        if self.held.borrow().fetched.is_some_and(|held| held >= fetched) {
            return Ok(false);
        }
        Ok(self.adopt(body, fetched, |_, _| {}).is_ok())
    }

    /// Whether to fetch: nobody else is at it, and it hasn't failed just now.
    fn may_try(&self, nothing: bool) -> Result<bool> {
        if kv::get(&self.entry("failed"))?.is_some() {
            return Ok(false);
        }
        Ok(kv::increment(&self.entry("fetching"), 1, Some(self.fetch.timeout.0 + BACKOFF))? == 1 || nothing)
    }

    fn fetch(&self) -> Result<(), String> {
        let fetched = self.ask();
        // If the store is away, the next one fetches again; nothing else follows.
        let noted = match &fetched {
            Ok(()) => kv::delete(&self.entry("failed")).map(drop),
            Err(_) => kv::set(&self.entry("failed"), b"", Some(BACKOFF)),
        };
        drop(noted.and_then(|()| kv::delete(&self.entry("fetching"))));
        fetched
    }

    fn ask(&self) -> Result<(), String> {
        let request = OutgoingRequest::get(&self.fetch.cluster, &self.fetch.path)
            .with_header("accept", "application/jwk-set+json, application/json")
            .with_timeout(self.fetch.timeout.0);
        let now = clock::now();
        let answer = request.send().map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("the status is {} instead of 200", answer.status));
        }
        if answer.body.len() > MAX_SET {
            return Err(format!("the set has {} bytes; {MAX_SET} are the most", answer.body.len()));
        }
        self.adopt(&answer.body, now, |index, why| log::warn!("the issuer's key {index} is left out: {why}"))?;
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let entry = [&millis.to_le_bytes()[..], &answer.body].concat();
        if let Err(error) = kv::set(&self.entry("keys"), entry, None) {
            log::warn!("the issuer's keys can't be kept for other instances: {error}");
        }
        Ok(())
    }

    fn adopt(&self, body: &[u8], fetched: Duration, skipped: impl FnMut(usize, &str)) -> Result<(), String> {
        let mut keys = KeySet::parse_public(body, skipped).map_err(|why| format!("the set {why}"))?;
        keys.extend(&self.configured);
        *self.held.borrow_mut() = Held { keys, fetched: Some(fetched) };
        Ok(())
    }

    fn entry(&self, name: &str) -> String {
        format!("{} {name}", self.prefix)
    }
}
