//! Marks each answer with its own version. Tests make other versions of it by changing the number in the file.

use sluice_plugin::prelude::*;

struct Stamp;

impl Plugin for Stamp {
    type Config = sluice_plugin::config::Empty;

    fn configure(_: Self::Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnResponse for Stamp {
    fn on_response(&self, _: &Request, response: &mut Response, _: &Exchange) -> Result<Decision> {
        // Kept in one piece, so that the number can be found.
        response.set_header("x-stamp", std::hint::black_box("version-0000"))?;
        Ok(Decision::Continue)
    }
}

sluice_plugin::export!(Stamp: OnResponse);
