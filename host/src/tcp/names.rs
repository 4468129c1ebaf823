//! Finding what belongs to a host name: the exact name before the longest wildcard.

use crate::config::model::HostPattern;

/// What belongs to `name`, which is in lower case.
pub(super) fn find<'a, T>(names: &'a [(HostPattern, T)], name: &str) -> Option<&'a T> {
    let rank = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(exact) if exact == name => Some(usize::MAX),
        HostPattern::Wildcard(suffix) => {
            let labels = name.strip_suffix(suffix.as_str())?.strip_suffix('.')?;
            (!labels.is_empty()).then_some(suffix.len())
        }
        HostPattern::Exact(_) | HostPattern::Any => None,
    };
    names
        .iter()
        .filter_map(|(pattern, value)| Some((rank(pattern)?, value)))
        .max_by_key(|(rank, _)| *rank)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_name_wins() {
        let names = [
            (HostPattern::Wildcard("example.com".into()), "wide"),
            (HostPattern::Wildcard("b.example.com".into()), "narrow"),
            (HostPattern::Exact("a.example.com".into()), "exact"),
        ];
        for (name, expected) in [
            ("a.example.com", Some("exact")),
            ("x.example.com", Some("wide")),
            ("x.y.example.com", Some("wide")),
            ("x.b.example.com", Some("narrow")),
            ("b.example.com", Some("wide")),
            ("example.com", None),
            (".example.com", None),
            ("xexample.com", None),
        ] {
            assert_eq!(find(&names, name).copied(), expected, "{name}");
        }
    }
}
