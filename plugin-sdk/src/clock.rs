//! Time. Grant: `clock`.

use std::time::Duration;

use crate::sys;

/// Time since the Unix epoch.
#[must_use]
pub fn now() -> Duration {
    Duration::from_nanos(sys::now())
}

/// Time since some fixed moment; never goes back.
#[must_use]
pub fn monotonic() -> Duration {
    Duration::from_nanos(sys::monotonic())
}
