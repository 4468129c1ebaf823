//! {{NAME}}: a user and their orders in one answer.

use sluice_plugin::config::Empty;
use sluice_plugin::http::{self, OutgoingRequest};
use sluice_plugin::prelude::*;
use sluice_plugin::serde_json::Value;

struct Overview;

impl Plugin for Overview {
    type Config = Empty;

    fn configure(_: Empty) -> Result<Self> {
        Ok(Self)
    }
}

impl Aggregate for Overview {
    fn handle(&self, request: &Request, _: &Exchange) -> Result<LocalResponse> {
        let id = request.capture("id").unwrap_or_default();
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(LocalResponse::problem(404, "There is no such user"));
        }
        let requests = [
            OutgoingRequest::get("users", format!("/users/{id}")),
            OutgoingRequest::get("orders", format!("/orders?user={id}")),
        ];
        let mut bodies = http::send_all(&requests).into_iter().map(|answer| {
            let answer = answer.ok().filter(http::IncomingResponse::is_success)?;
            answer.decode::<Value>().ok()
        });
        let (user, orders) = (bodies.next().flatten(), bodies.next().flatten());
        let Some(user) = user else { return Ok(LocalResponse::problem(502, "The user can't be had")) };
        match orders {
            Some(orders) => LocalResponse::json(200, &json!({ "user": user, "orders": orders })),
            None => Ok(LocalResponse::json(200, &json!({ "user": user }))?.with_header("x-partial", "orders")),
        }
    }
}

sluice_plugin::export!(Overview: Aggregate);
