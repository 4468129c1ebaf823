//! `cargo xtask demo`: the mobile bank's gateway at work, told scene by scene. Real processes, real requests; each
//! claim that is printed has been checked, and the first one that doesn't hold ends the demo with an error.
//!
//! Runs in a temporary directory on free ports, so that it alters nothing and disturbs nobody.

mod bank;
mod page;
mod scene;

use std::process::ExitCode;

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use bank::{Bank, Ports};
use page::Page;

fn main() -> ExitCode {
    let keep = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [word] if word == "--keep" => true,
        _ => {
            eprintln!("usage: bank-demo [--keep]");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match LocalSet::new().block_on(&runtime, tell(keep)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("\ndemo: {error:#}");
    ExitCode::FAILURE
}

/// Whatever ends the story, the bank is dropped, and with it every process.
async fn tell(keep: bool) -> Result<()> {
    let mut page = Page::new();
    let mut bank = tokio::select! {
        bank = play(&mut page, keep) => bank?,
        () = interrupted() => bail!("interrupted; everything is stopped"),
    };
    if keep {
        scene::stay(&page, &bank);
        interrupted().await;
        println!();
    }
    scene::farewell(&mut page, &mut bank).await
}

async fn play(page: &mut Page, keep: bool) -> Result<Bank> {
    let ports = if keep { Ports::OfTheExample } else { Ports::Free };
    let bank = Bank::open(ports).await?;
    scene::opening(page, &bank);
    scene::phone::stranger(page, &bank).await?;
    scene::phone::overview(page, &bank).await?;
    scene::phone::partial(page, &bank).await?;
    scene::phone::too_many(page, &bank).await?;
    scene::shop::transformed(page, &bank).await?;
    scene::shop::balanced(page, &bank).await?;
    scene::change::plugin(page, &bank).await?;
    scene::change::mistake(page, &bank).await?;
    Ok(bank)
}

/// Wait for Ctrl-C, or for being asked to end.
async fn interrupted() {
    let streams = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = streams else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

/// A claim of the story.
fn claim(holds: bool, words: impl FnOnce() -> String) -> Result<()> {
    if !holds {
        bail!("this didn't show what it should: {}", words());
    }
    Ok(())
}
