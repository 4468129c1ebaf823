//! Matches in words, as one writes them in the configuration; but for values that are secret by their name.

use std::fmt::{Display, Formatter, Result};

use super::model::{HostPattern, Match, PathPattern, Segment, ValuePattern};
use crate::telemetry::access::{is_secret_field, is_secret_parameter};

impl Display for PathPattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => write!(f, "/{literal}")?,
                Segment::Capture(name) => write!(f, "/{{{name}}}")?,
            }
        }
        match (self.prefix, self.segments.is_empty()) {
            (true, _) => f.write_str("/*"),
            (false, true) => f.write_str("/"),
            (false, false) => Ok(()),
        }
    }
}

impl Display for HostPattern {
    /// Nothing for any host.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Any => Ok(()),
            Self::Wildcard(domain) => write!(f, "*.{domain}"),
            Self::Exact(host) => f.write_str(host),
        }
    }
}

impl Display for Match {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (index, method) in self.methods.iter().enumerate() {
            write!(f, "{}{method}", if index == 0 { "" } else { "|" })?;
        }
        if !self.methods.is_empty() {
            f.write_str(" ")?;
        }
        write!(f, "{}{}", self.host, self.path)?;
        let value = |secret: bool, pattern: &ValuePattern| match pattern {
            ValuePattern::Present => String::new(),
            ValuePattern::Exact(_) if secret => "=[redacted]".to_owned(),
            ValuePattern::Exact(value) => format!("={value}"),
        };
        for (index, (name, pattern)) in self.query.iter().enumerate() {
            write!(f, "{}{name}{}", if index == 0 { '?' } else { '&' }, value(is_secret_parameter(name), pattern))?;
        }
        for (name, pattern) in &self.headers {
            write!(f, " [{name}{}]", value(is_secret_field(name), pattern))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_reads_as_it_is_written() {
        let everything = Match {
            host: HostPattern::Wildcard("example.com".into()),
            path: PathPattern {
                segments: vec![Segment::Literal("users".into()), Segment::Capture("id".into())],
                prefix: true,
            },
            methods: vec![http::Method::GET, http::Method::PUT],
            headers: vec![(http::header::ACCEPT, ValuePattern::Exact("text/html".into()))],
            query: vec![("a".into(), ValuePattern::Present), ("b".into(), ValuePattern::Exact("2".into()))],
        };
        assert_eq!(everything.to_string(), "GET|PUT *.example.com/users/{id}/*?a&b=2 [accept=text/html]");
        assert_eq!(Match::default().to_string(), "/*");
        assert_eq!(PathPattern { segments: vec![], prefix: false }.to_string(), "/");
    }

    #[test]
    fn a_secret_that_a_route_wants_is_not_shown() {
        let word = || ValuePattern::Exact("hidden".into());
        let wants = Match {
            headers: vec![(http::header::AUTHORIZATION, word())],
            query: vec![("Token".into(), word()), ("key".into(), ValuePattern::Present)],
            ..Match::default()
        };
        assert_eq!(wants.to_string(), "/*?Token=[redacted]&key [authorization=[redacted]]");
    }
}
