//! A gateway with its files in a directory of its own.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sluice::gateway::{Gateway, Options};
use sluice::snapshot::status::{PluginStatus, State, Status};
use tempfile::TempDir;

use super::client::{Answer, Client};
use super::upstream::{Seen, Upstream};
use super::{components, soon};

/// What the admin API asks for.
pub const TOKEN: &str = "a-token-for-the-tests";

/// What every configuration begins with.
const PRELUDE: &str = r#"
[admin]
address = "127.0.0.1:0"
token = "a-token-for-the-tests"
[server]
threads = 2
drain = "5s"
[[listener]]
name = "public"
address = "127.0.0.1:0"
"#;

/// Files for a gateway.
pub struct Files {
    directory: TempDir,
}

impl Files {
    pub fn new() -> Self {
        let directory = components::directory();
        for (name, mode) in [("plugins", 0o755), ("cache", 0o700)] {
            fs::DirBuilder::new().mode(mode).create(directory.path().join(name)).unwrap();
        }
        components::warm(&directory.path().join("cache"));
        Self { directory }
    }

    /// With these standard plugins in the drop-in directory.
    pub fn with_plugins(names: &[&str]) -> Self {
        let files = Self::new();
        for name in names {
            files.put_component(&format!("{name}.wasm"), &fs::read(components::plugin(name)).unwrap());
        }
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The drop-in directory.
    pub fn plugins(&self) -> PathBuf {
        self.path("plugins")
    }

    /// Write a file of the drop-in directory as careful people do: beside, and renamed.
    pub fn put_component(&self, name: &str, bytes: &[u8]) {
        replace(&self.plugins().join(name), bytes);
    }

    /// Write the configuration: what every one begins with, and `text`.
    pub fn configure(&self, text: &str) -> PathBuf {
        let (top, rest) = split_top(text);
        let config = format!("{top}{PRELUDE}\n[plugins]\ncache = \"cache\"\n{rest}");
        self.write("sluice.toml", &config)
    }

    /// Write a file, replacing the old one at once.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        replace(&path, text.as_bytes());
        path
    }

    pub async fn start(self, text: &str) -> Site {
        let path = self.configure(text);
        let gateway = soon(Gateway::start(Options::new(path))).await.unwrap_or_else(|error| panic!("{error}"));
        components::keep(&self.path("cache"));
        Site { files: self, gateway }
    }
}

/// Keys before the first table have to stay there.
fn split_top(text: &str) -> (&str, &str) {
    if text.trim_start().starts_with('[') { ("", text) } else { text.split_at(text.find("\n[").unwrap_or(0)) }
}

/// Write beside and rename. Nobody but the owner may write to it, whatever the umask.
pub fn replace(path: &Path, bytes: &[u8]) {
    let part = path.with_file_name(format!(".{}.part", path.file_name().unwrap().to_string_lossy()));
    fs::write(&part, bytes).unwrap();
    fs::set_permissions(&part, fs::Permissions::from_mode(0o644)).unwrap();
    fs::rename(&part, path).unwrap();
}

/// A gateway that runs.
pub struct Site {
    pub files: Files,
    pub gateway: Gateway,
}

impl Site {
    pub fn address(&self) -> SocketAddr {
        self.gateway.address("public").expect("there is a listener")
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// One `GET` on a connection of its own.
    pub async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[], b"").await
    }

    /// One request on a connection of its own.
    pub async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.client().await.ask(method, target, headers, body).await
    }

    /// One request to the admin API.
    pub async fn admin(&self, method: &str, target: &str) -> Answer {
        let address = self.gateway.admin_address().expect("there is an admin API");
        let headers = [("host", &*address.to_string()), ("authorization", &format!("Bearer {TOKEN}"))];
        Client::connect(address).await.ask(method, target, &headers, b"").await
    }

    /// The value of a series in `/metrics`, 0 if there is none; `name` with all its labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.admin("GET", "/metrics").await.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        line.unwrap_or_default()
    }

    /// Wait for a status that the gateway finds by itself.
    #[track_caller]
    pub fn status(&self, wanted: impl Fn(&Status) -> bool) -> impl Future<Output = ()> {
        let mut status = self.gateway.status();
        soon(async move { drop(status.wait_for(|status| wanted(status)).await.expect("the gateway runs")) })
    }

    /// Wait for a plugin to be in that state.
    #[track_caller]
    pub fn plugin_is(&self, name: &str, state: State) -> impl Future<Output = ()> {
        self.status(move |status| plugin(status, name).is_some_and(|plugin| plugin.state == state))
    }

    pub fn plugin(&self, name: &str) -> PluginStatus {
        plugin(&self.gateway.status().borrow(), name).expect("the gateway knows the plugin").clone()
    }
}

fn plugin<'a>(status: &'a Status, name: &str) -> Option<&'a PluginStatus> {
    status.plugins.iter().find(|plugin| &*plugin.name == name)
}

/// A gateway with one route, before an upstream that notes what it sees.
pub async fn noted() -> (Site, Seen) {
    let (upstream, seen) = Upstream::noting().await;
    let text = [route("up", "/*", &[]), cluster("up", &[upstream.address])].concat();
    (Files::new().start(&text).await, seen)
}

/// A cluster with these endpoints.
pub fn cluster(name: &str, endpoints: &[SocketAddr]) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("\"{endpoint}\"")).collect();
    format!("[[cluster]]\nname = \"{name}\"\nendpoints = [{}]\n", endpoints.join(", "))
}

/// A route of a path to a cluster of the same name as itself.
pub fn route(name: &str, path: &str, plugins: &[&str]) -> String {
    format!(
        "[[route]]\nname = \"{name}\"\nmatch = {{ path = \"{path}\" }}\nplugins = {plugins:?}\ncluster = \"{name}\"\n"
    )
}
