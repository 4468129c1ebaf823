//! Certificates by ACME (RFC 8555): obtains them, keeps them in files, and renews them in time. Who serves sees files
//! that change ([`crate::reload`]) and challenges to answer ([`Challenges`]); nothing here is in a request's way.

mod client;
mod order;
mod storage;
#[cfg(test)]
mod tests;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use instant_acme::Account;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::config::model::{Acme, AcmeCertificate, Config};
use crate::tls::Challenges;
use client::Client;

/// How long after a failure the next attempt begins, at first. Authorities count failures: Let's Encrypt allows five
/// of a name in an hour.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);

/// How often files are looked at: another program may have changed them, and clocks are set.
const LOOK: Duration = Duration::from_secs(6 * 3600);

/// Why a certificate can't be had.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    #[error("{0}")]
    Authority(#[from] instant_acme::Error),
    #[error("the authority doesn't offer the challenge {0}")]
    NoChallenge(&'static str),
    #[error("the authority could not see that the names are the gateway's own{0}")]
    NotShown(String),
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("what is kept of the account in {path} can't be read: {reason}")]
    Account { path: String, reason: String },
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
}

/// Keeps the certificates of a configuration good. Its tasks end with it.
#[derive(Default)]
pub struct Manager {
    current: Option<(Acme, Vec<AcmeCertificate>)>,
    tasks: JoinSet<()>,
}

impl Manager {
    /// Care for what this configuration wants from now on. `renewed` is called, and waited for, after a file has
    /// changed.
    ///
    /// Has to be called inside a local task set.
    pub fn update<F>(&mut self, config: &Config, challenges: &Arc<Challenges>, renewed: F)
    where
        F: AsyncFn() + Clone + 'static,
    {
        let certificates: Vec<_> = config.acme_certificates().into_iter().cloned().collect();
        let wanted = config.acme.clone().map(|acme| (acme, certificates));
        if wanted == self.current {
            return;
        }
        self.current.clone_from(&wanted);
        self.tasks = JoinSet::new();
        let Some((acme, certificates)) = wanted else { return };
        // Challenges for one name would be in each other's way, and authorities want no rush.
        let authority = Rc::new(Mutex::new(Authority { acme, account: None }));
        for certificate in certificates {
            let keeper = Keeper { certificate, authority: Rc::clone(&authority), challenges: Arc::clone(challenges) };
            self.tasks.spawn_local(keeper.keep(renewed.clone()));
        }
    }
}

/// From whom certificates are had.
struct Authority {
    acme: Acme,
    account: Option<Account>,
}

/// Keeps one certificate good.
struct Keeper {
    certificate: AcmeCertificate,
    authority: Rc<Mutex<Authority>>,
    challenges: Arc<Challenges>,
}

impl Keeper {
    async fn keep(self, renewed: impl AsyncFn()) {
        let file = &self.certificate.files.certificate;
        let mut pause = FIRST_PAUSE;
        loop {
            let wait = storage::due(&self.certificate, now());
            if !wait.is_zero() {
                tokio::time::sleep(wait.min(LOOK)).await;
                continue;
            }
            match self.obtain().await {
                Ok(()) => {
                    tracing::info!(names = ?self.certificate.names, file = %file.display(), "obtained a certificate");
                    self.challenges.tell(file, None);
                    pause = FIRST_PAUSE;
                    renewed().await;
                }
                Err(error) => {
                    tracing::error!(
                        names = ?self.certificate.names, %error, again_after_s = pause.as_secs(), "no certificate was obtained"
                    );
                    self.challenges.tell(file, Some(format!("no certificate was obtained: {error}")));
                    // So that it can be seen.
                    renewed().await;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn obtain(&self) -> Result<(), AcmeError> {
        let mut authority = self.authority.lock().await;
        let account = authority.account().await?;
        let (chain, key) =
            order::obtain(&account, &self.certificate.names, authority.acme.challenge, &self.challenges).await?;
        storage::keep(&self.certificate.files.certificate, &format!("{key}{chain}"))
    }
}

impl Authority {
    /// The account of the last time, or a new one. To have one is to agree to the authority's terms.
    async fn account(&mut self) -> Result<Account, AcmeError> {
        if let Some(account) = &self.account {
            return Ok(account.clone());
        }
        let builder = Account::builder_with_http(Box::new(Client::new(self.acme.ca.as_deref())?));
        let file = self.acme.storage.join("account.json");
        let account = match storage::account(&file)? {
            Some(credentials) => builder.from_credentials(credentials).await?,
            None => {
                let contact: Vec<&str> = self.acme.contact.iter().map(String::as_str).collect();
                let wanted = instant_acme::NewAccount {
                    contact: &contact,
                    terms_of_service_agreed: true,
                    only_return_existing: false,
                };
                let (account, credentials) = builder.create(&wanted, self.acme.directory.clone(), None).await?;
                storage::keep_account(&file, &credentials)?;
                account
            }
        };
        self.account = Some(account.clone());
        Ok(account)
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
