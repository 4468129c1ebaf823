//! `sluice plugin dev`: watches a plugin's project, builds it when it changes, and shows what it does to each request.
//!
//! The gateway is a real one: a small one around the plugin, or that of a given configuration. Watching is the
//! gateway's own, as is reloading: a component that doesn't work is refused, and the last good one serves on.

mod echo;
mod project;
mod show;
mod site;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use sluice::config;
use sluice::gateway::{Gateway, Options};
use sluice::plugin::wasm;
use sluice::reload::watch::Watch;
use sluice::snapshot::status::State;
use sluice::telemetry::log::{self, LogControl};
use sluice::telemetry::witness::Witness;
use tokio::signal::unix::{SignalKind, signal};

use super::fail;
use project::{Failure, Project};

/// What is logged besides: what goes wrong. Lines of plugins are shown with their requests, and what is refused is said
/// when it is.
const QUIET: &str = "warn,sluice::plugin=off,sluice::reload=off";

/// How often to look for files that weren't there before.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub struct Dev {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Serve this configuration instead of a small one: the component goes into its plugin directory
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the small gateway listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", conflicts_with = "config")]
    listen: SocketAddr,
    /// What builds the component; by default "sh build.sh"
    #[arg(long, value_name = "COMMAND")]
    build: Option<String>,
}

pub fn dev(args: Dev) -> ExitCode {
    let log = match log::start(log::Format::Text) {
        Ok(log) => log,
        Err(error) => return fail(error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(format_args!("can't start: {error}")),
    };
    let ended = tokio::task::LocalSet::new().block_on(&runtime, run(args, &log));
    // A build that is going on isn't waited for.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(why),
    }
}

async fn run(args: Dev, log: &LogControl) -> Result<(), String> {
    // Unless somebody asked for something else.
    if log::VARIABLES.iter().all(|variable| std::env::var_os(variable).is_none()) {
        log.set(QUIET).map_err(|error| error.to_string())?;
    }
    let project = Project::open(&args.folder, args.build)?;
    let place = match args.config {
        Some(config) => Place::Given(config),
        None => Place::Small { folder: own_folder()?, listen: args.listen, echo: echo::start().await.map_err(text)? },
    };
    let mut session = Session { project, place, gateway: None };
    let mut watch = Watch::new(session.project.sources());
    say(&format!("watching {}", session.project.folder().display()));
    let mut stopped = std::pin::pin!(stopped()?);
    loop {
        let changed = tokio::select! {
            () = &mut stopped => break,
            _ = watch.changed() => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        if changed {
            tokio::select! {
                () = &mut stopped => break,
                () = session.renew() => {}
            }
        }
        // There may be new files, which are changes too.
        watch.set(session.project.sources());
    }
    if let Some(gateway) = session.gateway.take() {
        gateway.shutdown().await;
    }
    Ok(())
}

/// Until somebody wants this to end: a key, a terminal that closes, or another program.
fn stopped() -> Result<impl Future<Output = ()>, String> {
    let mut interrupted = signal(SignalKind::interrupt()).map_err(text)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(text)?;
    let mut hung_up = signal(SignalKind::hangup()).map_err(text)?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
            _ = hung_up.recv() => {}
        }
    })
}

/// Whose gateway it is.
enum Place {
    /// A configuration of the author's own.
    Given(PathBuf),
    /// One made up for the plugin.
    Small { folder: Folder, listen: SocketAddr, echo: SocketAddr },
}

struct Session {
    project: Project,
    place: Place,
    gateway: Option<Gateway>,
}

impl Session {
    /// Build, and have the gateway serve what came out. What goes wrong is said; what served serves on.
    async fn renew(&mut self) {
        say(&format!("building: {}", self.project.command()));
        let begun = Instant::now();
        let outcome = match self.build().await {
            Ok(component) => self.serve(&component).await,
            Err(Failure(why)) => Err(format!("the build failed:\n{why}")),
        };
        match outcome {
            Ok(serving) => say(&format!("{serving} ({:.1} s)", begun.elapsed().as_secs_f64())),
            Err(why) if self.serves() => say(&format!("{why}\nthe last good version serves on")),
            Err(why) => say(&format!("{why}\nnothing serves yet")),
        }
    }

