//! `sluice check`: all that is wrong at once, or a summary of what is there.

use std::path::Path;
use std::process::ExitCode;

use sluice::reload::{Builder, StartError};
use sluice::snapshot::status::State;

use super::{fail, print};

pub fn check(path: &Path) -> ExitCode {
    match Builder::check(path) {
        Ok((config, status)) => {
            let used = status.plugins.iter().filter(|plugin| plugin.state == State::Serving).count();
            let unused = status.plugins.len() - used;
            print(&format!(
                "{}: ok: {}, {}, {}, {}{}\n",
                path.display(),
                count(config.listeners.len(), "listener"),
                count(config.routes.len(), "route"),
                count(config.clusters.len(), "cluster"),
                count(used, "plugin"),
                if unused == 0 { String::new() } else { format!(" ({unused} more that nothing names)") },
            ))
        }
        Err(StartError::Problems(problems)) => {
            for problem in &problems {
                eprintln!("{problem}");
            }
            fail(format_args!("{}: {}", path.display(), count(problems.len(), "problem")))
        }
        Err(error) => fail(format_args!("{}: {error}", path.display())),
    }
}

/// `1 route`, `2 routes`.
fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
