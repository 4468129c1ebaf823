//! The phone: who may enter, one answer out of three services, and how much.

use std::time::Duration;

use anyhow::Result;
use stage::{Answer, Client};

use super::{PHONE, TABLET};
use crate::bank::Bank;
use crate::claim;
use crate::page::{Page, milliseconds};

const OVERVIEW: &str = "/api/overview";
/// Measurements on a busy machine: the best of some counts.
const ATTEMPTS: usize = 3;

/// No key, no entry.
pub async fn stranger(page: &mut Page, bank: &Bank) -> Result<()> {
    page.scene("Who may enter: the plugin api-key");
    let answer = bank.client().get(OVERVIEW, &[]).await?;
    page.asked("phone", "GET /api/overview");
    page.answered(&answer, &["content-type"]);
    page.line(&answer.text());
    claim(answer.status == 401, || format!("{} without a key", answer.status))?;
    let wrong = bank.client().get(OVERVIEW, &[("x-api-key", "guessed")]).await?;
    page.asked("phone", "GET /api/overview   x-api-key: guessed");
    page.answered(&wrong, &["www-authenticate"]);
    claim(wrong.status == 401, || format!("{} with a wrong key", wrong.status))?;
    for name in ["accounts", "transactions", "rates"] {
        let seen = bank.service(name)?.seen().await?;
        claim(seen.is_empty(), || format!("{name} saw {seen}"))?;
    }
    page.shown("No key and a wrong key are turned away at the gateway; no service heard of them.");
    Ok(())
}

/// One request, three services, as long as the slowest.
pub async fn overview(page: &mut Page, bank: &Bank) -> Result<()> {
    page.scene("One request, three services, one answer: the plugin aggregate");
    let mut client = bank.client();
    let mut best = client.get(OVERVIEW, &[PHONE]).await?;
    page.asked("phone", "GET /api/overview   x-api-key: phone-secret");
    page.answered(&best, &["content-type"]);
    let body = best.json()?;
    for name in ["accounts", "rates", "transactions"] {
        page.line(&format!("\"{name}\": {}", body[name]));
        claim(body[name].is_object(), || format!("no {name} in {body}"))?;
    }
    claim(best.status == 200 && body["accounts"]["customer"] == "alice", || body.to_string())?;
    for name in ["accounts", "transactions"] {
        let seen = bank.service(name)?.seen().await?;
        claim(seen.starts_with(&format!("GET /{name}/alice ")), || format!("{name} saw {seen}"))?;
    }
    page.shown("The key said that this is alice; accounts and transactions were asked for hers.");

    let mut times = Vec::new();
    for (name, path) in [("accounts", "/accounts/alice"), ("rates", "/rates"), ("transactions", "/transactions/alice")]
    {
        times.push((name, Client::new(bank.service(name)?.address).get(path, &[]).await?.took));
    }
    let sum: Duration = times.iter().map(|(_, time)| *time).sum();
    for _ in 1..ATTEMPTS {
        if best.took < sum {
            break;
        }
        best = client.get(OVERVIEW, &[PHONE]).await?;
    }
    page.say("");
    let bar = |name: &str, time: Duration| page.bar(name, time.as_secs_f64(), sum.as_secs_f64(), &milliseconds(time));
    times.iter().for_each(|(name, time)| bar(&format!("{name} alone"), *time));
    bar("one after the other", sum);
    bar("through the gateway", best.took);
    claim(best.took < sum, || format!("{:?} for all, {sum:?} one after the other", best.took))?;
    page.shown("All three are asked at once, so that it takes less than one after the other.");
    Ok(())
}

/// A service fails; the phone gets what there is.
pub async fn partial(page: &mut Page, bank: &Bank) -> Result<()> {
    page.scene("A service fails");
    let mut client = bank.client();
    bank.service("rates")?.ask("/_fail").await?;
    page.say("The rates answer 500 from now on. The configuration says that an overview is useful without them:");
    let answer = client.get(OVERVIEW, &[PHONE]).await?;
    page.asked("phone", "GET /api/overview   x-api-key: phone-secret");
    page.answered(&answer, &["x-partial", "cache-control"]);
    let body = answer.json()?;
    page.line(&format!("\"rates\": {}, \"_partial\": {}", body["rates"], body["_partial"]));
    let marked = answer.field("x-partial") == "rates" && body["rates"].is_null() && body["accounts"].is_object();
    claim(answer.status == 200 && marked, || format!("{} {body}", answer.status))?;
    page.shown("A partial answer, marked as such, and not to be cached.");

    bank.service("rates")?.ask("/_mend").await?;
    bank.service("accounts")?.ask("/_fail").await?;
    page.say("");
    page.say("Now the rates are well again, and the accounts fail, without which there is no overview:");
    let refused = client.get(OVERVIEW, &[PHONE]).await?;
    page.asked("phone", "GET /api/overview   x-api-key: phone-secret");
    page.answered(&refused, &["content-type"]);
    page.line(&refused.text());
    let says = refused.text();
    let address = bank.service("accounts")?.address.to_string();
    claim(refused.status == 502 && !says.contains(&address), || format!("{} {says}", refused.status))?;
    bank.service("accounts")?.ask("/_mend").await?;
    let whole = client.get(OVERVIEW, &[PHONE]).await?;
    claim(whole.status == 200 && whole.field("x-partial").is_empty(), || format!("{} when mended", whole.status))?;
    page.shown("A clear error that tells nothing of the inside. Mended, the answer is whole again.");
    Ok(())
}

/// More than allowed.
pub async fn too_many(page: &mut Page, bank: &Bank) -> Result<()> {
    const AT_ONCE: usize = 14;
    page.scene("How much: the plugin rate-limit");
    page.say("Two requests a second for each customer, ten at once. Bob's tablet asks fourteen times at once:");
    page.asked("tablet", &format!("GET /api/overview   x-api-key: tablet-secret   ({AT_ONCE} times)"));
    let requests: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let mut client = bank.client();
            tokio::task::spawn_local(async move { client.get(OVERVIEW, &[TABLET]).await })
        })
        .collect();
    let mut answers: Vec<Answer> = Vec::new();
    for request in requests {
        answers.push(request.await??);
    }
    let (admitted, rejected): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    let sorry = rejected.iter().all(|answer| answer.status == 429);
    claim(sorry && admitted.len() >= 10, || format!("{} admitted of {AT_ONCE}", admitted.len()))?;
    let Some(example) = rejected.first() else {
        return claim(false, || format!("all {AT_ONCE} were admitted"));
    };
    page.answered(example, &["ratelimit", "ratelimit-policy", "retry-after"]);
    page.shown(&format!("{} were admitted, {} were told to wait.", admitted.len(), rejected.len()));
    let other = bank.client().get(OVERVIEW, &[PHONE]).await?;
    claim(other.status == 200, || format!("alice got {}", other.status))?;
    page.shown("Alice's phone, which has a limit of its own, is served meanwhile.");
    let wait: u64 = example.field("retry-after").parse()?;
    claim((1..=5).contains(&wait), || format!("to wait {wait} s"))?;
    // The time that the answer names is what is shown here.
    tokio::time::sleep(Duration::from_secs(wait)).await;
    let again = bank.client().get(OVERVIEW, &[TABLET]).await?;
    claim(again.status == 200, || format!("bob got {} after {wait} s", again.status))?;
    page.shown(&format!("Bob waited for {wait} s, as Retry-After said, and is served again."));
    Ok(())
}