    /// Whether some version of the plugin does.
    fn serves(&self) -> bool {
        let name = self.project.name();
        let status = self.gateway.as_ref().map(|gateway| gateway.status().borrow().clone());
        let plugins = status.iter().flat_map(|status| &status.plugins);
        plugins.filter(|plugin| *plugin.name == *name).any(|plugin| plugin.state != State::Unavailable)
    }

    async fn build(&self) -> Result<PathBuf, Failure> {
        let project = self.project.clone();
        let built = tokio::task::spawn_blocking(move || project.build()).await;
        built.unwrap_or_else(|error| Err(Failure(error.to_string())))
    }

    /// What serves now.
    async fn serve(&mut self, component: &Path) -> Result<String, String> {
        let name = self.project.name();
        let bytes = std::fs::read(component).map_err(|error| format!("{}: {error}", component.display()))?;
        let config = self.put(&name, &bytes)?;
        let gateway = match &self.gateway {
            Some(gateway) => {
                gateway.reload().await;
                gateway
            }
            None => {
                let options =
                    Options::new(config).with_witness(Witness::new(|seen| say(show::request(&seen).trim_end())));
                let gateway = Gateway::start(options).await.map_err(text)?;
                for address in addresses(&gateway) {
                    say(&address);
                }
                self.gateway.insert(gateway)
            }
        };
        judge(gateway, &name)
    }

    /// Put the component where the gateway looks for it. Returns the configuration.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, String> {
        let (config, directory) = match &self.place {
            Place::Given(config) => {
                let known = config::load(config)
                    .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
                (config.clone(), known.plugins.directory)
            }
            Place::Small { folder, listen, echo } => {
                let inspection = wasm::inspect(bytes).map_err(|error| format!("the component {error}"))?;
                let plugin = self.project.plugin()?;
                let base = self.project.folder();
                let text = site::configuration(name, &plugin, base, inspection.hooks, *listen, *echo);
                let config = folder.0.join("sluice.toml");
                site::replace(&config, text.as_bytes()).map_err(self::text)?;
                (config, folder.0.join("plugins"))
            }
        };
        site::replace(&directory.join(site::component(name)), bytes)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
        Ok(config)
    }
}

/// Whether the gateway serves the plugin as it is now.
fn judge(gateway: &Gateway, name: &str) -> Result<String, String> {
    let status = gateway.status().borrow().clone();
    let problems: Vec<String> = status.configuration.problems.iter().map(ToString::to_string).collect();
    if !problems.is_empty() {
        return Err(format!("refused: {}", problems.join("\n")));
    }
    let file = site::component(name);
    match status.plugins.iter().find(|plugin| *plugin.name == *name || plugin.file == Path::new(&file)) {
        Some(plugin) if plugin.state == State::Serving => {
            Ok(format!("{} serves: {}", plugin.name, plugin.hooks.join(", ")))
        }
        Some(plugin) if plugin.state == State::Unused => {
            Err(format!("no route of the configuration names the plugin {name:?}"))
        }
        Some(plugin) => Err(format!("refused: {} {}", file, plugin.reason.as_deref().unwrap_or("doesn't work"))),
        None => Err(format!("the gateway doesn't know the plugin {name:?}")),
    }
}

fn addresses(gateway: &Gateway) -> Vec<String> {
    let snapshot = gateway.snapshot();
    let listeners = snapshot.iter().flat_map(|snapshot| &snapshot.config().listeners);
    let address = |name: &str| gateway.address(name).map(|address| format!("listening on http://{address}"));
    listeners.filter_map(|listener| address(&listener.name)).collect()
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Lines that belong together come together. Whoever reads them may have enough.
fn say(lines: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{lines}").and_then(|()| out.flush());
}

/// A folder that goes with its holder.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // The system clears what is left.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A folder of this process' own, with a drop-in directory in it.
fn own_folder() -> Result<Folder, String> {
    use std::os::unix::fs::DirBuilderExt as _;
    // One that was killed leaves its own behind, and numbers of processes come again.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let path = std::env::temp_dir().join(format!("sluice-dev-{}-{now}", std::process::id()));
    let make = |path: &Path| std::fs::DirBuilder::new().mode(0o700).create(path);
    make(&path).and_then(|()| make(&path.join("plugins"))).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Folder(path))
}
