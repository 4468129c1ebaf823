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
    let told = LocalSet::new().block_on(&runtime, async {
        // Whatever ends the story, what it owns is dropped, and with it every process.
        tokio::select! {
            told = tell(keep) => told,
            () = interrupted() => Err(anyhow::anyhow!("interrupted; everything is stopped")),
        }
    });
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("\ndemo: {error:#}");
    ExitCode::FAILURE
}

async fn tell(keep: bool) -> Result<()> {
    let mut page = Page::new();
    let ports = if keep { Ports::OfTheExample } else { Ports::Free };
    let mut bank = Bank::open(ports).await?;
    scene::opening(&page, &bank);
    scene::phone::stranger(&mut page, &bank).await?;
    scene::phone::overview(&mut page, &bank).await?;
    scene::phone::partial(&mut page, &bank).await?;
    scene::phone::too_many(&mut page, &bank).await?;
    scene::shop::transformed(&mut page, &bank).await?;
    scene::shop::balanced(&mut page, &bank).await?;
    scene::change::plugin(&mut page, &bank).await?;
    scene::change::mistake(&mut page, &bank).await?;
    if keep {
        scene::stay(&page, &bank);
        interrupted().await;
        println!();
    }
    scene::farewell(&mut page, &mut bank).await
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
