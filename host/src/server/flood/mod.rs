//! What a client of HTTP/2 may cost besides its requests. Frames that make the gateway work and bring nobody anything
//! (resets, pings, settings, empty data, …) are paid from an allowance; who has used it up is told to calm down, and
//! the connection ends. It looks at the heads of frames alone, and knows nothing of requests.

mod allowance;
mod follow;
#[cfg(test)]
mod tests;
mod watched;

pub(super) use watched::Watched;
