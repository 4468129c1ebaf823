//! The guest's side of the contract: generated bindings, and their exports in terms of the SDK's traits.
//! No part of the public interface; [`export!`](crate::export) uses it.

#[cfg(all(feature = "allocator", not(target_feature = "atomics")))]
mod alloc;
pub mod bindings;
mod exports;
mod lift;
pub mod sys;

pub use exports::{Exported, Slot};
