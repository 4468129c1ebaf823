//! {{NAME}}: makes capitals of requests, and counts the bytes of answers, while they pass.

use sluice_plugin::config::Empty;
use sluice_plugin::prelude::*;

struct Passer;

impl Plugin for Passer {
    type Config = Empty;

    fn configure(_: Empty) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequestChunk for Passer {
    type RequestStream = ();

    fn on_request_chunk(&self, (): &mut (), chunk: Chunk, _: &Exchange) -> Result<Vec<u8>> {
        Ok(chunk.bytes.to_ascii_uppercase())
    }
}

impl OnResponseChunk for Passer {
    /// The bytes so far.
    type ResponseStream = usize;

    fn on_response_chunk(&self, count: &mut usize, chunk: Chunk, _: &Exchange) -> Result<Vec<u8>> {
        *count += chunk.bytes.len();
        let mut out = chunk.bytes;
        if chunk.last {
            out.extend_from_slice(format!("[{count}]").as_bytes());
        }
        Ok(out)
    }
}

sluice_plugin::export!(Passer: OnRequestChunk + OnResponseChunk);
