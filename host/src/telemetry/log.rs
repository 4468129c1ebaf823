//! Sets up the log: lines of text or JSON on standard error. Only the binary does this; a library's
//! user has a subscriber of his own.

use std::sync::{Arc, Mutex, PoisonError};

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

/// Start logging, for the whole process. What is logged can be changed by what this returns.
///
/// # Errors
/// The filter in the environment can't be read, or there is a log already.
pub fn start(format: Format) -> Result<LogControl, LogError> {
    let filter = filter(|name| std::env::var(name).ok())?;
    let text = filter.to_string();
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour);
    // Two types that differ by the form of lines, and one way to change their filter.
    match format {
        Format::Text => {
            let lines = lines.with_target(false).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.finish().try_init().map_err(|_| LogError::Twice)?;
            Ok(LogControl::new(text, move |filter| handle.reload(filter).is_ok()))
        }
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_ansi(false).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.finish().try_init().map_err(|_| LogError::Twice)?;
            Ok(LogControl::new(text, move |filter| handle.reload(filter).is_ok()))
        }
    }
}

/// Changes what is logged while the process runs.
#[derive(Clone)]
pub struct LogControl(Arc<Inner>);

struct Inner {
    current: Mutex<String>,
    replace: Box<dyn Fn(EnvFilter) -> bool + Send + Sync>,
}

/// Why what is logged doesn't change.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("{text:?} isn't a log filter: {reason}; write for example \"debug\" or \"info,sluice::reload=debug\"")]
    Malformed { text: String, reason: String },
    #[error("the log has ended")]
    Gone,
}

impl LogControl {
    /// `replace` puts a filter in the place of the one that is now described by `current`; false if it can't.
    pub fn new(current: String, replace: impl Fn(EnvFilter) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { current: Mutex::new(current), replace: Box::new(replace) }))
    }

    /// What is logged now.
    pub fn current(&self) -> String {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Log what `text` asks for from now on: a level, or directives as `SLUICE_LOG` takes them.
    ///
    /// # Errors
    /// It is none; what was logged before is logged on.
    pub fn set(&self, text: &str) -> Result<(), FilterError> {
        let malformed = |reason: String| FilterError::Malformed { text: text.chars().take(200).collect(), reason };
        if text.trim().is_empty() {
            return Err(malformed("it is empty".to_owned()));
        }
        let filter = EnvFilter::try_new(text).map_err(|error| malformed(error.to_string()))?;
        let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        let normal = filter.to_string();
        if !(self.0.replace)(filter) {
            return Err(FilterError::Gone);
        }
        *current = normal;
        Ok(())
    }
}

impl std::fmt::Debug for LogControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LogControl").field(&self.current()).finish()
    }
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

    #[test]
    fn a_bad_filter_changes_nothing() {
        let control = LogControl::new("info".into(), |_| true);
        control.set("warn,sluice::reload=debug").unwrap();
        let good = control.current();
        assert!(good.contains("sluice::reload=debug"), "{good}");
        for bad in ["", " ", "a=b=c"] {
            assert!(control.set(bad).is_err(), "{bad}");
        }
        assert_eq!(control.current(), good);
    }
}
