//! One endpoint of a cluster: its address and what this gateway knows of it. Shared by all threads and
//! carried over reloads; every field that changes is an atomic, and no two of them have to agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::Release};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::outlier::{Outlier, Why};
use super::peak::Peak;
use super::send::outcome;
use crate::config::model::Address;
use crate::error::{Error, TlsFault};

/// What a failure counts as in the peak latency: a second.
const FAILURE_US: u64 = 1_000_000;

/// Thousandths of its weight that count when there is no slow start.
pub(super) const WHOLE_RAMP: u32 = 1000;

/// What requests fail by, as metrics have it.
pub(super) const ERRORS: [&str; 5] = ["connect", "timeout", "malformed", "reset", "tls"];

/// On a cache line of its own, since all threads write to it.
#[derive(Debug)]
#[repr(align(64))]
pub struct Endpoint {
    in_flight: AtomicU32,
    failures: AtomicU32,
    latency_us: AtomicU64,
    healthy: AtomicBool,
    /// Thousandths of its weight that count.
    ramp: AtomicU32,
    /// See [`Peak`].
    peak: Peak,
    outlier: Outlier,
    requests: AtomicU64,
    failed: AtomicU64,
    /// Into [`ERRORS`], from 1.
    last_error: AtomicU8,
    /// Into [`TlsFault::ALL`], from 1; of the last error, if it was one of TLS.
    tls_fault: AtomicU8,
    /// In seconds since the Unix epoch.
    last_error_at: AtomicU64,
    born: Instant,
    /// Of its cluster: counts changes of health and ramp.
    epoch: Arc<AtomicU64>,
    drained: AtomicBool,
    address: Address,
    text: Arc<str>,
}

