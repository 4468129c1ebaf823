//! A real Redis server on a socket of its own, which can be killed, stopped and started again.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Ends with the test; whatever happens, after ten minutes.
pub struct RedisServer {
    directory: tempfile::TempDir,
    extra: Vec<String>,
    running: Option<(Child, Pid)>,
}

impl RedisServer {
    /// With these arguments besides its own. None, said by `test`'s name, where there is no `redis-server`.
    pub fn start(test: &str, arguments: &[&str]) -> Option<Self> {
        let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            eprintln!("skipped: {test}: there is no redis-server; install it: apt-get install redis-server");
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let extra = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { directory, extra, running: None };
        server.restart();
        Some(server)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where it is, as the configuration has it.
    pub fn url(&self) -> String {
        format!("unix://{}", self.file("redis.sock").display())
    }

    /// Start it, with nothing in it. Returns when it answers.
    pub fn restart(&mut self) {
        self.kill();
        // A test that is killed can't end it.
        let mut command = Command::new("timeout");
        command.args(["600", "redis-server", "--port", "0", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(self.directory.path()).arg("--unixsocket").arg(self.file("redis.sock"));
        command.arg("--pidfile").arg(self.file("pid")).args(&self.extra);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("timeout runs");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let is_ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("ready to accept connections"));
        assert!(is_ready, "redis-server doesn't start");
        // It mustn't be stopped by a pipe that nobody reads.
        std::thread::spawn(move || lines.for_each(drop));
        let pid = std::fs::read_to_string(self.file("pid")).expect("its number");
        let pid = Pid::from_raw(pid.trim().parse().expect("a number")).expect("a number");
        self.running = Some((child, pid));
    }

    /// As if it had lost its power.
    pub fn kill(&mut self) {
        if let Some((mut child, pid)) = self.running.take() {
            let _ = kill_process(pid, Signal::KILL);
            let _ = child.wait();
        }
    }

    /// It keeps its connections, and answers no more.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let (_, pid) = self.running.as_ref().expect("it runs");
        kill_process(*pid, signal).expect("it runs");
    }

    /// What `redis-cli` says to a command.
    pub fn ask(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.arg("-s").arg(self.file("redis.sock")).args(arguments);
        let output = command.output().expect("redis-cli runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
