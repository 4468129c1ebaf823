//! `[access_log]`, checked.

use std::net::SocketAddr;
use std::path::PathBuf;

/// `[access_log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    pub output: AccessOutput,
    pub format: AccessFormat,
    pub when: AccessWhen,
    /// Header fields and query parameters, in lower case, that are secret besides those that always are.
    pub redact: Vec<Box<str>>,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self {
            output: AccessOutput::Stdout,
            format: AccessFormat::Common,
            when: AccessWhen::Always,
            redact: Vec::new(),
        }
    }
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessOutput {
    Stdout,
    Stderr,
    File {
        path: PathBuf,
        /// The size in bytes at which it is moved aside; 0 for never.
        rotate: u64,
        /// Old files that are kept.
        keep: u32,
    },
    Syslog {
        target: SyslogTarget,
        /// RFC 5424, section 6.2.1.
        facility: u8,
    },
}

/// Where a syslog daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogTarget {
    Unix(PathBuf),
    Udp(SocketAddr),
}

/// The form of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessFormat {
    Json(Vec<crate::telemetry::access::Field>),
    /// The Common Log Format.
    Common,
    /// With referer and user agent.
    Combined,
}

/// Which requests have a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessWhen {
    Always,
    /// Those with a status of 400 or more, and those that broke off.
    Errors,
}
