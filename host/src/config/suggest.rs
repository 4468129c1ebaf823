//! Finds the word that was probably meant. Knows nothing of the configuration.

/// The candidate nearest to `word`, if one is near enough to be a likely typing error.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Longer words are names that a program made, and comparing them costs the product of the lengths.
    const LONGEST: usize = 64;
    let wanted = fold(word);
    if wanted.is_empty() || wanted.len() > LONGEST {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other = fold(candidate);
        if other.len() > LONGEST {
            continue;
        }
        let tolerated = (wanted.len().max(other.len()) / 3).max(1);
        let distance = if differ_in_plural(&wanted, &other) { 1 } else { distance(&wanted, &other) };
        if distance <= tolerated && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// `; did you mean …` and the whole choice, as the remedy of a problem.
pub(super) fn remedy(word: &str, what: &str, candidates: &[&str]) -> String {
    /// A longer list helps nobody.
    const SHOWN: usize = 16;
    let mut choice = candidates.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if candidates.len() > SHOWN {
        choice.push_str(", …");
    }
    match nearest(word, candidates.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"? ({what}: {choice})"),
        None if candidates.is_empty() => String::new(),
        None => format!("{what}: {choice}"),
    }
}

/// Case and the two ways of joining words make no difference.
fn fold(word: &str) -> Vec<char> {
    word.chars().map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Whether the words differ in a final `s` alone.
fn differ_in_plural(a: &[char], b: &[char]) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    long.split_last() == Some((&'s', short))
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (i, &ca) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        let mut previous_b = None;
        for (j, &cb) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(&last, j) + usize::from(ca != cb)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if previous_a == Some(cb) && previous_b == Some(ca) {
                cost = cost.min(at(&before_last, j.wrapping_sub(1)) + 1);
            }
            row.push(cost);
            previous_b = Some(cb);
        }
        previous_a = Some(ca);
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(a: &str, b: &str) -> usize {
        distance(&fold(a), &fold(b))
    }

    #[test]
    fn distances() {
        assert_eq!(between("", ""), 0);
        assert_eq!(between("", "abc"), 3);
        assert_eq!(between("plugins", "pluginz"), 1);
        assert_eq!(between("mtach", "match"), 1);
        assert_eq!(between("ca", "abc"), 3);
        assert_eq!(between("kitten", "sitting"), 3);
    }

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let keys = ["name", "listeners", "match", "plugins", "cluster", "clusters"];
        assert_eq!(nearest("pluginz", keys), Some("plugins"));
        assert_eq!(nearest("mtach", keys), Some("match"));
        assert_eq!(nearest("Listener", keys), Some("listeners"));
        assert_eq!(nearest("cluser", keys), Some("cluster"));
        assert_eq!(nearest("timeout", keys), None);
        assert_eq!(nearest("", keys), None);
        assert_eq!(nearest("http_client", ["http-client"]), Some("http-client"));
        assert_eq!(nearest(&"x".repeat(1000), keys), None);
    }

    #[test]
    fn a_remedy_lists_the_choice() {
        assert_eq!(remedy("clok", "grants", &["clock", "kv"]), "did you mean \"clock\"? (grants: clock, kv)");
        assert_eq!(remedy("zzz", "grants", &["clock", "kv"]), "grants: clock, kv");
        assert_eq!(remedy("zzz", "grants", &[]), "");
    }
}
