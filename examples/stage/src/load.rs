//! A steady load: some connections, each asking at a steady pace, and a tally of what came back. What an
//! answer is worth, its caller decides.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::{Answer, Client, PATIENCE};

/// Who asks what, how often.
#[derive(Debug, Clone)]
pub struct Plan {
    pub address: SocketAddr,
    pub path: String,
    pub fields: Vec<(String, String)>,
    pub connections: usize,
    /// Between two requests of one connection; a late answer delays the next.
    pub pace: Duration,
    /// See [`Client::repeating`].
    pub repeat: bool,
}

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// By what the caller made of them.
    pub answers: BTreeMap<String, u64>,
    /// By what was wrong, without the addresses' noise.
    pub failures: BTreeMap<String, u64>,
    /// Requests that clients sent once more, as they may.
    pub repeated: u64,
}

impl Tally {
    pub fn answered(&self) -> u64 {
        self.answers.values().sum()
    }

    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Answers of one kind.
    pub fn of(&self, kind: &str) -> u64 {
        self.answers.get(kind).copied().unwrap_or(0)
    }

    /// What came after `earlier` was taken.
    pub fn since(&self, earlier: &Self) -> Self {
        let less = |now: &BTreeMap<String, u64>, then: &BTreeMap<String, u64>| {
            let rest = |(kind, count): (&String, &u64)| {
                let rest = count - then.get(kind).copied().unwrap_or(0);
                (rest > 0).then(|| (kind.clone(), rest))
            };
            now.iter().filter_map(rest).collect()
        };
        Self {
            answers: less(&self.answers, &earlier.answers),
            failures: less(&self.failures, &earlier.failures),
            repeated: self.repeated - earlier.repeated,
        }
    }
}

/// A load that flows until it is stopped.
pub struct Load {
    shared: Rc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

struct Shared {
    tally: RefCell<Tally>,
    news: watch::Sender<()>,
    stop: Cell<bool>,
}

impl Load {
    /// Start it, on this thread's local set. `judge` names the kind of an answer, or says what is wrong with it.
    pub fn start(plan: &Plan, judge: impl Fn(&Answer) -> Result<String, String> + 'static) -> Self {
        let shared =
            Rc::new(Shared { tally: RefCell::default(), news: watch::Sender::new(()), stop: Cell::new(false) });
        let judge = Rc::new(judge);
        let tasks = (0..plan.connections).map(|index| {
            // Evenly spread over the time between two requests.
            let delay = plan.pace.mul_f64(index as f64 / plan.connections as f64);
            tokio::task::spawn_local(ask(plan.clone(), delay, Rc::clone(&shared), Rc::clone(&judge)))
        });
        Self { tasks: tasks.collect(), shared }
    }

    pub fn tally(&self) -> Tally {
        self.shared.tally.borrow().clone()
    }

    /// Wait until the tally shows it, and return the tally.
    ///
    /// # Errors
    /// It doesn't within [`PATIENCE`].
    pub async fn until(&self, wanted: &str, shown: impl Fn(&Tally) -> bool) -> Result<Tally> {
        let mut news = self.shared.news.subscribe();
        let search = async {
            while !shown(&self.shared.tally.borrow()) {
                if news.changed().await.is_err() {
                    break;
                }
            }
        };
        if tokio::time::timeout(PATIENCE, search).await.is_err() {
            bail!("the load didn't show {wanted}: {:?}", self.tally());
        }
        Ok(self.tally())
    }

    /// Wait for so many answers more, of whatever kind.
    ///
    /// # Errors
    /// They don't come within [`PATIENCE`].
    pub async fn more(&self, count: u64) -> Result<Tally> {
        let goal = self.tally().answered() + count;
        self.until(&format!("{count} answers more"), |tally| tally.answered() >= goal).await
    }

    /// Ask no more, and wait for the answers that are on their way.
    pub async fn stop(self) -> Tally {
        self.shared.stop.set(true);
        for task in self.tasks {
            // A task that panicked has been reported on standard error, and its request is missing nowhere.
            let _ = task.await;
        }
        self.shared.tally.take()
    }
}

async fn ask<J>(plan: Plan, delay: Duration, shared: Rc<Shared>, judge: Rc<J>)
where
    J: Fn(&Answer) -> Result<String, String>,
{
    let fields: Vec<(&str, &str)> = plan.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut client = Client::new(plan.address);
    if plan.repeat {
        client = client.repeating();
    }
    tokio::time::sleep(delay).await;
    let mut ticks = tokio::time::interval(plan.pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !shared.stop.get() {
        ticks.tick().await;
        let outcome = match client.get(&plan.path, &fields).await {
            Ok(answer) => judge(&answer),
            Err(error) => Err(error.root_cause().to_string()),
        };
        let mut tally = shared.tally.borrow_mut();
        tally.repeated += client.take_repeated();
        let count = match outcome {
            Ok(kind) => tally.answers.entry(kind).or_default(),
            Err(fault) => tally.failures.entry(fault).or_default(),
        };
        *count += 1;
        drop(tally);
        shared.news.send_replace(());
    }
}
