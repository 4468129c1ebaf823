//! Processes whose output can be waited for, and which end with their owner.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

use crate::PATIENCE;

/// Lines of a process that are shown when it disappoints.
const TAIL: usize = 15;

/// A running program. Dropped, it is killed.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
}

impl Process {
    /// Start it, in a process group of its own: a Ctrl-C on the terminal reaches its owner alone, who ends it in
    /// good order.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().with_context(|| format!("can't start {program}"))?;
        let output = Arc::new(Output::new());
        if let Some(stdout) = child.stdout.take() {
            read(stdout, &output);
        }
        if let Some(stderr) = child.stderr.take() {
            read(stderr, &output);
        }
        Ok(Self { name: name.to_owned(), child, output })
    }

    /// What its owner calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of lines it has written: where to look from for what comes next.
    pub fn mark(&self) -> usize {
        self.output.lines().len()
    }

    /// Wait for the first line from `mark` on of which `find` makes something.
    ///
    /// # Errors
    /// The process ended, or wrote nothing of that kind within [`PATIENCE`].
    pub async fn line<T>(&self, mark: usize, wanted: &str, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let mut news = self.output.news.subscribe();
        let search = async {
            loop {
                let ended = news.borrow_and_update().readers == 0;
                if let Some(found) = self.output.lines().iter().skip(mark).find_map(|line| find(line)) {
                    return Ok(found);
                }
                if ended {
                    return Err(self.disappointed(&format!("{} ended before it said {wanted}", self.name)));
                }
                news.changed().await?;
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(found) => found,
            Err(_) => Err(self.disappointed(&format!("{} didn't say {wanted}", self.name))),
        }
    }

    /// Ask it to finish (SIGTERM), and wait until it has.
    ///
    /// # Errors
    /// It isn't gone within [`PATIENCE`].
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.ended().await
    }

    /// Send it a signal, and don't wait.
    ///
    /// # Errors
    /// It is gone already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(id, signal).with_context(|| format!("{} can't be signalled", self.name))
    }

    /// Wait until it has ended by itself.
    ///
    /// # Errors
    /// It hasn't within [`PATIENCE`].
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        let mut news = self.output.news.subscribe();
        let silent = news.wait_for(|news| news.readers == 0);
        if tokio::time::timeout(PATIENCE, silent).await.is_err() {
            return Err(self.disappointed(&format!("{} doesn't end", self.name)));
        }
        // Its last act after closing its output: a moment at most.
        Ok(self.child.wait()?)
    }

    /// End it at once (SIGKILL), as a power cut would.
    ///
    /// # Errors
    /// It can't be waited for.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// # Errors
    /// It is gone.
    pub fn must_run(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(self.disappointed(&format!("{} has ended ({status})", self.name)));
        }
        Ok(())
    }

    fn disappointed(&self, what: &str) -> anyhow::Error {
        let lines = self.output.lines();
        let tail: Vec<&str> = lines.iter().skip(lines.len().saturating_sub(TAIL)).map(String::as_str).collect();
        anyhow!("{what}; its last lines:\n{}", tail.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it is gone.
        let _ = self.kill();
    }
}

/// What a process has written on both streams, without colours.
struct Output {
    lines: Mutex<VecDeque<String>>,
    news: watch::Sender<News>,
}

/// Wakes those who wait.
#[derive(Clone, Copy)]
struct News {
    lines: usize,
    readers: usize,
}

impl Output {
    fn new() -> Self {
        Self { lines: Mutex::default(), news: watch::Sender::new(News { lines: 0, readers: 2 }) }
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(stream: impl Read + Send + 'static, output: &Arc<Output>) {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            output.lines().push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
            output.news.send_modify(|news| news.lines += 1);
            line.clear();
        }
        output.news.send_modify(|news| news.readers -= 1);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        Process::start("shell", Command::new("sh").args(["-c", script])).unwrap()
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn a_line_is_waited_for_from_a_mark_on() {
        run(async {
            let mut process = shell("echo one; echo two >&2; echo three; exec sleep 60");
            let find = |word: &'static str| move |line: &str| (line == word).then(|| line.to_owned());
            process.line(0, "three", find("three")).await.unwrap();
            let mark = process.mark();
            process.must_run().unwrap();
            let gone = process.terminate().await.unwrap();
            assert!(!gone.success());
            let error = process.line(mark, "four", find("four")).await.unwrap_err().to_string();
            assert!(error.starts_with("shell ended before it said four; its last lines:\n"), "{error}");
        });
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let process = shell("exec sleep 60");
        let id = Pid::from_raw(i32::try_from(process.child.id()).unwrap()).unwrap();
        drop(process);
        assert!(rustix::process::test_kill_process(id).is_err());
    }
}
