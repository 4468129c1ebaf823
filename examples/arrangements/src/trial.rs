//! What an arrangement has to stand: under a steady load, members are killed, drained and started again, and what
//! clients lose is counted. A drain may cost nothing; a kill at most what was on its way.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;
use stage::{Answer, Client, Load, Plan, Tally};

use crate::{PUBLIC, Site};

/// Clients that ask at once.
const CLIENTS: usize = 6;

/// What happens to a member.
#[derive(Debug, Clone, Copy)]
pub enum Blow {
    /// SIGKILL, as by a power cut.
    Kill(&'static str),
    /// SIGTERM, as for an update.
    Drain(&'static str),
}

/// One line of the report.
#[derive(Debug)]
pub struct Outcome {
    pub blow: Blow,
    /// From before it to after its restart.
    pub tally: Tally,
}

/// Let the blows fall one after the other, each followed by a restart, and tell what each has cost.
///
/// # Errors
/// An arrangement that doesn't stand it, or that doesn't use a member again after its restart.
pub async fn run(site: &mut Site, blows: &[Blow], tell: impl Fn(&Outcome)) -> Result<()> {
    let plan = Plan {
        address: site.address(PUBLIC)?,
        path: "/orders/7".into(),
        fields: Vec::new(),
        connections: CLIENTS,
        pace: Duration::from_millis(20),
        repeat: true,
    };
    let load = Load::start(&plan, judge);
    for blow in blows {
        let before = load.more(30).await?;
        match blow {
            Blow::Kill(name) => site.take(name)?.kill()?,
            Blow::Drain(name) => {
                let status = site.take(name)?.terminate().await?;
                ensure!(status.success(), "{name} didn't end well: {status}");
            }
        }
        load.more(60).await?;
        let name = blow.name();
        site.start(name).await?;
        seen_again(site, name).await?;
        let tally = load.more(30).await?.since(&before);
        let outcome = Outcome { blow: *blow, tally };
        tell(&outcome);
        outcome.check()?;
    }
    let all = load.stop().await;
    ensure!(all.answered() > 0, "nothing was answered");
    Ok(())
}

impl Blow {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kill(name) | Self::Drain(name) => name,
        }
    }
}

impl Outcome {
    fn check(&self) -> Result<()> {
        let lost = self.tally.failed();
        match self.blow {
            Blow::Kill(name) => {
                ensure!(lost <= CLIENTS as u64, "killing {name} lost more than was on its way: {:?}", self.tally);
            }
            Blow::Drain(name) => ensure!(lost == 0, "draining {name} lost requests: {:?}", self.tally),
        }
        Ok(())
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, name) = match self.blow {
            Blow::Kill(name) => ("SIGKILL", name),
            Blow::Drain(name) => ("SIGTERM", name),
        };
        let Tally { failures, repeated, .. } = &self.tally;
        let (answered, lost) = (self.tally.answered(), self.tally.failed());
        write!(f, "{what} {name}, restart: {answered} answered, {lost} lost, {repeated} repeated by clients")?;
        if lost > 0 { write!(f, " {failures:?}") } else { Ok(()) }
    }
}

fn judge(answer: &Answer) -> Result<String, String> {
    if answer.status != StatusCode::OK {
        return Err(format!("answered {}", answer.status));
    }
    let said = answer.json().map_err(|error| error.to_string())?;
    Ok(said["service"].as_str().unwrap_or("nobody").to_owned())
}

/// Wait until a member that was started again gets requests: new connections, as the arrangement balances them.
async fn seen_again(site: &Site, name: &str) -> Result<()> {
    let seen = Rc::new(RefCell::new(BTreeSet::new()));
    let search = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            let answer = site.client()?.get("/orders/7", &[]).await;
            // What a restart costs, the load counts.
            let Ok(answer) = answer else { continue };
            let who = format!("{} {}", answer.field("via"), judge(&answer).unwrap_or_default());
            if who.split([' ', ',']).any(|word| word == name) {
                return anyhow::Ok(());
            }
            seen.borrow_mut().insert(who);
        }
    };
    let found = tokio::time::timeout(stage::PATIENCE, search).await;
    found.with_context(|| format!("{name} gets no requests after its restart; these do: {:?}", seen.borrow()))?
}

/// What survives all hops: the client's address, the trace, and the request's name, which the client gets too.
///
/// # Errors
/// Something doesn't.
pub async fn follow(site: &Site) -> Result<()> {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    // Not the address that the processes call each other from.
    let client = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
    let forged = [("traceparent", TRACE), ("x-forwarded-for", "192.0.2.1"), ("x-request-id", "forged")];
    let answer = Client::from(client, site.address(PUBLIC)?).get("/orders/7", &forged).await?;
    let said = answer.json()?;
    let first = said["client"].as_str().unwrap_or_default().split(',').next().unwrap_or_default().trim().to_owned();
    ensure!(first == client.to_string(), "the service took {first} for the client, who is {client}");
    let id = said["request_id"].as_str().unwrap_or_default();
    ensure!(!id.is_empty() && id != "forged" && id == answer.field("x-request-id"), "the request is called {id}");
    let trace = said["traceparent"].as_str().unwrap_or_default();
    ensure!(trace.split('-').nth(1) == TRACE.split('-').nth(1), "the trace is {trace}");
    Ok(())
}

/// An address as clients write it.
pub fn url(address: SocketAddr) -> String {
    format!("http://{address}/orders/7")
}
