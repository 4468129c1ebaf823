//! The program as a process of its own, which is signalled, hands over, and ends.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc;

use super::components::program;
use super::site::Files;
use super::soon;

/// A gateway, and after upgrades those that follow it.
pub struct Process {
    pub files: Files,
    child: Option<Child>,
    /// Of the process that serves.
    pub id: Pid,
    /// What all of them log.
    lines: mpsc::UnboundedReceiver<String>,
    pub address: SocketAddr,
    pub admin: SocketAddr,
}

impl Process {
    /// Start one and wait until it serves.
    pub async fn start(files: Files, text: &str) -> Self {
        Self::start_with(files, text, |_| {}).await
    }

    /// The same, with a command that is changed before it runs.
    pub async fn start_with(files: Files, text: &str, change: impl FnOnce(&mut Command)) -> Self {
        files.configure(text);
        Self::run(files, change).await
    }

    /// The same, with a configuration that is all of the file.
    pub async fn start_written(files: Files, text: &str) -> Self {
        files.write("sluice.toml", text);
        Self::run(files, |_| {}).await
    }

    async fn run(files: Files, change: impl FnOnce(&mut Command)) -> Self {
        let path = files.path("sluice.toml");
        let mut command = Command::new(program());
        command.args(["run", "--config"]).arg(path).stderr(Stdio::piped()).stdin(Stdio::null());
        change(&mut command);
        Self::spawn(files, command).await
    }

    /// Run a command that becomes a gateway with these files; its standard error has to be piped.
    pub async fn spawn(files: Files, mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let log = BufReader::new(child.stderr.take().expect("it is piped"));
        let (sender, lines) = mpsc::unbounded_channel();
        // It ends with the last process that logs there.
        std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let id = Pid::from_child(&child);
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut process = Self { files, child: Some(child), id, lines, address: nowhere, admin: nowhere };
        process.address = address(&process.line("listener public: ").await);
        process.admin = address(&process.line("admin API: ").await);
        process.line("ready, with ").await;
        process
    }

    /// Wait for a line that has this in it.
    #[track_caller]
    pub fn line(&mut self, words: &str) -> impl Future<Output = String> {
        soon(async move {
            let mut before = Vec::new();
            loop {
                let Some(line) = self.lines.recv().await else { panic!("no line has {words:?}: {before:#?}") };
                if line.contains(words) {
                    return line;
                }
                before.push(line);
            }
        })
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.id, signal).expect("the process is there");
    }

    /// Start another one to follow the one that serves, and wait until it does.
    pub async fn upgrade(&mut self) {
        self.signal(Signal::USR2);
        let line = self.line("serves now").await;
        let words = line.split("process ").nth(1).and_then(|rest| rest.split(' ').next());
        let id = words.and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no number: {line}"));
        self.id = Pid::from_raw(id).expect("a number");
    }

    /// How the process ended that was started first.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it is waited for once");
        soon(async move { tokio::task::spawn_blocking(move || child.wait().expect("a child")).await })
            .await
            .expect("it")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop((child.kill(), child.wait()));
        }
        // A process that ended well isn't there any more.
        let _ = kill_process(self.id, Signal::KILL);
    }
}

/// Where something is, at the end of a line.
fn address(line: &str) -> SocketAddr {
    line.rsplit("//").next().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no address: {line}"))
}
