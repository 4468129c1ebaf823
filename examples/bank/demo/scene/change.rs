//! Change while requests flow: a plugin is replaced, broken, mended; a mistake in the configuration.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::Value;
use stage::{Load, PATIENCE, Tally, copy};

use super::shop::{find, plain};
use crate::bank::{Bank, root};
use crate::claim;
use crate::page::{Page, milliseconds};

/// A new version while requests flow; then a broken file; then a whole one.
pub async fn plugin(page: &mut Page, bank: &Bank) -> Result<()> {
    page.scene("A plugin is replaced while requests flow");
    let [(old, removed), (new, added)] = versions()?;
    page.say("The shop's team changes one line of its plugin `offer` (20 lines of Rust, examples/bank/plugins):");
    page.line(&format!("- {removed}"));
    page.line(&format!("+ {added}"));
    let load = Load::start(&bank.shoppers(), |answer| match answer.field("x-offer") {
        offer if answer.status == 200 && !offer.is_empty() => Ok(offer.to_owned()),
        offer => Err(format!("{} with offer {offer:?}", answer.status)),
    });
    let before = load.more(300).await?;
    claim(before.of(&old) == before.answered(), || format!("{before:?}"))?;
    page.asked("operator", "cp offer-next.wasm offer.wasm");
    let file = bank.plugin("offer.wasm");
    let next = fs::read(bank.plugin("offer-next.wasm"))?;
    let (mark, start) = (bank.gateway.mark(), Instant::now());
    copy::write(&file, &next)?;
    load.until("the new offer", |tally| tally.of(&new) > 0).await?;
    let took = start.elapsed();
    page.aside(&log(bank, mark, "a new version of the plugin serves").await?);
    // Those that had begun before may still carry the old offer.
    load.until("the new offer alone", |tally| tally.of(&new) > 50).await?;
    let turn = load.tally();
    let after = load.more(300).await?.since(&turn);
    claim(after.of(&new) == after.answered(), || format!("{after:?}"))?;
    let swapped = load.tally();
    offers(page, &swapped, [&old, &new]);
    claim(swapped.failed() == 0, || format!("{:?}", swapped.failures))?;
    page.shown(&format!("First new answer {} after the copy. {}.", milliseconds(took), sum(&swapped)));

    page.scene("The file is broken on purpose; the last good version serves on");
    page.asked("operator", "head -c 1000 offer-next.wasm > offer.wasm");
    let mark = bank.gateway.mark();
    let half = next.get(..1000).context("a component of some size")?;
    fs::write(&file, half)?;
    let line = log(bank, mark, "LAST GOOD VERSION").await?;
    page.aside(&line);
    let turn = load.tally();
    let broken = load.more(300).await?.since(&turn);
    let state = offer_in(bank, "last-good").await?;
    page.asked("operator", "GET /api/v1/plugins   (admin API)");
    page.line(&format!("\"name\": \"offer\", \"state\": {}, \"reason\": {}", state["state"], state["reason"]));
    claim(broken.failed() == 0 && broken.of(&new) == broken.answered(), || format!("{broken:?}"))?;
    page.shown(&format!("{} requests served by the last good version meanwhile, none failed.", broken.answered()));

    let mark = bank.gateway.mark();
    copy::write(&file, &next)?;
    page.asked("operator", "cp offer-next.wasm offer.wasm");
    page.aside(&log(bank, mark, "right again").await?);
    offer_in(bank, "serving").await?;
    let all = load.stop().await;
    claim(all.failed() == 0, || format!("{:?}", all.failures))?;
    page.shown(&format!("Mended. {} since the plugin's first version.", sum(&all)));
    Ok(())
}

/// A configuration with mistakes is refused as a whole, in words that help.
pub async fn mistake(page: &mut Page, bank: &Bank) -> Result<()> {
    page.scene("A mistake in the configuration");
    let path = bank.configuration();
    let good = fs::read_to_string(&path)?;
    let bad = good.replacen("cluster = \"shop\"", "cluster = \"shopp\"", 1).replacen(
        "anonymous = true",
        "anonymus = true",
        1,
    );
    claim(bad != good, || "the configuration has changed".to_owned())?;
    page.asked("operator", "two slips in sluice.toml, saved");
    let mark = bank.gateway.mark();
    copy::write(&path, bad.as_bytes())?;
    for word in ["anonymus", "shopp"] {
        let line = log(bank, mark, &format!("\"{word}\"")).await?;
        // Without the directory, which is long and of this run only.
        page.aside(&line.replace(&format!("{}/", path.parent().unwrap_or(&path).display()), ""));
    }
    log(bank, mark, "the last good one serves on").await?;
    let answer = bank.client().get("/shop/hats", &[]).await?;
    claim(answer.status == 200, || format!("{} with a wrong configuration", answer.status))?;
    page.shown("Both are named with their lines at once, and what was right before still serves.");
    copy::write(&path, good.as_bytes())?;
    log(bank, mark, "the configuration is right again").await?;
    Ok(())
}

/// The plugin as the admin API describes it, as soon as it has come to the state that the log told of: the change is
/// logged while it is being published.
async fn offer_in(bank: &Bank, wanted: &str) -> Result<Value> {
    let end = Instant::now() + PATIENCE;
    loop {
        let plugin = find(&bank.admin("/api/v1/plugins", "plugins").await?, "name", "offer");
        if plugin["state"] == wanted {
            return Ok(plugin);
        }
        claim(Instant::now() < end, || format!("not {wanted}: {plugin}"))?;
    }
}

/// The first line from `mark` on that says it, without its time.
async fn log(bank: &Bank, mark: usize, words: &str) -> Result<String> {
    bank.gateway.line(mark, words, |line| line.contains(words).then(|| plain(line))).await
}

fn offers(page: &Page, tally: &Tally, offers: [&str; 2]) {
    let most = tally.answers.values().max().copied().unwrap_or(1) as f64;
    for offer in offers {
        page.bar(offer, tally.of(offer) as f64, most, &tally.of(offer).to_string());
    }
}

fn sum(tally: &Tally) -> String {
    format!("{} requests, {} failed", tally.answered() + tally.failed(), tally.failed())
}

/// Of both versions of the plugin, as their sources have it: the offer, and the line in which it stands.
fn versions() -> Result<[(String, String); 2]> {
    let read = |name: &str| -> Result<(String, String)> {
        let source = fs::read_to_string(root().join("examples/bank/plugins").join(name).join("src/lib.rs"))?;
        let line = source.lines().find(|line| line.contains("\"x-offer\"")).context("no offer in the source")?;
        let offer = line.split('"').nth(3).context("no offer in its line")?;
        Ok((offer.to_owned(), line.trim().to_owned()))
    };
    Ok([read("offer")?, read("offer-next")?])
}
