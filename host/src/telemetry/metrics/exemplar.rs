//! Exemplars (OpenMetrics 1.0, section 4.6.1): for each bucket of a histogram, the last traced request that fell into
//! it, so that a slow one is found by its trace. Untraced requests cost nothing; a thread that would have to wait for
//! another passes its own over.

use std::fmt::Write as _;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::series::BOUNDS;
use crate::telemetry::traces::{SpanId, TraceId};

/// One for each bucket.
pub(super) type Exemplars = [Option<Exemplar>; BOUNDS.len() + 1];

/// One traced request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Exemplar {
    trace: TraceId,
    span: SpanId,
    seconds: f64,
    at: SystemTime,
}

/// Those of one histogram; no memory before the first.
#[derive(Debug, Default)]
pub(super) struct Kept(OnceLock<Box<[Mutex<Option<Exemplar>>; BOUNDS.len() + 1]>>);

impl Kept {
    /// Keep one for a bucket.
    pub(super) fn keep(&self, bucket: usize, seconds: f64, (trace, span): (TraceId, SpanId)) {
        let Some(place) = self.0.get_or_init(Box::default).get(bucket) else { return };
        if let Ok(mut place) = place.try_lock() {
            *place = Some(Exemplar { trace, span, seconds, at: SystemTime::now() });
        }
    }

    pub(super) fn read(&self) -> Exemplars {
        let Some(kept) = self.0.get() else { return Exemplars::default() };
        kept.each_ref().map(|place| *place.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Put exemplars behind the buckets of the histograms whose lines begin with `bucket`, in the order of both.
pub(super) fn append(text: &str, bucket: &str, exemplars: &[Exemplars]) -> String {
    let mut all = exemplars.iter().flatten();
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        out.push_str(line);
        if line.starts_with(bucket)
            && let Some(Some(Exemplar { trace, span, seconds, at })) = all.next()
        {
            let at = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            // Writing to a string doesn't fail.
            let _ = write!(out, " # {{trace_id=\"{trace}\",span_id=\"{span}\"}} {seconds} {at:.3}");
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::traces::TraceContext;

    #[test]
    fn each_stands_behind_its_bucket() {
        let kept = Kept::default();
        assert_eq!(kept.read(), Exemplars::default());
        kept.keep(1, 0.0004, TraceContext::for_test(true).ids());
        kept.keep(BOUNDS.len() + 1, 1.0, TraceContext::for_test(true).ids());
        let lines: String = (0..=BOUNDS.len()).map(|n| format!("a_bucket{{le=\"{n}\"}} 1\n")).collect();
        let text = format!("# TYPE a histogram\na_sum 1\n{lines}# EOF\n");
        let with = append(&text, "a_bucket{", &[kept.read()]);
        let marked: Vec<_> = with.lines().filter(|line| line.contains(" # ")).collect();
        let expected = format!("a_bucket{{le=\"1\"}} 1 # {{trace_id=\"{:032x}\",span_id=\"{:016x}\"}} 0.0004 ", 1, 7);
        assert!(marked.len() == 1 && marked[0].starts_with(&expected), "{marked:?}");
        assert_eq!(append(&text, "a_bucket{", &[]), text);
    }
}
