use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::allowance::Allowance;
use super::follow::{Follow, Frame};

const fn frame(kind: u8, flags: u8, length: u32) -> Frame {
    Frame { length, kind, flags, stream: 1 }
}

const RESET: Frame = frame(3, 0, 4);
const PING: Frame = frame(6, 0, 8);
const WINDOW_UPDATE: Frame = frame(8, 0, 4);

/// How many of these a client gets through at once.
fn most(allowance: &mut Allowance, frame: Frame) -> (usize, &'static str) {
    let start = Instant::now();
    let refused = (0..1_000_000).find_map(|count| Some((count, allowance.received(frame, || start).err()?)));
    let (count, verdict) = refused.expect("there is an end");
    assert_eq!(verdict.code, 11);
    (count, verdict.reason)
}

#[test]
fn each_kind_of_flood_has_an_end_and_a_name() {
    for (frame, count, reason) in [
        (RESET, 250, "http2-resets"),
        (PING, 500, "http2-pings"),
        (frame(4, 0, 0), 50, "http2-settings"),
        (frame(0, 0, 0), 250, "http2-empty-data"),
        (frame(2, 0, 5), 1000, "http2-priorities"),
        (WINDOW_UPDATE, 1000, "http2-window-updates"),
        (frame(9, 0, 0), 1000, "http2-continuations"),
        (frame(77, 0, 9), 1000, "http2-unknown"),
    ] {
        assert_eq!(most(&mut Allowance::new(Instant::now()), frame), (count, reason));
    }
}

#[test]
fn frames_of_one_length_have_no_other() {
    let mut allowance = Allowance::new(Instant::now());
    for bad in
        [frame(3, 0, 5), frame(8, 0, 3), frame(6, 0, 9), frame(6, 1, 0), frame(4, 0, 5), frame(4, 1, 6), frame(7, 0, 7)]
    {
        assert_eq!(allowance.received(bad, Instant::now).unwrap_err().code, 6, "{bad:?}");
    }
}

#[test]
fn requests_and_their_bodies_are_free() {
    let mut allowance = Allowance::new(Instant::now());
    for _ in 0..100_000 {
        for free in [frame(1, 5, 100), frame(0, 0, 1), frame(0, 1, 0)] {
            assert_eq!(allowance.received(free, Instant::now), Ok(()));
        }
    }
}

#[test]
fn time_and_answers_fill_it_again() {
    let start = Instant::now();
    let mut allowance = Allowance::new(start);
    assert_eq!(most(&mut allowance, RESET).0, 250);
    let later = start + Duration::from_secs(1);
    let got = (0..1000).take_while(|_| allowance.received(RESET, || later).is_ok()).count();
    assert_eq!(got, 25);
    // Half of the requests are cancelled, the others answered, for ever.
    for _ in 0..10_000 {
        for answer in [frame(1, 4, 50), frame(0, 1, 500)] {
            allowance.sent(answer, || later).unwrap();
        }
        assert_eq!(allowance.received(RESET, || later), Ok(()));
    }
}

#[test]
fn windows_may_be_opened_for_what_was_sent() {
    let mut allowance = Allowance::new(Instant::now());
    for _ in 0..10_000 {
        allowance.sent(frame(0, 0, 16_384), Instant::now).unwrap();
    }
    assert_eq!(most(&mut allowance, WINDOW_UPDATE).0, 10_000 * (4 + 64) + 1000);
}

#[test]
fn streams_that_had_to_be_reset_are_paid_for() {
    let start = Instant::now();
    let mut allowance = Allowance::new(start);
    let paid = (0..10_000).take_while(|_| allowance.sent(RESET, || start).is_ok()).count();
    assert_eq!(paid, 500);
}

proptest! {
    #[test]
    fn heads_are_found_in_any_pieces(
        frames in proptest::collection::vec((0u8..12, any::<u8>(), 0u32..300, 0u32..0x7fff_ffff), 1..20),
        sizes in proptest::collection::vec(1usize..50, 1..10),
        preface in 0usize..30,
    ) {
        let mut stream = vec![7; preface];
        let mut expected = Vec::new();
        for (kind, flags, length, id) in frames {
            stream.extend(&length.to_be_bytes()[1..]);
            stream.extend([kind, flags]);
            stream.extend(id.to_be_bytes());
            stream.extend(vec![0xff; length as usize]);
            expected.push(Frame { length, kind, flags, stream: id });
        }
        let (mut follow, mut found, mut rest) = (Follow::after(preface), Vec::new(), &stream[..]);
        for size in sizes.iter().cycle() {
            let (piece, after) = rest.split_at(rest.len().min(*size));
            follow.pass(piece, |frame| found.push(frame));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(found, expected);
        prop_assert!(follow.is_between());
    }
}
