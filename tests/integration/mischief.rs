//! More harm by plugins: what is less plain than a loop or a trap, again with a neighbour's traffic beside it.

use serde_json::json;

use crate::harness::client::Client;
use crate::hostile::Town;

#[tokio::test]
async fn a_request_that_comes_back_is_found_out() {
    let town = Town::new("2s", "5s").await;
    let answer = town.commit("on-request", &json!("again")).await;
    assert_eq!((answer.status, answer.field("x-outcome")), (200, Some("Err(LoopDetected)")), "{answer:?}");
    town.assert_well().await;
}

#[tokio::test]
async fn what_an_exchange_carries_is_bounded() {
    let town = Town::new("2s", "5s").await;
    let answer = town.commit("on-request", &json!({ "flood-fields": 10_000 })).await;
    let set: usize = answer.field("x-outcome").and_then(|text| text.strip_prefix("set ")?.parse().ok()).unwrap();
    // It goes on to the upstream, which takes 100 by itself.
    assert!([200, 431].contains(&answer.status) && (1..=128).contains(&set), "{answer:?}");
    let answer = town.commit("on-request", &json!({ "flood-attributes": 10_000 })).await;
    assert_eq!((answer.status, answer.field("x-outcome")), (200, Some("set 32")), "{answer:?}");
    let answer = town.commit("on-request", &json!({ "flood-state": 1 << 20 })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_ne!(answer.field("x-outcome"), Some(""), "more state than there may be was kept");
    town.assert_well().await;
}

#[tokio::test]
async fn many_who_use_all_of_their_time_at_once_delay_nobody_else() {
    let town = Town::new("20ms", "300ms").await;
    let address = town.site.address();
    for misdeed in ["churn", "loop"] {
        let busy = (0..16).map(|_| {
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                for _ in 0..4 {
                    let quoted = json!(misdeed).to_string();
                    let fields = [("x-at", "on-request"), ("x-misdeed", quoted.as_str())];
                    client.ask("POST", "/bad/", &fields, b"{}").await.assert_problem(503);
                }
            })
        });
        for done in busy.collect::<Vec<_>>() {
            done.await.expect("each is told that its plugin failed");
        }
    }
    town.assert_well().await;
}
