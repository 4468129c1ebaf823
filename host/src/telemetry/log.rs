//! Sets up the log: lines of text or JSON on standard error. Only the binary does this; a library's
//! user has a subscriber of his own.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people; in colour on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The environment variables that choose what is logged, the first one that is set.
pub const VARIABLES: [&str; 2] = ["SLUICE_LOG", "RUST_LOG"];

/// What is logged unless a variable says otherwise.
const DEFAULT: &str = "info";

/// Why the log can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("the environment variable {variable} isn't a log filter: {reason}; write for example {variable}=debug")]
    Filter { variable: &'static str, reason: String },
    #[error("the log is set up already")]
    Twice,
}

/// Start logging, for the whole process.
///
/// # Errors
/// The filter in the environment can't be read, or there is a log already.
pub fn start(format: Format) -> Result<(), LogError> {
    let filter = filter(|name| std::env::var(name).ok())?;
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour);
    let started = match format {
        Format::Text => lines.with_target(false).finish().try_init(),
        Format::Json => lines.json().flatten_event(true).with_ansi(false).finish().try_init(),
    };
    started.map_err(|_| LogError::Twice)
}

fn filter(environment: impl Fn(&str) -> Option<String>) -> Result<EnvFilter, LogError> {
    for variable in VARIABLES {
        if let Some(text) = environment(variable).filter(|text| !text.is_empty()) {
            return EnvFilter::try_new(text).map_err(|error| LogError::Filter { variable, reason: error.to_string() });
        }
    }
    Ok(EnvFilter::new(DEFAULT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_s_own_variable_comes_first() {
        let both = |name: &str| Some(if name == "SLUICE_LOG" { "debug" } else { "error" }.to_owned());
        assert_eq!(filter(both).unwrap().to_string(), "debug");
        let general = |name: &str| (name == "RUST_LOG").then(|| "sluice=trace".to_owned());
        assert_eq!(filter(general).unwrap().to_string(), "sluice=trace");
        assert_eq!(filter(|_| None).unwrap().to_string(), "info");
    }

    #[test]
    fn a_bad_filter_is_named_with_its_variable() {
        let error = filter(|_| Some("a=b=c".into())).unwrap_err().to_string();
        assert!(error.starts_with("the environment variable SLUICE_LOG isn't a log filter"), "{error}");
    }
}
