//! A program that is measured: started, watched through `/proc`, ended with its owner.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a program may take to listen. The gateway compiles plugins first.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running program. It ends when this is dropped.
pub struct Process(Child);

impl Process {
    /// Start a program and wait until it listens. What it prints goes to `log`.
    ///
    /// # Errors
    /// It can't be started, ends, or doesn't listen in time.
    pub fn start(command: &mut Command, port: u16, log: &Path) -> Result<Self> {
        let file = fs::File::create(log).with_context(|| format!("can't write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("can't start {command:?}"))?;
        let mut process = Self(child);
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if process.0.try_wait()?.is_some() || Instant::now() >= end {
                bail!("{command:?} doesn't serve; see {}", log.display());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// CPU time of all its threads and children so far.
    ///
    /// # Errors
    /// It has ended.
    pub fn cpu_time(&self) -> Result<Duration> {
        let mut sum = Duration::ZERO;
        for pid in self.family()? {
            for task in fs::read_dir(format!("/proc/{pid}/task"))? {
                // A thread may end while we look.
                if let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) {
                    let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse().ok());
                    sum += Duration::from_nanos(nanoseconds.context("the kernel keeps no schedstat")?);
                }
            }
        }
        Ok(sum)
    }

    /// Resident memory of the program and its children.
    ///
    /// # Errors
    /// It has ended.
    pub fn rss_kib(&self) -> Result<u64> {
        let mut sum = 0;
        for pid in self.family()? {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
            sum += line.split_whitespace().next().context("no VmRSS")?.parse::<u64>()?;
        }
        Ok(sum)
    }

    fn family(&self) -> Result<Vec<u32>> {
        let pid = self.0.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        Ok(std::iter::once(pid).chain(children.split_whitespace().filter_map(|word| word.parse().ok())).collect())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // TERM, so that a master ends its workers.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let end = Instant::now() + Duration::from_secs(5);
        while matches!(self.0.try_wait(), Ok(None)) {
            if Instant::now() >= end {
                let _ = self.0.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A port that nobody listens on now.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Processor and how many there are.
///
/// # Errors
/// `/proc` can't be read.
pub fn machine() -> Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unnamed processor");
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(format!("{}, {count} processors", model.trim_start_matches([' ', '\t', ':'])))
}

/// The kernel's release.
///
/// # Errors
/// `/proc` can't be read.
pub fn kernel() -> Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned())
}
