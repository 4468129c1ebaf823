//! Changes bodies piece by piece: letters become capitals, and at the end it says how many bytes there were. Does
//! harm where its configuration says so.

// One list of misdeeds for all guests; each does a part of it.
#[path = "../../hostile/src/misdeed.rs"]
mod misdeed;

use std::cell::Cell;

use sluice_plugin::prelude::*;

use misdeed::Misdeed;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Do harm once so many bytes of a request's body are here.
    request_fails_at: Option<usize>,
    /// Likewise of an answer's.
    response_fails_at: Option<usize>,
    /// In this way.
    #[serde(default = "panics")]
    misdeed: Misdeed,
}

fn panics() -> Misdeed {
    Misdeed::Panic
}

struct Pieces {
    config: Config,
    /// Bytes of the request's body: all hooks of an exchange meet the same instance.
    sent: Cell<usize>,
}

impl Plugin for Pieces {
    type Config = Config;

    fn configure(config: Config) -> Result<Self> {
        Ok(Self { config, sent: Cell::new(0) })
    }
}

#[derive(Default)]
struct Count(usize);

impl Count {
    fn take(&mut self, chunk: Chunk, fails_at: Option<usize>, misdeed: &Misdeed) -> Result<Vec<u8>> {
        self.0 += chunk.bytes.len();
        if fails_at.is_some_and(|at| self.0 >= at) {
            misdeed.commit()?;
            return Ok(misdeed.answer().map(|answer| answer.body).unwrap_or_default());
        }
        let mut out = chunk.bytes;
        out.make_ascii_uppercase();
        if chunk.last {
            out.extend_from_slice(format!("[{}]", self.0).as_bytes());
        }
        Ok(out)
    }
}

impl OnRequestChunk for Pieces {
    type RequestStream = Count;

    fn on_request_chunk(&self, count: &mut Count, chunk: Chunk, exchange: &Exchange) -> Result<Vec<u8>> {
        if exchange.set_state(b"no").is_ok() {
            return Err(Error::new("the exchange can be written"));
        }
        let out = count.take(chunk, self.config.request_fails_at, &self.config.misdeed)?;
        self.sent.set(count.0);
        Ok(out)
    }
}

impl OnResponse for Pieces {
    fn on_response(&self, _: &Request, response: &mut Response, _: &Exchange) -> Result<Decision> {
        response.set_header("x-sent", self.sent.get().to_string())?;
        Ok(Decision::Continue)
    }
}

impl OnResponseChunk for Pieces {
    type ResponseStream = Count;

    fn on_response_chunk(&self, count: &mut Count, chunk: Chunk, _: &Exchange) -> Result<Vec<u8>> {
        count.take(chunk, self.config.response_fails_at, &self.config.misdeed)
    }
}

sluice_plugin::export!(Pieces: OnRequestChunk + OnResponse + OnResponseChunk);