impl Endpoint {
    /// Healthy until something else is known.
    pub fn new(address: Address, epoch: Arc<AtomicU64>) -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            latency_us: AtomicU64::new(0),
            healthy: AtomicBool::new(true),
            ramp: AtomicU32::new(WHOLE_RAMP),
            peak: Peak::default(),
            outlier: Outlier::default(),
            requests: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last_error: AtomicU8::new(0),
            tls_fault: AtomicU8::new(0),
            last_error_at: AtomicU64::new(0),
            born: Instant::now(),
            epoch,
            drained: AtomicBool::new(false),
            text: address.to_string().into(),
            address,
        }
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The address as text: `192.0.2.7:8080`, `unix:/run/users.sock`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same, for those who keep it.
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// Requests sent to it that haven't ended.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Refused, reset or timed-out requests in a row.
    pub fn failures(&self) -> u32 {
        self.failures.load(Relaxed)
    }

    /// Time to the answer's head, moving average in microseconds; 0 if unknown.
    pub fn latency_us(&self) -> u64 {
        self.latency_us.load(Relaxed)
    }

    /// By health checks.
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Relaxed)
    }

    pub fn set_healthy(&self, healthy: bool) {
        if self.healthy.swap(healthy, Relaxed) != healthy {
            self.changed();
        }
    }

    /// Why it is ejected, if it is.
    pub fn ejected(&self) -> Option<Why> {
        self.outlier.why()
    }

    /// Whether it is asked: health checks find it well, and it is neither ejected nor taken out.
    pub fn is_available(&self) -> bool {
        self.is_healthy() && self.ejected().is_none() && !self.is_drained()
    }

    /// Its state in a word: `healthy`, `unhealthy`, `ejected`, `warming` in a slow start, or `drained` if an
    /// operator has taken it out.
    pub fn state(&self) -> &'static str {
        match (self.is_healthy(), self.ejected()) {
            _ if self.is_drained() => "drained",
            (false, _) => "unhealthy",
            (true, Some(_)) => "ejected",
            (true, None) if self.ramp() < WHOLE_RAMP => "warming",
            (true, None) => "healthy",
        }
    }

    /// Tries since it is known.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Of these, those that failed by its fault.
    pub fn failed_requests(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// What the last of these failed by, in a word or, for TLS, in a few; and when in seconds since the Unix epoch.
    pub fn last_error(&self) -> Option<(&'static str, u64)> {
        let index = usize::from(self.last_error.load(Relaxed)).checked_sub(1)?;
        let name: &str = ERRORS.get(index)?;
        let fault = usize::from(self.tls_fault.load(Relaxed)).checked_sub(1).and_then(|fault| TlsFault::ALL.get(fault));
        let name = fault.filter(|_| name == "tls").map_or(name, |fault| fault.text());
        Some((name, self.last_error_at.load(Relaxed)))
    }

    /// What a request, or the check of a connection, failed by.
    pub(super) fn record_error(&self, error: &Error) {
        let name = outcome(error);
        if let Error::Tls(fault) = error {
            let index = TlsFault::ALL.iter().position(|known| known == fault);
            self.tls_fault.store(index.and_then(|index| u8::try_from(index + 1).ok()).unwrap_or_default(), Relaxed);
        }
        let index = ERRORS.iter().position(|known| *known == name);
        let number = index.and_then(|index| u8::try_from(index + 1).ok());
        self.last_error.store(number.unwrap_or_default(), Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_error_at.store(now.as_secs(), Relaxed);
    }

    pub(super) fn outlier(&self) -> &Outlier {
        &self.outlier
    }

    /// Have policies look again.
    pub(super) fn changed(&self) {
        self.epoch.fetch_add(1, Release);
    }

    pub(super) fn age_ms(&self) -> u64 {
        self.age_us() / 1000
    }

    /// Thousandths of its weight that count: less than 1,000 in a slow start.
    pub fn ramp(&self) -> u32 {
        self.ramp.load(Relaxed)
    }

    pub(super) fn set_ramp(&self, ramp: u32) {
        if self.ramp.swap(ramp, Relaxed) != ramp {
            self.changed();
        }
    }

    /// Begin a slow start; the checks' task moves it on.
    pub(super) fn begin_ramp(&self) {
        self.set_ramp(super::slow::FIRST);
    }

    /// All of its weight counts from now on.
    pub(super) fn end_ramp(&self) {
        self.set_ramp(WHOLE_RAMP);
    }

    /// Time to the answer's head in microseconds, up at once and down with time; 0 if unknown.
    pub(super) fn peak_us(&self) -> u64 {
        self.peak.read(self.age_us())
    }

    /// A health check finds it well: what failures in a row made of its peak latency, which would take a minute to come
    /// down, is forgotten.
    pub(super) fn forgive(&self) {
        if self.failures() > 0 {
            self.peak.set(self.latency_us(), self.age_us());
        }
    }

    fn age_us(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Whether an operator has taken it out: what is on its way ends, and nothing new is sent to it. Lasts until he
    /// puts it back or the gateway ends.
    pub fn is_drained(&self) -> bool {
        self.drained.load(Relaxed)
    }

    pub fn set_drained(&self, drained: bool) {
        if self.drained.swap(drained, Relaxed) != drained {
            self.changed();
        }
    }

    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
        self.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// A request was answered, with whatever status.
    pub(super) fn succeeded(&self, latency: Duration) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        // Two threads may overwrite each other's sample; an average survives that.
        let sample = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1);
        let old = self.latency_us.load(Relaxed);
        let new = if old == 0 { sample } else { old.saturating_mul(7).saturating_add(sample) / 8 };
        self.latency_us.store(new.max(1), Relaxed);
        self.peak.add(sample, self.age_us());
    }

    /// Another one answered first, and nobody waited any longer: it would have taken at least so long.
    pub(super) fn overtaken(&self, after: Duration) {
        let sample = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        if sample > self.peak_us() {
            self.peak.add(sample, self.age_us());
        }
    }

    /// A request failed, and it was the endpoint's fault.
    pub(super) fn failed(&self) {
        let failures = self.failures.load(Relaxed);
        self.failures.store(failures.saturating_add(1), Relaxed);
        self.failed.fetch_add(1, Relaxed);
        // Who fails fast must not look fast.
        self.peak.add(FAILURE_US, self.age_us());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint::new(std::net::SocketAddr::from(([127, 0, 0, 1], 80)).into(), Arc::default())
    }

    #[test]
    fn latency_starts_with_the_first_sample_and_then_moves_slowly() {
        let endpoint = endpoint();
        endpoint.succeeded(Duration::from_micros(800));
        assert_eq!(endpoint.latency_us(), 800);
        endpoint.succeeded(Duration::from_micros(1600));
        assert_eq!(endpoint.latency_us(), 900);
    }

    #[test]
    fn failures_weigh_until_a_check_finds_it_well() {
        let endpoint = endpoint();
        endpoint.succeeded(Duration::from_micros(800));
        endpoint.failed();
        assert!(endpoint.peak_us() > 900_000);
        endpoint.forgive();
        assert!(endpoint.peak_us() <= 800, "{}", endpoint.peak_us());
        endpoint.succeeded(Duration::from_millis(700));
        endpoint.forgive();
        assert!(endpoint.peak_us() > 600_000, "who is slow stays so");
    }

    #[test]
    fn an_answer_ends_a_row_of_failures() {
        let endpoint = endpoint();
        endpoint.failed();
        endpoint.failed();
        assert_eq!(endpoint.failures(), 2);
        endpoint.succeeded(Duration::ZERO);
        assert_eq!(endpoint.failures(), 0);
        assert_eq!(endpoint.latency_us(), 1, "0 would mean unknown");
    }
}
