//! `cargo run --package arrangements -- NAME`: start an arrangement, let it stand its trial, and with `--keep` stay up.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use arrangements::trial::{self, Blow};
use arrangements::{ALL, PUBLIC, Site, build};

const USAGE: &str = "usage: arrangements balancer-first|gateway-first|both-ends [--keep]";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let shown = runtime.map_err(Into::into).and_then(|runtime| tokio::task::LocalSet::new().block_on(&runtime, show()));
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("arrangements: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn show() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().context(USAGE)?;
    let keep = arguments.next().is_some_and(|word| word == "--keep");
    let arrangement = *ALL.iter().find(|arrangement| arrangement.name == name).context(USAGE)?;
    build()?;
    let mut site = Site::open(arrangement, !keep).await?;
    println!("{name} is up");
    trial::follow(&site).await?;
    println!("client address, request id and trace reach the service");
    if keep {
        println!("try: curl -i {}", trial::url(site.address(PUBLIC)?));
        tokio::signal::ctrl_c().await?;
    } else {
        let last = if name == "gateway-first" { "orders-balancer-1" } else { "gateway-2" };
        let blows = [Blow::Kill(last), Blow::Kill("orders-1"), Blow::Drain(last), Blow::Drain("orders-2")];
        trial::run(&mut site, &blows, |outcome| println!("{outcome}")).await?;
    }
    site.close().await
}
