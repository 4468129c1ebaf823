//! Randomness that nobody can foresee. Grant: `random`.

use crate::sys;

/// The most bytes that the gateway gives at once.
const MOST: usize = 4096;

/// Fill a buffer with random bytes.
pub fn fill(buffer: &mut [u8]) {
    for chunk in buffer.chunks_mut(MOST) {
        let bytes = sys::random_bytes(chunk.len() as u32);
        for (to, from) in chunk.iter_mut().zip(bytes) {
            *to = from;
        }
    }
}

/// An array of random bytes.
#[must_use]
pub fn array<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// A random number.
#[must_use]
pub fn number() -> u64 {
    u64::from_le_bytes(array())
}
