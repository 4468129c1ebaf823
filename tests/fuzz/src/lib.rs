//! What is fuzzed. Each target takes any bytes, makes an input of them, and panics when something doesn't hold that has
//! to hold for every input. `cargo xtask fuzz` runs them under libFuzzer; the tests here replay the corpus, and
//! mutations of it, with every test run.

mod forwarding;
mod output;
mod routes;

use std::path::Path;

use sluice::{config, proxy_protocol, route};

/// Takes an input, and panics if something doesn't hold of it.
pub type Target = fn(&[u8]);

/// Targets by name; the corpus of each is the folder of the same name.
pub const TARGETS: &[(&str, Target)] = &[
    ("configuration", configuration),
    ("routes", routes::routes),
    ("path", path),
    ("proxy_protocol", proxy),
    ("forwarding", forwarding::forwarding),
    ("output", output::output),
];

/// The target with this name.
///
/// # Panics
/// There is none.
pub fn target(name: &str) -> Target {
    TARGETS.iter().find(|(own, _)| *own == name).map(|(_, target)| *target).expect("a target with this name")
}

/// A configuration is taken, or refused with reasons; what is taken can be served.
fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // In a directory that isn't there, so that names of files lead nowhere.
    match config::parse(&text, Path::new("/nowhere/sluice.toml")) {
        Ok(config) => {
            assert!(!config.listeners.is_empty(), "a gateway that hears nothing");
            assert!(route::conflicts(&config.routes).is_empty(), "routes that can't be told apart");
            route::Table::build(&config.routes);
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for problem in problems {
                assert!(!problem.message.is_empty(), "a problem without words: {problem:?}");
            }
        }
    }
}

/// A path is refused, or has one normal form, in which nothing is left that two readers could take for two things.
fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(normal) = route::normalize(text) else { return };
    assert!(normal.starts_with('/'), "{normal}");
    assert_eq!(route::normalize(&normal).as_deref(), Ok(&*normal), "normal paths are their own normal form");
    assert!(normal.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{normal}");
    assert!(!normal.contains("//") && !normal.contains(['?', '#']), "{normal}");
    for segment in normal.split('/') {
        assert!(segment != "." && segment != "..", "{normal}");
        if let Some(decoded) = route::decode_segment(segment) {
            assert!(!decoded.contains(['/', '\0']), "{normal}");
        }
    }
}

/// Bytes are no header, the beginning of one, or one that is written and read again the same.
fn proxy(data: &[u8]) {
    match proxy_protocol::parse(data) {
        Ok(Some((header, length))) => {
            assert!(length <= data.len() && length <= proxy_protocol::LONGEST);
            // What follows doesn't matter.
            let alone = data.get(..length).unwrap_or_default();
            assert_eq!(proxy_protocol::parse(alone), Ok(Some((header, length))));
            for version in [proxy_protocol::Version::V1, proxy_protocol::Version::V2] {
                let written = proxy_protocol::encode(version, &header);
                let (again, all) = proxy_protocol::parse(&written).expect("we write headers").expect("whole ones");
                assert_eq!(all, written.len());
                let third = proxy_protocol::encode(version, &again);
                assert_eq!(written, third, "{header:?} and {again:?}");
            }
        }
        Ok(None) => assert!(data.len() < proxy_protocol::LONGEST, "no end to it"),
        Err(_) => {
            // More bytes don't mend it.
            let longer = [data, b"\r\n\r\n"].concat();
            assert!(!matches!(proxy_protocol::parse(&longer), Ok(Some(_))), "{data:?}");
        }
    }
}
