//! `sluice run`: start, say what is served, and obey signals until the end.

mod announce;
mod origin;
mod signals;
mod upgrade;
mod watchdog;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use sluice::config::model::Server;
use sluice::gateway::{Gateway, Options};
use sluice::process::{Notifier, PidFile, raise_descriptor_limit};
use sluice::telemetry::log;
use sluice::telemetry::metrics::Reload;

use super::fail;
use origin::Origin;
use signals::{Signals, Stop};
use upgrade::{Handover, Upgrade};

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
        match start(config, log).await {
            Ok(running) => running.serve(signals).await,
            Err(error) => fail(error),
        }
    })
}

/// A gateway and what this process has to do with others.
struct Running {
    gateway: Gateway,
    notifier: Notifier,
    /// Taken away at the end.
    _pid_file: Option<PidFile>,
}

async fn start(config: PathBuf, log: log::LogControl) -> Result<Running, Box<dyn std::error::Error>> {
    let descriptors = raise_descriptor_limit();
    let origin = Origin::find()?;
    let options = Options::new(config).with_log(log).with_inherited(origin.inherited());
    let gateway = Gateway::start(options).await?;
    announce::announce(&gateway);
    announce::descriptors(&gateway, descriptors);
    origin.settle(gateway.unused())?;
    // Not before: until then another process may be the service.
    let pid_file = server(&gateway).and_then(|server| server.pid_file);
    let pid_file = pid_file.and_then(|path| match PidFile::write(&path) {
        Ok(file) => Some(file),
        Err(error) => {
            tracing::error!(file = %path.display(), %error, "can't write the file that tells the process's number");
            None
        }
    });
    let notifier = Notifier::from_environment();
    notifier.ready("serving");
    watchdog::start(&gateway);
    Ok(Running { gateway, notifier, _pid_file: pid_file })
}

fn server(gateway: &Gateway) -> Option<Server> {
    gateway.snapshot().map(|snapshot| snapshot.config().server.clone())
}

/// Why a gateway ends.
enum End {
    Stop(&'static str),
    /// Another process serves, and has no use for the sockets of these addresses and listeners.
    Followed {
        id: u32,
        unused: Vec<(SocketAddr, String)>,
    },
}

impl Running {
    async fn serve(self, signals: Signals) -> ExitCode {
        let Signals { hang_up, upgrade, mut stop } = signals;
        match self.wait(hang_up, upgrade, &mut stop).await {
            End::Stop(reason) => self.stop(reason, stop).await,
            End::Followed { id, unused } => self.leave(id, &unused, stop).await,
        }
    }

    /// Obey signals until one of them, or a process that follows, ends it.
    async fn wait(&self, mut hang_up: signals::Signal, mut wish: signals::Signal, stop: &mut Stop) -> End {
        let mut upgrade: Option<Upgrade> = None;
        loop {
            tokio::select! {
                _ = hang_up.recv() => {
                    tokio::select! {
                        () = self.reload() => {}
                        reason = stop.wait() => return End::Stop(reason),
                    }
                }
                _ = wish.recv() => match &upgrade {
                    Some(_) => tracing::warn!("SIGUSR2: a new process is being started already"),
                    None => upgrade = Upgrade::start(&self.gateway),
                },
                outcome = Upgrade::finished(&mut upgrade) => {
                    upgrade = None;
                    if let Some(end) = outcome.and_then(|handover| self.release(handover)) {
                        return end;
                    }
                }
                // An upgrade that is under way ends with what drives it.
                reason = stop.wait() => return End::Stop(reason),
            }
        }
    }

    async fn reload(&self) {
        tracing::info!("SIGHUP: looking at all files");
        self.notifier.reloading();
        self.gateway.reopen_logs();
        match self.gateway.reload().await {
            Reload::Published => tracing::info!("published a new snapshot"),
            Reload::Refused => tracing::warn!("something was refused; what served before serves on"),
            Reload::Unchanged => tracing::info!("nothing has changed"),
        }
        self.notifier.ready("serving");
    }

    async fn stop(self, reason: &str, mut stop: Stop) -> ExitCode {
        let Self { gateway, notifier, _pid_file } = self;
        let (delay, limit) = limits(&gateway);
        notifier.stopping("finishing requests on their way");
        gateway.prepare_shutdown();
        if !delay.is_zero() {
            tracing::info!("{reason}: not ready any more, and serving on for {delay:?}; once more goes on at once");
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                _ = stop.wait() => {}
            }
        }
        tracing::info!("{reason}: finishing requests on their way, for {limit:?} at most; once more stops at once");
        end(gateway.shutdown(), stop).await
    }

    /// Make another process the service. None if it has gone meanwhile.
    fn release(&self, handover: Handover) -> Option<End> {
        let id = handover.id();
        // It speaks for the service as soon as it is told to, so that this has to be said before.
        self.notifier.main_process(id);
        match handover.release() {
            Ok(unused) => Some(End::Followed { id, unused }),
            Err(error) => {
                self.notifier.main_process(std::process::id());
                upgrade::failed(&error);
                None
            }
        }
    }

    async fn leave(self, id: u32, unused: &[(SocketAddr, String)], stop: Stop) -> ExitCode {
        let (_, limit) = limits(&self.gateway);
        tracing::info!("process {id} serves now; finishing requests on their way, for {limit:?} at most");
        end(self.gateway.leave_to(unused), stop).await
    }
}

/// How long a gateway serves on, and how long it finishes.
fn limits(gateway: &Gateway) -> (Duration, Duration) {
    server(gateway).map(|server| (server.shutdown_delay, server.drain)).unwrap_or_default()
}

async fn end(ending: impl Future<Output = ()>, mut stop: Stop) -> ExitCode {
    tokio::select! {
        () = ending => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        reason = stop.wait() => fail(format_args!("{reason} once more: stopped at once")),
    }
}
