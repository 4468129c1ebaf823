//! Which trace a request belongs to: W3C Trace Context (level 2), read from what came in, written for what goes out.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::fields::digits::hexadecimal;

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Members of `tracestate` (section 3.3.1.1).
const MOST_MEMBERS: usize = 32;

/// Of a key of `tracestate` (section 3.3.1.3.1), and of a value.
const LONGEST_WORD: usize = 256;

const SAMPLED: u8 = 1;
/// The right half of the trace's number is random (level 2, section 3.2.2.5.2).
const RANDOM: u8 = 2;

/// The trace of one request, and the span that the gateway makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    pub(super) trace: u128,
    /// The caller's span.
    pub(super) parent: Option<u64>,
    pub(super) span: u64,
    flags: u8,
    /// Spans below this one so far.
    children: u64,
}

/// A trace's number, shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(u128);

impl std::fmt::Display for TraceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A span's number, shown as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(u64);

impl std::fmt::Display for SpanId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a caller said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parent {
    pub trace: u128,
    pub span: u64,
    pub flags: u8,
}

impl TraceContext {
    pub(super) fn of(parent: Parent, span: u64) -> Self {
        Self {
            trace: parent.trace,
            parent: Some(parent.span),
            span,
            flags: parent.flags & (SAMPLED | RANDOM),
            children: 0,
        }
    }

    #[cfg(test)]
    pub(crate) fn for_test(sampled: bool) -> Self {
        Self::new(1, 7, sampled)
    }

    pub(super) fn new(trace: u128, span: u64, sampled: bool) -> Self {
        Self { trace, parent: None, span, flags: RANDOM | u8::from(sampled), children: 0 }
    }

    /// Whether its spans are told.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Whether a caller began it.
    pub fn has_parent(&self) -> bool {
        self.parent.is_some()
    }

    /// The number of another span below this one.
    pub fn child(&mut self) -> u64 {
        self.children += 1;
        scramble(self.span ^ self.children.rotate_left(48)).max(1)
    }

    /// For what happens elsewhere at the same time: of the same trace, with numbers for spans of its own.
    pub(in crate::telemetry) fn branch(&mut self) -> Self {
        Self { span: self.child(), children: 0, ..*self }
    }

    /// The numbers of the trace and of the gateway's own span, as they are written everywhere.
    pub fn ids(&self) -> (TraceId, SpanId) {
        (TraceId(self.trace), SpanId(self.span))
    }

    /// The field that makes `span` the parent of what it is sent with.
    pub fn header(&self, span: u64) -> HeaderValue {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let (_, rest) = text.split_at_mut(3);
        let (trace, rest) = rest.split_at_mut(32);
        let (_, rest) = rest.split_at_mut(1);
        let (parent, rest) = rest.split_at_mut(16);
        let (_, flags) = rest.split_at_mut(1);
        hexadecimal(self.trace, trace);
        hexadecimal(span.into(), parent);
        hexadecimal(self.flags.into(), flags);
        // Never the other: these are digits.
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
    }

    /// The gateway's own span.
    pub fn own_header(&self) -> HeaderValue {
        self.header(self.span)
    }
}

/// The caller's span, if there is exactly one `traceparent` and it is well-formed.
pub(super) fn parent(headers: &HeaderMap) -> Option<Parent> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    parse(value.as_bytes())
}

fn parse(value: &[u8]) -> Option<Parent> {
    let (whole, rest) = value.split_at_checked(55)?;
    let text = str::from_utf8(whole).ok()?;
    let mut parts = text.split('-');
    let mut part = |length: usize| {
        parts
            .next()
            .filter(|part| part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
    };
    let version = u8::from_str_radix(part(2)?, 16).ok()?;
    let trace = u128::from_str_radix(part(32)?, 16).ok()?;
    let span = u64::from_str_radix(part(16)?, 16).ok()?;
    let flags = u8::from_str_radix(part(2)?, 16).ok()?;
    // What later versions add comes behind another dash.
    let fits = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with(b"-"),
    };
    (fits && trace != 0 && span != 0).then_some(Parent { trace, span, flags })
}

/// Whether all fields `tracestate` together are well-formed; else they go no further.
pub(super) fn is_state(headers: &HeaderMap) -> bool {
    let mut count = 0;
    headers.get_all(TRACESTATE).iter().all(|value| {
        value.as_bytes().split(|byte| *byte == b',').all(|member| {
            let member = trimmed(member);
            count += usize::from(!member.is_empty());
            count <= MOST_MEMBERS && (member.is_empty() || is_member(member))
        })
    })
}

/// Without blanks around it.
fn trimmed(member: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let begin = member.iter().position(|byte| !is_blank(byte)).unwrap_or(member.len());
    let end = member.iter().rposition(|byte| !is_blank(byte)).map_or(begin, |last| last + 1);
    member.get(begin..end).unwrap_or_default()
}

fn is_member(member: &[u8]) -> bool {
    let Some(equals) = member.iter().position(|byte| *byte == b'=') else { return false };
    let (key, value) = member.split_at(equals);
    let value = value.get(1..).unwrap_or_default();
    is_key(key)
        && (1..=LONGEST_WORD).contains(&value.len())
        && value.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='))
}

