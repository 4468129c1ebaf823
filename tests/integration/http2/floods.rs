//! Too much of what costs the gateway something and brings nobody anything: bounded, answered with the right code, and
//! counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Fate, judge};
use crate::harness::raw2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, PRIORITY, RST_STREAM, Raw2, SETTINGS,
    WINDOW_UPDATE, block, frame, get, literal, request,
};
use crate::harness::site::{Files, cluster, noted, route};
use crate::harness::upstream::{Upstream, read_head};
use crate::harness::{BROKEN, soon, until};

/// `ENHANCE_YOUR_CALM`
const CALM: Fate = Fate::Ends(&[11]);

/// What is done many times, and under which reason it counts.
fn floods() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let open = || frame(HEADERS, END_HEADERS, 1, &get("/a"));
    let repeated = |frame: Vec<u8>, times: usize| frame.repeat(times);
    let streams = |count: u32, each: &dyn Fn(u32) -> Vec<u8>| -> Vec<u8> {
        (0..count).flat_map(|number| each(2 * number + 1)).collect()
    };
    let reset = |stream| [request(stream, &get("/a")), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat();
    vec![
        ("pings", repeated(frame(PING, 0, 0, b"sluicing"), 5000), "http2-pings"),
        ("answers to pings that nobody sent", repeated(frame(PING, 1, 0, b"sluicing"), 5000), "http2-pings"),
        ("settings", repeated(frame(SETTINGS, 0, 0, &[]), 500), "http2-settings"),
        (
            "settings of windows",
            (0u8..200).flat_map(|size| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 1, size])).collect(),
            "http2-settings",
        ),
        ("resets", streams(3000, &reset), "http2-calm"),
        ("priorities", repeated(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 7]), 5000), "http2-priorities"),
        ("frames that nobody knows", repeated(frame(0xee, 0, 0, &[]), 5000), "http2-unknown"),
        ("empty data", [open(), repeated(frame(DATA, 0, 1, &[]), 5000)].concat(), ""),
        ("data of one byte", [open(), repeated(frame(DATA, 0, 1, b"x"), 60_000)].concat(), ""),
        ("updates of windows", repeated(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), 5000), "http2-window-updates"),
        (
            "empty continuations",
            [frame(HEADERS, 0, 1, &get("/a")), repeated(frame(CONTINUATION, 0, 1, &[]), 5000)].concat(),
            "http2-calm",
        ),
        (
            "continuations with fields",
            [frame(HEADERS, 0, 1, &get("/a")), repeated(frame(CONTINUATION, 0, 1, &block(&[("x", "y"); 50])), 2000)]
                .concat(),
            "http2-calm",
        ),
        ("malformed requests", streams(3000, &|stream| request(stream, &[])), ""),
        (
            // One entry of the dynamic table, told of again and again.
            "a bomb of HPACK",
            {
                let entry = [&[0x40][..], &literal(b"x", &[b'y'; 3900])[1..]].concat();
                let large = [get("/a"), entry, vec![0xbe; 12_000]].concat();
                request(1, &large)
            },
            "",
        ),
    ]
}

#[tokio::test]
async fn floods_end_their_connection_and_are_counted() {
    let (site, _) = noted().await;
    let (mut wrong, start) = (Vec::new(), std::time::Instant::now());
    for (name, bytes, reason) in floods() {
        let series = format!("sluice_connections_cut_total{{listener=\"public\",reason=\"{reason}\"}}");
        let before = site.metric(&series).await;
        if let Err(error) = judge(&site, bytes, CALM).await {
            wrong.push(format!("{name}: {error}"));
        }
        // It counts when the client has had its time to hear of it.
        while !reason.is_empty() && site.metric(&series).await <= before {
            assert!(start.elapsed() < BROKEN, "{name}: not counted as {reason}");
            tokio::task::yield_now().await;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(site.get("/after").await.status, 200);
}

/// Resets that come after the gateway has begun to serve their streams (CVE-2023-44487): each costs a call of the
/// upstream that nobody waits for.
#[tokio::test]
async fn requests_that_are_cancelled_again_and_again_are_bounded() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let upstream = Upstream::raw(move |_, mut stream| {
        let counted = counted.clone();
        async move {
            while read_head(&mut stream).await.is_some() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let text = [route("up", "/*", &[]), cluster("up", &[upstream.address])].concat();
    let site = Files::new().start(&text).await;
    let mut client = Raw2::connect(site.address()).await;
    client.send(PREFACE);
    let (sender, told) = (client.sender(), tokio::spawn(async move { client.until(|_| false).await }));
    for number in 0..1000 {
        let stream = 2 * number + 1;
        let _ = sender.send(request(stream, &get("/a")));
        // Each is on its way upstream before it is cancelled, until the connection ends.
        until(|| told.is_finished() || calls.load(Ordering::SeqCst) > number as usize).await;
        let _ = sender.send(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        if told.is_finished() {
            break;
        }
    }
    let frames = soon(told).await.unwrap();
    assert_eq!(frames.iter().rev().find_map(|frame| frame.code()), Some(11));
    let calls = calls.load(Ordering::SeqCst);
    assert!((250..600).contains(&calls), "{calls}");
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused_and_the_others_served() {
    let (site, _) = noted().await;
    let mut client = Raw2::connect(site.address()).await;
    let opened: Vec<u8> = (0..150).flat_map(|number| frame(HEADERS, END_HEADERS, 2 * number + 1, &get("/a"))).collect();
    client.send([PREFACE, &opened].concat());
    let mut refused = 0;
    while refused < 50 {
        let frame = soon(client.next()).await.expect("the connection lives");
        if frame.kind == RST_STREAM {
            assert_eq!((frame.code(), frame.stream > 200), (Some(7), true), "{frame:?}");
            refused += 1;
        }
    }
    client.send(frame(DATA, END_STREAM, 1, b"x"));
    assert!(client.until(|frame| frame.stream == 1 && frame.kind == HEADERS).await.last().unwrap().is_ok());
}
