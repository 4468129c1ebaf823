//! `sluice plugin dev`: a project is built when it changes, and each request is shown with what the plugin did.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tokio::sync::mpsc;

use crate::harness::client::Client;
use crate::harness::components;
use crate::harness::soon;

/// A session, and what it says.
struct Session {
    process: Child,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Session {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(components::program());
        // What it keeps meanwhile is beside the project.
        command.env("TMPDIR", folder.parent().expect("a folder"));
        command.args(["plugin", "dev"]).arg(folder).args(arguments).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = command.spawn().expect("sluice runs");
        let (sender, lines) = mpsc::unbounded_channel();
        let output = BufReader::new(process.stdout.take().expect("its output"));
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { process, lines }
    }

    /// Everything up to a line that has this in it.
    #[track_caller]
    fn until(&mut self, part: &str) -> impl Future<Output = Vec<String>> {
        soon(async move {
            let mut seen = Vec::new();
            loop {
                let line = self.lines.recv().await.unwrap_or_else(|| panic!("it ended without {part:?}: {seen:#?}"));
                seen.push(line);
                if seen.last().is_some_and(|line| line.contains(part)) {
                    return seen;
                }
            }
        })
    }

    async fn address(&mut self) -> SocketAddr {
        let said = self.until("listening on http://").await;
        let (_, address) = said.last().and_then(|line| line.rsplit_once("http://")).expect("an address");
        address.parse().expect("an address")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A project that is built by copying the component that `which` names; written in the shell, so to speak.
const BUILD: &str =
    "if test -e broken; then echo 'error: expected `;`' >&2; exit 1; fi\ncp \"$(cat which)\" hello.wasm\n";

fn project(component: &Path, cases: &str) -> tempfile::TempDir {
    let folder = components::directory();
    let hello = folder.path().join("hello");
    fs::create_dir(&hello).unwrap();
    fs::write(hello.join("build.sh"), BUILD).unwrap();
    fs::write(hello.join("cases.toml"), cases).unwrap();
    fs::write(hello.join("which"), component.to_str().unwrap()).unwrap();
    folder
}

#[tokio::test]
async fn requests_are_shown_and_changes_are_built() {
    let cases = "[plugin]\nconfig = { request = { headers = { set = { x-team = \"red\" } } } }\n";
    let folder = project(&components::plugin("transform"), cases);
    let hello = folder.path().join("hello");
    let mut session = Session::start(&hello, &["--listen", "127.0.0.1:0"]);
    let address = session.address().await;
    session.until("hello serves: on-request").await;

    let answer = Client::connect(address).await.ask("GET", "/a?b=c", &[], b"").await;
    assert_eq!((answer.status, answer.json()["headers"]["x-team"].as_str()), (200, Some("red")));
    let shown = session.until("request header x-team: red").await;
    assert!(shown.iter().any(|line| line.starts_with("GET /a?b=c -> 200 in ")), "{shown:?}");
    assert!(shown.iter().any(|line| line.contains("hello on-request: continue (") && line.contains("µs")), "{shown:?}");

    // A mistake is shown, and what worked before serves on.
    fs::write(hello.join("broken"), "").unwrap();
    fs::write(hello.join("which"), components::plugin("api-key").to_str().unwrap()).unwrap();
    let said = session.until("the last good version serves on").await;
    assert!(said.iter().any(|line| line.contains("expected `;`")), "{said:?}");
    assert_eq!(Client::connect(address).await.ask("GET", "/", &[], b"").await.status, 200);
    session.until("x-team").await;

    // Another plugin, with another configuration.
    fs::remove_file(hello.join("broken")).unwrap();
    fs::write(hello.join("cases.toml"), "[plugin]\nconfig = { keys = { s3same = \"alice\" } }\n").unwrap();
    session.until("hello serves: authenticate").await;
    assert_eq!(Client::connect(address).await.ask("GET", "/", &[("x-api-key", "no")], b"").await.status, 401);
    session.until("hello authenticate: denied").await;
    assert_eq!(Client::connect(address).await.ask("GET", "/", &[("x-api-key", "s3same")], b"").await.status, 200);
    let shown = session.until("request header x-api-key removed").await;
    assert!(!shown.concat().contains("s3same"), "{shown:?}");

    // One that the host refuses.
    fs::write(hello.join("cases.toml"), "[plugin]\nconfig = { keys = 7 }\n").unwrap();
    session.until("refused: ").await;
    session.until("the last good version serves on").await;
}

#[tokio::test]
async fn new_files_are_built_too_and_nothing_stays_behind() {
    let folder = project(&components::plugin("transform"), "");
    let hello = folder.path().join("hello");
    let mut session = Session::start(&hello, &["--listen", "127.0.0.1:0"]);
    session.until("hello serves").await;
    fs::create_dir(hello.join("src")).unwrap();
    fs::write(hello.join("src/more.txt"), "more").unwrap();
    session.until("building: ").await;
    session.until("hello serves").await;
    let own = || {
        let entries = fs::read_dir(folder.path()).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("sluice-dev-")).count()
    };
    assert_eq!(own(), 1);
    let asked = Command::new("kill").arg(session.process.id().to_string()).status().expect("kill runs");
    assert!(asked.success() && session.process.wait().expect("it ends").success());
    assert_eq!(own(), 0);
}

#[tokio::test]
async fn log_lines_and_failures_are_shown_with_their_request() {
    let folder =
        project(&components::guest("hostile"), "[plugin]\ngrants = [\"kv\", { http-client = [\"service\"] }]\n");
    let mut session = Session::start(&folder.path().join("hello"), &["--listen", "127.0.0.1:0"]);
    let address = session.address().await;
    session.until("hello serves").await;
    let logs = [("x-at", "on-request"), ("x-misdeed", "{\"flood-log\": 1}")];
    assert_eq!(Client::connect(address).await.ask("GET", "/", &logs, b"").await.status, 200);
    let shown = session.until("    error: ").await;
    assert!(shown.iter().any(|line| line.contains("hello on-request: continue (")), "{shown:?}");
    let trap = [("x-at", "on-request"), ("x-misdeed", "\"trap\"")];
    assert_eq!(Client::connect(address).await.ask("GET", "/", &trap, b"").await.status, 503);
    let shown = session.until("trapped: ").await;
    assert!(shown.iter().any(|line| line.contains("hello on-request: trap (")), "{shown:?}");
}

#[tokio::test]
async fn a_configuration_of_one_s_own_can_serve() {
    let folder = project(&components::plugin("transform"), "");
    let (hello, plugins) = (folder.path().join("hello"), folder.path().join("plugins"));
    fs::create_dir(&plugins).unwrap();
    let config = folder.path().join("sluice.toml");
    let text = "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n\
                [[plugin]]\nname = \"hello\"\ncomponent = \"hello.wasm\"\n\
                config = { response = { origins = [\"gateway\"], headers = { set = { x-mine = \"1\" } } } }\n\
                [[route]]\nname = \"all\"\nplugins = [\"hello\"]\nrespond = { status = 200 }\n";
    fs::write(&config, text).unwrap();
    let mut session = Session::start(&hello, &["--config", config.to_str().unwrap()]);
    let address = session.address().await;
    session.until("hello serves").await;
    let answer = Client::connect(address).await.ask("GET", "/", &[], b"").await;
    assert_eq!((answer.status, answer.field("x-mine")), (200, Some("1")));
    session.until("response header x-mine: 1").await;
    assert!(plugins.join("hello.wasm").is_file());
}
