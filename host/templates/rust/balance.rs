//! {{NAME}}: picks the least busy endpoint.

use sluice_plugin::config::Empty;
use sluice_plugin::prelude::*;

struct LeastBusy;

impl Plugin for LeastBusy {
    type Config = Empty;

    fn configure(_: Empty) -> Result<Self> {
        Ok(Self)
    }
}

impl Balance for LeastBusy {
    fn pick(&mut self, context: &PickContext, endpoints: &Endpoints) -> Option<u32> {
        let candidates = endpoints.iter().filter(|(index, endpoint)| endpoint.healthy && !context.tried(*index));
        candidates.min_by_key(|(_, endpoint)| endpoint.in_flight).map(|(index, _)| index)
    }
}

sluice_plugin::export!(LeastBusy: Balance);
