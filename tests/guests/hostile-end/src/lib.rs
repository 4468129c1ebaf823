//! Does harm where `hostile` can't, since the hooks would change its chain: in `authenticate` and in `aggregate`.

// One list of misdeeds for both; each does a part of it.
#[path = "../../hostile/src/misdeed.rs"]
mod misdeed;

use sluice_plugin::prelude::*;
use sluice_plugin::serde_json;

use misdeed::Misdeed;

struct HostileEnd;

fn wanted(request: &Request, at: &str) -> Result<Option<Misdeed>> {
    if request.header_str("x-at").as_deref() != Some(at) {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&request.header_str("x-misdeed").unwrap_or_default())?))
}

impl Plugin for HostileEnd {
    type Config = sluice_plugin::config::Empty;

    fn configure(_: Self::Config) -> Result<Self> {
        Ok(Self)
    }
}

impl Authenticate for HostileEnd {
    fn authenticate(&self, request: &mut Request, _: &Exchange) -> Result<Authentication> {
        if let Some(misdeed) = wanted(request, "authenticate")? {
            misdeed.commit()?;
            if let Some(answer) = misdeed.answer() {
                return Ok(Authentication::Denied(answer));
            }
        }
        Ok(Authentication::Identified(Identity {
            subject: "somebody".to_owned(),
            issuer: None,
            expires_at: None,
            claims: "{}".to_owned(),
        }))
    }
}

impl Aggregate for HostileEnd {
    fn handle(&self, request: &Request, _: &Exchange) -> Result<LocalResponse> {
        let Some(misdeed) = wanted(request, "aggregate")? else { return Ok(LocalResponse::text(200, "aggregated")) };
        let outcome = misdeed.commit()?;
        Ok(misdeed.answer().unwrap_or_else(|| LocalResponse::text(200, outcome)))
    }
}

sluice_plugin::export!(HostileEnd: Authenticate + Aggregate);
