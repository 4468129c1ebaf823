//! How specific a route is, as a value that compares.
//!
//! Of all routes that fit a request, the greatest wins. In order of weight:
//!
//! 1. **Host**: an exact one before a wildcard before none; of two wildcards the longer suffix.
//! 2. **Path**: an exact one, captures or not, before a prefix; of two prefixes the one with more segments.
//! 3. **Segments**: of two paths alike so far, at the first place where they differ, a literal before a capture.
//! 4. **Conditions**: the more of them; each header and each query parameter is one, and a list of methods is one.
//!
//! Two routes with the same rank that fit the same request are a mistake of the configuration, which
//! [`super::conflicts`] finds; where it is served all the same, the one written first wins.

use crate::config::model::{HostPattern, Match, PathPattern, Segment};

/// The precedence of a [`Match`]; greater is more specific.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    host: HostRank,
    path: PathRank,
    conditions: usize,
}

/// In ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum HostRank {
    Any,
    /// With the length of the suffix.
    Wildcard(usize),
    Exact,
}

/// In ascending order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum PathRank {
    Prefix(usize, Vec<SegmentRank>),
    Exact(Vec<SegmentRank>),
}

/// In ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SegmentRank {
    Capture,
    Literal,
}

impl Rank {
    pub fn of(matcher: &Match) -> Self {
        let host = match &matcher.host {
            HostPattern::Any => HostRank::Any,
            HostPattern::Wildcard(suffix) => HostRank::Wildcard(suffix.len()),
            HostPattern::Exact(_) => HostRank::Exact,
        };
        Self { host, path: PathRank::of(&matcher.path), conditions: conditions(matcher) }
    }
}

impl PathRank {
    fn of(path: &PathPattern) -> Self {
        let segments: Vec<_> = path
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Capture(_) => SegmentRank::Capture,
                Segment::Literal(_) => SegmentRank::Literal,
            })
            .collect();
        if path.prefix { Self::Prefix(segments.len(), segments) } else { Self::Exact(segments) }
    }
}

/// How many conditions there are beside host and path.
pub(super) fn conditions(matcher: &Match) -> usize {
    usize::from(!matcher.methods.is_empty()) + matcher.headers.len() + matcher.query.len()
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::super::tests::{host, path};
    use super::*;
    use crate::config::model::ValuePattern;

    fn rank(on: &str, at: &str) -> Rank {
        Rank::of(&Match { host: host(on), path: path(at), ..Match::default() })
    }

    #[test]
    fn host_outweighs_path_outweighs_segments() {
        let descending = [
            rank("api.example.com", "/*"),
            rank("*.api.example.com", "/a/b"),
            rank("*.example.com", "/a/b"),
            rank("*.example.com", "/a/{x}"),
            rank("*.example.com", "/{x}/b"),
            rank("*.example.com", "/{x}/{y}"),
            rank("*.example.com", "/{x}/b/*"),
            rank("*.example.com", "/a/*"),
            rank("*.example.com", "/{x}/*"),
            rank("*.example.com", "/*"),
            rank("", "/a/b"),
        ];
        assert!(descending.is_sorted_by(|a, b| a > b));
    }

    #[test]
    fn conditions_decide_last() {
        let plain = Match::default();
        let method = Match { methods: vec![Method::GET, Method::PUT], ..Match::default() };
        let mut both = method.clone();
        both.query.push(("v".into(), ValuePattern::Present));
        assert!(Rank::of(&both) > Rank::of(&method));
        assert!(Rank::of(&method) > Rank::of(&plain));
        both.path = path("/a/*");
        assert!(Rank::of(&both) < Rank::of(&Match { path: path("/a/b"), ..Match::default() }));
    }
}
