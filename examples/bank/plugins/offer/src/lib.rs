//! Puts the shop's offer into every answer.

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
        response.set_header("x-offer", "free shipping from 50 euros")?;
        Ok(Decision::Continue)
    }
}

sluice_plugin::export!(Offer: OnResponse);

#[cfg(test)]
mod tests {
    use sluice_plugin::test::{MockHost, TestExchange};

    use super::*;

    #[test]
    fn every_answer_has_it() {
        let plugin = MockHost::new().configure::<Offer>(json!({})).unwrap();
        let exchange = TestExchange::get("/shop/hats").response(200);
        assert_eq!(plugin.on_response(&exchange).unwrap(), Decision::Continue);
        assert!(exchange.response_header("x-offer").is_some());
    }
}
