//! Good neighbours: what looks like a flood and isn't one.

use super::{Fate, judge};
use crate::harness::raw2::{
    DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM, Raw2, SETTINGS, WINDOW_UPDATE, block, frame,
    get, request,
};
use crate::harness::site::noted;

#[tokio::test]
async fn what_good_clients_do_is_served() {
    let (site, _) = noted().await;
    let post = block(&[(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/a")]);
    let cases = [
        (
            "a block in pieces",
            [frame(HEADERS, END_STREAM, 1, &get("/a")[..5]), frame(9, END_HEADERS, 1, &get("/a")[5..])].concat(),
        ),
        ("padding", frame(HEADERS, END_HEADERS | END_STREAM | 8, 1, &[&[3][..], &get("/a"), &[0; 3]].concat())),
        (
            "an empty piece at the end",
            [frame(HEADERS, END_HEADERS, 1, &post), frame(DATA, END_STREAM, 1, &[])].concat(),
        ),
        ("some pings", [frame(PING, 0, 0, &[0; 8]).repeat(50), request(1, &get("/a"))].concat()),
        ("some settings", [frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9]).repeat(5), request(1, &get("/a"))].concat()),
        ("a window of one byte", [frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]), request(1, &get("/a"))].concat()),
        ("TE of trailers", request(1, &[get("/a"), block(&[("te", "trailers")])].concat())),
        ("cookies in pieces", request(1, &[get("/a"), block(&[("cookie", "a=b"); 150])].concat())),
    ];
    for (name, bytes) in cases {
        judge(&site, bytes, Fate::Served).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[tokio::test]
async fn a_client_that_is_served_may_ping_cancel_and_open_windows_for_ever() {
    let (site, _) = noted().await;
    let mut client = Raw2::connect(site.address()).await;
    client.send(PREFACE);
    for number in 0..1000 {
        let stream = 4 * number + 1;
        client.send(request(stream, &get("/a")));
        client.until(|frame| frame.stream == stream && frame.flags & END_STREAM != 0).await;
        client.send(
            [frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 2]), frame(PING, 0, 0, &[0; 8]), request(stream + 2, &get("/b"))]
                .concat(),
        );
        client.until(|frame| frame.kind == PING && frame.flags == 1).await;
        // Perhaps too late, which is nothing bad.
        client.send(frame(RST_STREAM, 0, stream + 2, &[0, 0, 0, 8]));
    }
    client.send(request(9001, &get("/last")));
    let frames = client.until(|frame| frame.stream == 9001 && frame.kind == HEADERS).await;
    assert!(frames.last().is_some_and(|frame| frame.is_ok()), "{:?}", frames.last());
}
