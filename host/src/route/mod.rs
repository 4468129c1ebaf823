//! From a request's head to the route that serves it. Pure: nothing here waits, reads a clock or
//! knows what a route leads to.
//!
//! A target is brought to its one spelling first ([`normalize`]), so that matching, plugins and
//! upstreams see the same path. Then [`Table::find`] takes the most specific route, whatever the order
//! in the configuration; [`Rank`] says what "specific" means.

mod build;
mod condition;
mod conflict;
mod explain;
mod host;
mod normalize;
mod percent;
mod rank;
mod table;
#[cfg(test)]
mod tests;

pub use conflict::conflicts;
pub use explain::{Difference, Verdict, by_rank, explain};
pub use host::host_key;
pub use normalize::{PathError, check_query, normalize, normalize_with};
pub use percent::{decode_segment, encode_segment};
pub use rank::Rank;
pub use table::{Allow, Captures, Outcome, RouteRequest, Table};
