//! The shop: requests and answers rewritten, and three instances of which one leaves.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::Value;
use stage::{Client, Load, Tally};

use super::PHONE;
use crate::bank::Bank;
use crate::claim;
use crate::page::Page;

/// Fields of requests that every client and gateway adds, of no interest here.
const USUAL: [&str; 3] = ["accept", "host", "content-length"];

/// What came in, what the service saw, what it said, what went out.
pub async fn transformed(page: &mut Page, bank: &Bank) -> Result<()> {
    page.scene("What comes in isn't what goes on: the plugin transform");
    let fields = [PHONE, ("x-customer", "mallory")];
    let answer = bank.client().get("/shop/hats", &fields).await?;
    let body = answer.json()?;
    let instance = body["instance"].as_str().context("an instance's name")?;
    let service = bank.service(instance)?;
    let seen = service.seen().await?;
    page.asked("phone", "GET /shop/hats");
    fields.iter().for_each(|(name, value)| page.line(&format!("{name}: {value}")));
    page.say("");
    page.say(&format!("{instance} saw:"));
    let usual = |line: &&str| !USUAL.iter().any(|name| line.starts_with(&format!("{name}:")));
    seen.lines().filter(usual).for_each(|line| page.line(line));
    let has = |line: &str| seen.lines().any(|seen| seen == line);
    claim(seen.starts_with("GET /products/hats ") && has("x-channel: mobile"), || seen.clone())?;
    claim(has("x-customer: alice") && !seen.contains("mallory") && !seen.contains("phone-secret"), || seen.clone())?;
    page.shown(
        "The path is rewritten, the key is gone, and x-customer says what the gateway found out: alice, not the \
         mallory that the phone claimed to be.",
    );

    let inside = Client::new(service.address).get("/products/hats", &[]).await?;
    page.say("");
    page.say(&format!("{instance} says to those inside, and the phone got:"));
    page.line(&format!("x-powered-by: {}", inside.field("x-powered-by")));
    page.line(inside.text().trim());
    page.answered(&answer, &["x-offer"]);
    page.line(answer.text().trim());
    let hidden = answer.field("x-powered-by").is_empty() && body.get("purchase_price").is_none();
    let there = !inside.field("x-powered-by").is_empty() && inside.json()?.get("purchase_price").is_some();
    claim(hidden && there, || format!("{:?} {body}", answer.headers))?;
    page.shown("What is nobody's business outside, header and JSON member, stayed inside.");
    Ok(())
}

/// Three instances share the work; one leaves and comes back.
pub async fn balanced(page: &mut Page, bank: &Bank) -> Result<()> {
    page.scene("Three instances, one leaves: the plugin least-pending and health checks");
    let load = Load::start(&bank.shoppers(), |answer| match answer.json() {
        Ok(body) if answer.status == 200 => Ok(body["instance"].as_str().unwrap_or("nobody").to_owned()),
        _ => Err(format!("{} {}", answer.status, answer.text())),
    });
    page.say("A steady load from here on: eight clients, each asking 50 times a second at most.");
    let three = load.more(300).await?;
    chart(page, "with three instances", &three);
    claim(three.answers.len() == 3 && three.answers.values().all(|count| *count >= 50), || format!("{three:?}"))?;
    page.shown("Each has its share.");

    let leaver = bank.service("shop-2")?;
    leaver.ask("/_leave").await?;
    page.say("");
    page.say("shop-2 is going to be taken away: its health check says 503 from now on.");
    let line = health(bank, &leaver.address.to_string(), "unhealthy").await?;
    page.aside(&line);
    let from = load.tally();
    let two = load.more(300).await?.since(&from);
    chart(page, "without it", &two);
    // One that had been picked before may still have been on its way.
    claim(two.of("shop-2") <= 8 && two.of("shop-1") > 50 && two.of("shop-3") > 50, || format!("{two:?}"))?;
    let clusters = bank.admin("/api/v1/clusters", "clusters").await?;
    let shop = find(&clusters, "name", "shop");
    let endpoint = find(&shop["endpoints"], "address", &leaver.address.to_string());
    claim(endpoint["healthy"] == false, || endpoint.to_string())?;
    page.shown("The others carry on without it.");

    leaver.ask("/_mend").await?;
    health(bank, &leaver.address.to_string(), "healthy").await?;
    let from = load.tally();
    let back = load.until("shop-2 again", |tally| tally.since(&from).of("shop-2") >= 50).await?.since(&from);
    chart(page, "when it is back", &back);
    let all = load.stop().await;
    claim(all.failed() == 0, || format!("{:?}", all.failures))?;
    page.shown(&format!("{} requests all in all, {} failed.", all.answered(), all.failed()));
    Ok(())
}

fn chart(page: &Page, title: &str, tally: &Tally) {
    page.say("");
    page.say(&format!("{} requests {title}:", tally.answered()));
    let most = tally.answers.values().max().copied().unwrap_or(1) as f64;
    let counts: BTreeMap<&str, u64> =
        ["shop-1", "shop-2", "shop-3"].into_iter().map(|name| (name, tally.of(name))).collect();
    for (name, count) in counts {
        if count == 0 {
            page.line(&format!("{name:<27} none"));
        } else {
            page.bar(name, count as f64, most, &count.to_string());
        }
    }
}

/// Wait until the gateway says it of an endpoint; its words, without the time.
async fn health(bank: &Bank, address: &str, state: &str) -> Result<String> {
    let words = format!(" {state} ");
    let found = |line: &str| (line.contains(address) && format!("{line} ").contains(&words)).then(|| plain(line));
    bank.gateway.line(0, &format!("that {address} is {state}"), found).await
}

/// A line of the log without its time.
pub fn plain(line: &str) -> String {
    line.split_once(' ').map_or(line, |(_, rest)| rest).trim().to_owned()
}

/// The member of a list whose `key` is `value`; null if there is none.
pub fn find(list: &Value, key: &str, value: &str) -> Value {
    list.as_array().and_then(|list| list.iter().find(|item| item[key] == value)).cloned().unwrap_or_default()
}
