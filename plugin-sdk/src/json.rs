//! JSON texts edited by pointer (RFC 6901) without decoding them: what isn't edited stays byte for byte, so that
//! numbers keep their digits and members their order.
//!
//! ```
//! use sluice_plugin::json::{Document, Pointer};
//!
//! # fn main() -> sluice_plugin::Result<()> {
//! let mut document = Document::parse(br#"{ "id": 7, "price": 1.10, "secret": "x" }"#)?;
//! document.remove(&Pointer::parse("/secret")?)?;
//! document.set(&Pointer::parse("/tags/new")?, "true")?;
//! assert_eq!(document.text(), r#"{ "id": 7, "price": 1.10,"tags":{"new":true} }"#);
//! # Ok(())
//! # }
//! ```

mod document;
mod pointer;
mod scan;

pub use document::{Document, JsonError};
pub use pointer::Pointer;
