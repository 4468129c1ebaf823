//! `sluice run`: start, say what is served, and obey signals.

use std::path::PathBuf;
use std::process::ExitCode;

use sluice::config::model::Protocol;
use sluice::gateway::{Gateway, Options};
use sluice::snapshot::status::State;
use sluice::telemetry::log;
use sluice::telemetry::metrics::Reload;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::fail;

/// Routes told of at the start; the admin API has them all.
const MOST_ROUTES: usize = 50;

pub fn run(config: PathBuf, format: log::Format) -> ExitCode {
    let log = match log::start(format) {
        Ok(log) => log,
        Err(error) => return fail(error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(format_args!("can't start: {error}")),
    };
    runtime.block_on(async {
        // Before anything can be interrupted.
        let signals = match Signals::new() {
            Ok(signals) => signals,
            Err(error) => return fail(format_args!("can't listen for signals: {error}")),
        };
        let gateway = match Gateway::start(Options::new(config).with_log(log)).await {
            Ok(gateway) => gateway,
            Err(error) => return fail(error),
        };
        announce(&gateway);
        serve(gateway, signals).await
    })
}

/// The signals that a gateway obeys.
struct Signals {
    hang_up: Signal,
    stop: Stop,
}

struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let stop = Stop { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        Ok(Self { hang_up: signal(SignalKind::hangup())?, stop })
    }
}

impl Stop {
    /// Wait for the wish to stop.
    async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

async fn serve(gateway: Gateway, signals: Signals) -> ExitCode {
    let Signals { mut hang_up, mut stop } = signals;
    let reason = loop {
        tokio::select! {
            _ = hang_up.recv() => {}
            reason = stop.wait() => break reason,
        }
        tracing::info!("SIGHUP: looking at all files");
        gateway.reopen_logs();
        tokio::select! {
            outcome = gateway.reload() => match outcome {
                Reload::Published => tracing::info!("published a new snapshot"),
                Reload::Refused => tracing::warn!("something was refused; what served before serves on"),
                Reload::Unchanged => tracing::info!("nothing has changed"),
            },
            reason = stop.wait() => break reason,
        }
    };
    let limit = gateway.snapshot().map(|snapshot| snapshot.config().server.drain).unwrap_or_default();
    tracing::info!("{reason}: finishing requests on their way, for {limit:?} at most; once more stops at once");
    tokio::select! {
        () = gateway.shutdown() => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        reason = stop.wait() => fail(format_args!("{reason} once more: stopped at once")),
    }
}

/// Say what is served, for people.
fn announce(gateway: &Gateway) {
    let Some(snapshot) = gateway.snapshot() else { return };
    let config = snapshot.config();
    for listener in &config.listeners {
        let address = gateway.address(&listener.name).unwrap_or(listener.address);
        let scheme = match (&listener.protocol, &listener.tls) {
            (Protocol::Http, None) => "http",
            (Protocol::Http, Some(_)) => "https",
            (Protocol::Tcp(_), _) => "tcp",
        };
        tracing::info!("listener {}: {scheme}://{address}", listener.name);
    }
    for route in config.routes.iter().take(MOST_ROUTES) {
        let plugins =
            if route.plugins.is_empty() { String::new() } else { format!("{} -> ", route.plugins.join(" -> ")) };
        let destination = snapshot.describe_destination(&route.destination);
        tracing::info!("route {}: {} -> {plugins}{destination}", route.name, route.matcher);
    }
    if let Some(more) = config.routes.len().checked_sub(MOST_ROUTES).filter(|more| *more > 0) {
        tracing::info!("and {more} routes more");
    }
    let status = gateway.status().borrow().clone();
    for plugin in &status.plugins {
        let hooks = plugin.hooks.join(", ");
        match plugin.state {
            State::Unused => {
                tracing::info!("plugin {} ({}): {hooks}; no route names it", plugin.name, plugin.file.display())
            }
            _ => tracing::info!("plugin {} ({}): {}; {hooks}", plugin.name, plugin.file.display(), plugin.state.name()),
        }
    }
    if let Some(admin) = gateway.admin_address() {
        tracing::info!("admin API: http://{admin}");
    }
    tracing::info!("ready, with {} data threads", config.server.threads);
}
