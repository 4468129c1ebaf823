//! The reference configuration and its documentation: complete, valid, and true to the defaults.

use std::fs;

use super::*;
use crate::config::model::{Isolation, Limits, OnError, Secret, Timeouts};
use crate::config::written::keys;

fn repository(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

fn reference() -> String {
    fs::read_to_string(repository("config/sluice.toml")).unwrap()
}

/// With every key that is commented out put to use.
pub(super) fn whole() -> String {
    let keys = |line: &str| {
        line.strip_prefix('#').filter(|key| !key.starts_with([' ', ':']) && !key.is_empty()).map(str::to_owned)
    };
    reference().lines().map(|line| keys(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn the_reference_is_valid() {
    let config = load(&repository("config/sluice.toml")).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let again = parse(BASICS, Path::new("config/sluice.toml")).unwrap();
    assert_eq!(config.server.threads, again.server.threads);
    assert_eq!(config.server.drain, again.server.drain);
    assert_eq!(config.server.trusted_proxies, again.server.trusted_proxies);
    assert_eq!(config.identity, again.identity);
    assert_eq!(config.plugins.directory.file_name(), again.plugins.directory.file_name());
    assert_eq!(config.plugins.cache.file_name(), again.plugins.cache.file_name());
    assert_eq!(config.clusters[0].timeouts, Timeouts::default());
}

#[test]
fn the_reference_shows_the_defaults() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("routes.d")).unwrap();
    let path = directory.path().join("sluice.toml");
    let environment = |name: &str| (name == "SLUICE_ADMIN_TOKEN").then(|| "t0ken".to_owned());
    let outcome = Loading::new(&path, &environment).run(Some(&whole())).outcome;
    let config = outcome.unwrap_or_else(|problems| panic!("{problems:#?}"));

    let plugin = &config.plugin[0];
    assert_eq!(plugin.limits, Limits::default());
    assert_eq!((plugin.isolation, plugin.on_error), (Isolation::default(), OnError::default()));
    assert_eq!(config.admin.as_ref().unwrap().token, Some(Secret::new("t0ken")));
    assert!(config.identity.subject.is_some());

    // What the reference says a health check and a redirect are by default.
    let check = "health_check = { path = \"/healthz\" }";
    let text = format!(
        "{BASICS}{check}\n[[route]]\nname = \"r\"\nmatch = {{ path = \"/a\" }}\nredirect = {{ path = \"/b\" }}"
    );
    let short = read(&text).unwrap();
    assert_eq!(config.clusters[0].health_check, short.clusters[0].health_check);
    let status = |config: &Config| {
        config.routes.iter().find_map(|route| match &route.destination {
            model::Destination::Redirect(redirect) => Some(redirect.status),
            _ => None,
        })
    };
    assert_eq!(status(&config).unwrap(), status(&short).unwrap());
}

#[test]
fn every_key_is_in_the_reference_and_in_the_documentation() {
    let whole = whole();
    let documentation = fs::read_to_string(repository("docs/configuration.md")).unwrap();
    for key in keys::ALL.iter().flat_map(|(_, keys)| keys.known) {
        let written = [format!("{key} = "), format!("[{key}]"), format!(".{key}]")];
        assert!(written.iter().any(|written| whole.contains(written.as_str())), "config/sluice.toml lacks {key}");
        let shown = [format!("`{key}`"), format!("[{key}]")];
        assert!(shown.iter().any(|shown| documentation.contains(shown.as_str())), "docs/configuration.md lacks {key}");
    }
}
