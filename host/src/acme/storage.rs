//! What is kept on disk: the account, and certificates with their keys. Files are replaced whole, and are the gateway's
//! own (mode 0600).

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use instant_acme::AccountCredentials;

use super::AcmeError;
use crate::config::model::AcmeCertificate;
use crate::tls::{self, Certificate};

/// How long the certificate on disk needn't be renewed; not at all if there is none for all names. When a third of its
/// life is left it is time, as Let's Encrypt advises.
pub(super) fn due(certificate: &AcmeCertificate, now: i64) -> Duration {
    let files = &certificate.files;
    let Ok(content) = fs::read(&files.certificate) else { return Duration::ZERO };
    let Ok(found) = Certificate::read(files, &content, &content, &tls::provider()) else { return Duration::ZERO };
    let shown = found.shown;
    if !certificate.names.iter().all(|name| shown.names.contains(name)) {
        return Duration::ZERO;
    }
    let life = shown.not_after.saturating_sub(shown.not_before);
    let from = shown.not_after.saturating_sub(life / 3);
    Duration::from_secs(from.saturating_sub(now).try_into().unwrap_or(0))
}

/// Replace a file, or make it.
pub(super) fn keep(path: &Path, content: &str) -> Result<(), AcmeError> {
    replace(path, content).map_err(|source| AcmeError::File { path: path.display().to_string(), source })
}

/// The account of the last time.
pub(super) fn account(path: &Path) -> Result<Option<AccountCredentials>, AcmeError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| account_error(path, &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(AcmeError::File { path: path.display().to_string(), source }),
    }
}

pub(super) fn keep_account(path: &Path, credentials: &AccountCredentials) -> Result<(), AcmeError> {
    keep(path, &serde_json::to_string(credentials).map_err(|error| account_error(path, &error))?)
}

/// Without what the file says: it is secret.
fn account_error(path: &Path, error: &serde_json::Error) -> AcmeError {
    let reason = format!("line {}, column {}; move it away to open another account", error.line(), error.column());
    AcmeError::Account { path: path.display().to_string(), reason }
}

fn replace(path: &Path, content: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let new = path.with_extension("new");
    // One that a crash has left may have another mode.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}