/// A letter or a digit, and what else there may be; `tenant@vendor` is a custom, not a rule any more.
fn is_key(key: &[u8]) -> bool {
    let first = key.first().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let fits = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    first && key.len() <= LONGEST_WORD && key.iter().all(fits)
}

/// One-to-one (the finalizer of SplitMix64).
pub(super) fn scramble(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_parent_is_read_and_written() {
        let parent = parent(&headers(TRACEPARENT, &[GOOD])).unwrap();
        assert_eq!((parent.span, parent.flags), (0x00f0_67aa_0ba9_02b7, 1));
        let context = TraceContext::of(parent, 7);
        assert_eq!(context.own_header(), "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000007-01");
        assert!(context.is_sampled());
    }

    #[test]
    fn what_is_malformed_begins_another_trace() {
        let good = |value: &str| parent(&headers(TRACEPARENT, &[value])).is_some();
        assert!(good(&GOOD.replacen("00", "cc", 1)) && good(&format!("{}-more", GOOD.replacen("00", "cc", 1))));
        for bad in [
            &GOOD.replacen("00", "ff", 1),
            &format!("{GOOD}-more"),
            &format!("{}.more", GOOD.replacen("00", "cc", 1)),
            &GOOD.to_uppercase(),
            &GOOD[..54],
            &GOOD.replace("00f067aa0ba902b7", "0000000000000000"),
            &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &GOOD.replace('-', "_"),
            "",
        ] {
            assert!(!good(bad), "{bad}");
        }
        assert_eq!(parent(&headers(TRACEPARENT, &[GOOD, GOOD])), None);
    }

    #[test]
    fn states_are_judged_together() {
        let good = |values: &[&str]| is_state(&headers(TRACESTATE, values));
        assert!(good(&["foo=1,bar=2", "tenant@vendor=x y", ""]) && good(&["a=1 , b=2,"]) && good(&["a-b/c*_=~"]));
        for good_too in
            ["0foo=1", "t@=1,b=2", "a@@b=1", "a@b@c=1", "foo=1,foo=2", &format!("t@{}=1", "v".repeat(15)), "a=!~"]
        {
            assert!(good(&[good_too]), "{good_too}");
        }
        for bad in ["foo", "foo=", "foo=,bar=3", "Foo=1", "foo =1", "foo.bar=1", "foo=1=2", "@v=1", "=1", "fo\u{f6}=1"]
        {
            assert!(!good(&[bad]), "{bad}");
        }
        let many = |count: usize| (0..count).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(",");
        assert!(good(&[&many(32)]) && !good(&[&many(33)]) && !good(&[&many(30), &many(3)]));
        assert!(!good(&[&format!("{}=1", "a".repeat(257))]) && !good(&[&format!("a={}", "1".repeat(257))]));
    }

    #[test]
    fn flags_that_nobody_knows_go_no_further() {
        let written = |flags: &str| {
            let value = GOOD.replace("-01", flags);
            TraceContext::of(parent(&headers(TRACEPARENT, &[&value])).unwrap(), 7).own_header()
        };
        for (told, flags) in
            [("-00", "-00"), ("-01", "-01"), ("-02", "-02"), ("-03", "-03"), ("-ff", "-03"), ("-fc", "-00")]
        {
            assert!(written(told).to_str().unwrap().ends_with(flags), "{told}");
        }
        // Its own numbers are random.
        assert!(TraceContext::new(1, 7, true).own_header().to_str().unwrap().ends_with("-03"));
        assert!(TraceContext::new(1, 7, false).own_header().to_str().unwrap().ends_with("-02"));
    }

    #[test]
    fn what_stands_around_a_value_does_not_count() {
        let mut request = http::Request::new(());
        // A server hands on values without the blanks around them (RFC 9110, section 5.5).
        request.headers_mut().insert(TRACEPARENT, HeaderValue::from_static(GOOD));
        assert!(parent(request.headers()).is_some());
        for bad in
            [format!(" {GOOD}"), format!("{GOOD}\t"), GOOD.replace("4bf9", ".bf9"), GOOD.replacen("00", "000", 1)]
        {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn branches_have_spans_of_their_own() {
        let mut context = TraceContext::new(1, 7, true);
        let (mut one, mut two) = (context.branch(), context.branch());
        let ids: std::collections::HashSet<u64> =
            (0..100).flat_map(|_| [context.child(), one.child(), two.child()]).collect();
        assert_eq!(ids.len(), 300);
    }

    #[test]
    fn children_differ() {
        let mut context = TraceContext::new(1, 7, true);
        let ids: std::collections::HashSet<u64> = (0..1000).map(|_| context.child()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(!ids.contains(&7) && !ids.contains(&0));
    }

    proptest! {
        #[test]
        fn nothing_that_comes_in_does_harm(value in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(parent) = parse(&value) {
                let written = TraceContext::of(parent, parent.span).own_header();
                prop_assert_eq!(parse(written.as_bytes()).map(|again| (again.trace, again.span)), Some((parent.trace, parent.span)));
            }
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                is_state(&HeaderMap::from_iter([(TRACESTATE, value)]));
            }
        }
    }
}
