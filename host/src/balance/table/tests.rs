//! Shares and disruption, the two things that tables for consistent hashing are judged by.

use super::*;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("192.0.2.{}:{}", n % 256, 8000 + n / 256)).collect()
}

fn equal(names: &[String]) -> Vec<(&str, u32)> {
    names.iter().map(|name| (&**name, 1)).collect()
}

/// Where keys go, by name.
fn places<'a>(table: &Table, endpoints: &[(&'a str, u32)], fit: impl Fn(usize) -> bool) -> Vec<&'a str> {
    (0..20_000u64).map(|key| endpoints[table.find(mix(key), &fit).unwrap()].0).collect()
}

fn moved(before: &[&str], after: &[&str]) -> f64 {
    let moved = before.iter().zip(after).filter(|(before, after)| before != after).count();
    moved as f64 / before.len() as f64
}

type Build = fn(&[(&str, u32)]) -> Table;
const KINDS: [(Build, f64); 2] = [(Table::ring, 0.35), (Table::maglev, 0.02)];

/// The largest deviation of an endpoint's slots or arc from its ideal share.
fn imbalance(table: &Table, endpoints: &[(&str, u32)]) -> f64 {
    let mut shares = vec![0f64; endpoints.len()];
    match table {
        Table::Maglev(slots) => slots.iter().for_each(|index| shares[*index as usize] += 1.0 / slots.len() as f64),
        Table::Ring(points) => {
            let mut before = points.last().unwrap().0;
            for (position, index) in points {
                shares[*index as usize] += position.wrapping_sub(before) as f64 / 2f64.powi(64);
                before = *position;
            }
        }
    }
    let total: f64 = endpoints.iter().map(|(_, weight)| f64::from(*weight)).sum();
    let off = |(share, (_, weight)): (&f64, &(&str, u32))| (share / (f64::from(*weight) / total) - 1.0).abs();
    shares.iter().zip(endpoints).map(off).fold(0.0, f64::max)
}

#[test]
fn shares_are_as_weights_say() {
    for (build, bound) in KINDS {
        let names = names(50);
        let mut endpoints = equal(&names);
        assert!(imbalance(&build(&endpoints), &endpoints) < bound);
        endpoints.iter_mut().enumerate().for_each(|(index, endpoint)| endpoint.1 = index as u32 % 4 + 1);
        let off = imbalance(&build(&endpoints), &endpoints);
        assert!(off < bound, "{off}");
    }
}

#[test]
fn an_endpoint_that_goes_takes_hardly_more_than_its_own_with_it() {
    for (build, bound) in [(KINDS[0].0, 0.025), (KINDS[1].0, 0.04)] {
        let names = names(50);
        let all = equal(&names);
        let mut fewer = all.clone();
        fewer.remove(17);
        let before = places(&build(&all), &all, |_| true);
        let after = places(&build(&fewer), &fewer, |_| true);
        let own = before.iter().filter(|name| **name == all[17].0).count() as f64 / before.len() as f64;
        let moved = moved(&before, &after);
        assert!(moved >= own && moved < bound, "{moved} for {own}");
    }
}

#[test]
fn an_endpoint_that_comes_takes_its_share_and_moves_little_else() {
    for (build, bound) in [(KINDS[0].0, 0.025), (KINDS[1].0, 0.04)] {
        let names = names(51);
        let more = equal(&names);
        let before = places(&build(&more[..50]), &more, |_| true);
        let after = places(&build(&more), &more, |_| true);
        assert!(moved(&before, &after) < bound, "{}", moved(&before, &after));
    }
}

#[test]
fn an_unfit_endpoint_disturbs_nobody_else() {
    for (build, _) in KINDS {
        let names = names(20);
        let endpoints = equal(&names);
        let table = build(&endpoints);
        let before = places(&table, &endpoints, |_| true);
        let after = places(&table, &endpoints, |index| index != 3);
        let mut heirs = std::collections::HashSet::new();
        for (before, after) in before.iter().zip(&after) {
            if *before == endpoints[3].0 {
                heirs.insert(after);
            } else {
                assert_eq!(before, after);
            }
        }
        assert!(heirs.len() > 10, "what it had is spread: {}", heirs.len());
    }
}

#[test]
fn the_order_of_endpoints_does_not_matter_much() {
    let names = names(20);
    let endpoints = equal(&names);
    let turned: Vec<_> = endpoints.iter().rev().copied().collect();
    let both = KINDS.map(|(build, _)| {
        let before = places(&build(&endpoints), &endpoints, |_| true);
        moved(&before, &places(&build(&turned), &turned, |_| true))
    });
    assert_eq!(both[0], 0.0);
    assert!(both[1] < 0.25, "{}", both[1]);
}

#[test]
fn nothing_is_found_where_nothing_is_fit() {
    for (build, _) in KINDS {
        assert_eq!(build(&[]).find(7, |_| true), None);
        assert_eq!(build(&[("a:1", 1)]).find(7, |_| false), None);
        assert_eq!(build(&[("a:1", 5)]).find(7, |_| true), Some(0));
        assert_eq!(build(&[("a:1", 65_535), ("b:1", 1)]).find(7, |index| index == 1).map_or(1, |index| index), 1);
    }
}

#[test]
fn a_thousand_endpoints_all_have_slots() {
    let names = names(1000);
    let endpoints = equal(&names);
    for (build, bound) in [(KINDS[0].0, 0.5), (KINDS[1].0, 0.02)] {
        let off = imbalance(&build(&endpoints), &endpoints);
        assert!(off < bound, "{off}");
    }
}

#[test]
fn a_table_without_endpoints_finds_nothing() {
    for (build, _) in KINDS {
        assert_eq!(build(&[]).find(7, |_| true), None);
    }
}
