//! What the generated code asks of an enumeration that the SDK writes itself.

use crate::Origin;

impl Origin {
    /// From the case's number in the contract. The canonical ABI has checked that it is one of them.
    ///
    /// # Safety
    /// None is needed; the generated code calls it in an `unsafe` block.
    pub(crate) unsafe fn _lift(case: u8) -> Self {
        match case {
            0 => Self::Upstream,
            1 => Self::Plugin,
            _ => Self::Gateway,
        }
    }
}
