//! The next version of `offer`: what the shop's team changed stands in one line.

use sluice_plugin::prelude::*;

struct Offer;

impl Plugin for Offer {
    type Config = sluice_plugin::config::Empty;

    fn configure(_: Self::Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnResponse for Offer {
    fn on_response(&self, _: &Request, response: &mut Response, _: &Exchange) -> Result<Decision> {
        response.set_header("x-offer", "free shipping for everyone")?;
        Ok(Decision::Continue)
    }
}

sluice_plugin::export!(Offer: OnResponse);
