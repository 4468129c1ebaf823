//! HTTP/2 in bytes: what is malformed, what is too much, and what is neither.

mod floods;
mod malformed;
mod streams;
mod websocket;

use crate::harness::raw2::{Frame, GOAWAY, PREFACE, RST_STREAM, Raw2, get, request};
use crate::harness::site::Site;

/// What has to become of what a client sends.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// A GOAWAY with one of these codes, and the end of the connection.
    Ends(&'static [u32]),
    /// The stream is reset, or answered with a status that isn't good, and the connection goes on.
    Refused,
    /// The stream is answered well.
    Served,
}

/// The stream of the request that shows whether a connection goes on.
const LAST: u32 = 0x7fff_fff1;

/// Send it, and tell what is wrong with what comes back. The stream in question is 1.
async fn judge(site: &Site, bytes: Vec<u8>, fate: Fate) -> Result<(), String> {
    let mut client = Raw2::connect(site.address()).await;
    client.send([PREFACE, &bytes].concat());
    if let Fate::Ends(codes) = fate {
        let frames = client.until(|_| false).await;
        let code = frames.iter().rev().find(|frame| frame.kind == GOAWAY).and_then(Frame::code);
        return match code {
            Some(code) if codes.contains(&code) => Ok(()),
            _ => Err(format!("ended with {code:?} instead of {codes:?}")),
        };
    }
    // Whatever is said of the first stream is said before the last is begun.
    let mut frames = client.until(|frame| frame.stream == 1 && frame.payload.len() > 3 && is_verdict(frame)).await;
    client.send(request(LAST, &get("/last")));
    frames.extend(client.until(|frame| frame.stream == LAST && frame.kind == 1).await);
    let goes_on = frames.last().is_some_and(|frame| frame.stream == LAST && frame.is_ok());
    let first = frames.iter().find(|frame| frame.stream == 1 && is_verdict(frame));
    match (fate, first) {
        (Fate::Refused, Some(first)) if goes_on && !first.is_ok() => Ok(()),
        (Fate::Served, Some(first)) if goes_on && first.is_ok() => Ok(()),
        _ => Err(format!("goes on: {goes_on}; {first:?}; {:?}", frames.last())),
    }
}

fn is_verdict(frame: &Frame) -> bool {
    matches!(frame.kind, RST_STREAM | 1)
}
