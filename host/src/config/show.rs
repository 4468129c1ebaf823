//! Matches in words, as one writes them in the configuration.

use std::fmt::{Display, Formatter, Result};

use super::model::{HostPattern, Match, PathPattern, Segment, ValuePattern};

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
        let value = |pattern: &ValuePattern| match pattern {
            ValuePattern::Present => String::new(),
            ValuePattern::Exact(value) => format!("={value}"),
        };
        for (index, (name, pattern)) in self.query.iter().enumerate() {
            write!(f, "{}{name}{}", if index == 0 { '?' } else { '&' }, value(pattern))?;
        }
        for (name, pattern) in &self.headers {
            write!(f, " [{name}{}]", value(pattern))?;
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
}
