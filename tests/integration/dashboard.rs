//! The dashboard in a real browser: what it shows is so, and what it does acts. The steps themselves are in
//! `tests/browser/dashboard.mjs`; pictures of the page are left in the target directory.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use crate::harness::BROKEN;
use crate::harness::components::{program, root};
use crate::harness::site::{Files, TOKEN, cluster, route};
use crate::harness::upstream::Upstream;

/// Where `cargo xtask test` puts what drives the browser.
fn modules() -> PathBuf {
    root().join("target/browser")
}

fn chromium() -> Option<PathBuf> {
    let places = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&places).flat_map(|place| names.map(|name| place.join(name))).find(|path| path.is_file())
}

/// The program, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Start the program, and find out where it can be reached from what it says.
fn start(files: &Files) -> (Running, String, String) {
    let mut child = Command::new(program())
        .args(["run", "--config"])
        .arg(files.path("sluice.toml"))
        .env("NO_COLOR", "1")
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let lines = BufReader::new(child.stderr.take().expect("a pipe"));
    let running = Running(child);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // To the end, so that the program never waits for somebody to read.
        lines.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
    });
    let (mut public, mut admin) = (None, None);
    while public.is_none() || admin.is_none() {
        let line = receiver.recv_timeout(BROKEN).expect("the program says where it listens");
        let address = || line.rsplit(' ').next().map(str::to_owned);
        if line.contains("listener public: ") {
            public = address();
        } else if line.contains("admin API: ") {
            admin = address();
        }
    }
    (running, public.unwrap_or_default(), admin.unwrap_or_default())
}

fn drive(chromium: &Path, files: &Files, public: &str, admin: &str, endpoints: &[String; 2]) -> std::process::Output {
    let output = root().join("target/browser/pictures");
    std::fs::create_dir_all(&output).expect("a directory for pictures");
    Command::new("node")
        .arg(root().join("tests/browser/dashboard.mjs"))
        .env("CHROMIUM", chromium)
        .env("MODULES", modules())
        .env("OUTPUT", output)
        .env("FILES", files.path(""))
        .env("PUBLIC", public)
        .env("ADMIN", admin)
        .env("TOKEN", TOKEN)
        .env("FIRST", &endpoints[0])
        .env("SECOND", &endpoints[1])
        .output()
        .expect("Node.js runs")
}

#[tokio::test]
#[ignore = "needs Chromium, Node.js and npm; cargo xtask test runs it where they are"]
async fn the_dashboard_in_chromium() {
    let chromium = chromium().expect("Chromium is installed");
    let (first, second) = (Upstream::fixed("first").await, Upstream::fixed("second").await);
    let files = Files::with_plugins(&["api-key"]);
    let plugin =
        "[[plugin]]\nname = \"keys\"\ncomponent = \"api-key.wasm\"\nconfig = { keys = { \"good-key\" = \"alice\" } }\n";
    let endpoints = [first.address, second.address];
    let text = [plugin, &route("pair", "/pair", &["keys"]), &cluster("pair", &endpoints)].concat();
    files.configure(&text);
    let addresses = endpoints.map(|endpoint| endpoint.to_string());
    let done = tokio::task::spawn_blocking(move || {
        let (_running, public, admin) = start(&files);
        drive(&chromium, &files, &public, &admin, &addresses)
    });
    // Each of its steps has a limit of its own.
    let output = tokio::time::timeout(10 * BROKEN, done).await.expect("it ends").expect("it doesn't panic");
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.ends_with("all well\n"), "{said}\n{wrong}");
}
