//! Lines for the gateway's log, marked with the plugin's name and the exchange. Needs no grant;
//! the amount is bounded for each call (`limits.log`).
//!
//! ```no_run
//! use sluice_plugin::prelude::*;
//! let subject = "alice";
//! log::info!("{subject} came in");
//! ```

use std::fmt;

use crate::sys;

#[doc(inline)]
pub use crate::{
    __log_debug as debug, __log_error as error, __log_info as info, __log_trace as trace, __log_warn as warn,
};

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// For following what a plugin does, step by step.
    Trace,
    /// For finding out why it does it.
    Debug,
    /// Normal, and worth knowing.
    Info,
    /// Not normal, but it goes on.
    Warn,
    /// Something failed.
    Error,
}

/// Write a line. The macros of this module are shorter.
pub fn log(level: Level, message: fmt::Arguments<'_>) {
    match message.as_str() {
        Some(text) => sys::log(level, text),
        None => sys::log(level, &message.to_string()),
    }
}

/// Write a line at level `trace`; arguments as for `println!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_trace {
    ($($message:tt)+) => {
        $crate::log::log($crate::log::Level::Trace, ::std::format_args!($($message)+))
    };
}

/// Write a line at level `debug`; arguments as for `println!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($message:tt)+) => {
        $crate::log::log($crate::log::Level::Debug, ::std::format_args!($($message)+))
    };
}

/// Write a line at level `info`; arguments as for `println!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($message:tt)+) => {
        $crate::log::log($crate::log::Level::Info, ::std::format_args!($($message)+))
    };
}

/// Write a line at level `warn`; arguments as for `println!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn {
    ($($message:tt)+) => {
        $crate::log::log($crate::log::Level::Warn, ::std::format_args!($($message)+))
    };
}

/// Write a line at level `error`; arguments as for `println!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($message:tt)+) => {
        $crate::log::log($crate::log::Level::Error, ::std::format_args!($($message)+))
    };
}
