//! The thread that writes lines out, and the buffers that lead to it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;
use std::{io, mem, thread};

use super::sink::Sink;
use crate::config::model::AccessOutput;

/// Bytes that wait on one thread; lines beyond are dropped.
const MOST_WAITING: usize = 4 << 20;
/// Bytes that the writer keeps room for.
const MOST_SPARE: usize = 1 << 20;
/// How long lines are gathered before they are written, so that a busy gateway writes many at once.
const GATHER: Duration = Duration::from_millis(50);

/// An output with its thread, which ends when the writer and all of its lanes are gone.
pub struct Writer {
    output: AccessOutput,
    commands: Mutex<Sender<Command>>,
    waiting: Arc<AtomicBool>,
    dropped: Arc<AtomicU64>,
}

/// The way from one data thread to a writer.
pub struct Lane {
    buffer: Arc<Mutex<Vec<u8>>>,
    commands: Sender<Command>,
    waiting: Arc<AtomicBool>,
    dropped: Arc<AtomicU64>,
}

enum Command {
    /// There are lines.
    Write,
    /// One that came while the writer had its hand on the lane's buffer.
    Line(Vec<u8>),
    Lane(Arc<Mutex<Vec<u8>>>),
    Reopen(Sender<io::Result<()>>),
    Flush(Sender<()>),
}

impl Writer {
    /// Open an output. `dropped` counts lines that are lost.
    ///
    /// # Errors
    /// It can't be opened, or there is no thread for it.
    pub fn start(output: &AccessOutput, dropped: Arc<AtomicU64>) -> io::Result<Arc<Self>> {
        let (commands, receiver) = channel();
        let waiting = Arc::new(AtomicBool::new(false));
        let work = Work {
            sink: Sink::open(output)?,
            lanes: Vec::new(),
            waiting: waiting.clone(),
            dropped,
            failing: false,
            spare: Vec::new(),
        };
        let dropped = work.dropped.clone();
        thread::Builder::new().name("sluice-access".into()).spawn(move || work.run(&receiver))?;
        Ok(Arc::new(Self { output: output.clone(), commands: Mutex::new(commands), waiting, dropped }))
    }

    pub fn output(&self) -> &AccessOutput {
        &self.output
    }

    /// The way to it from one thread.
    pub fn lane(&self) -> Lane {
        let buffer = Arc::default();
        let commands = self.commands().clone();
        // The thread ends after the writer alone.
        let _ = commands.send(Command::Lane(Arc::clone(&buffer)));
        Lane { buffer, commands, waiting: self.waiting.clone(), dropped: self.dropped.clone() }
    }

    /// Begin a new file, since the old one was moved away. Waits until it is open, for so long at most.
    ///
    /// # Errors
    /// It can't be opened, and the old one is used on; or lines before it take too long, and it is opened after them.
    pub fn reopen(&self, limit: Duration) -> io::Result<()> {
        let (sender, done) = channel();
        let _ = self.commands().send(Command::Reopen(sender));
        done.recv_timeout(limit).unwrap_or_else(|error| match error {
            RecvTimeoutError::Timeout => Err(io::Error::other("lines before are still being written")),
            RecvTimeoutError::Disconnected => Err(io::Error::other("the thread that writes is gone")),
        })
    }

    /// Wait until everything is written that was appended before, for so long at most.
    pub fn flush(&self, limit: Duration) {
        let (sender, done) = channel();
        let _ = self.commands().send(Command::Flush(sender));
        let _ = done.recv_timeout(limit);
    }

    fn commands(&self) -> std::sync::MutexGuard<'_, Sender<Command>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    /// Add a line. Never waits.
    pub(super) fn append(&self, line: &[u8]) {
        let mut buffer = match self.buffer.try_lock() {
            Ok(buffer) => buffer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                // Rare: the writer holds the lock for the exchange of two pointers, and never while it writes.
                let _ = self.commands.send(Command::Line(line.to_vec()));
                return;
            }
        };
        if buffer.len() + line.len() <= MOST_WAITING {
            buffer.extend_from_slice(line);
        } else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        drop(buffer);
        if !self.waiting.swap(true, Ordering::AcqRel) {
            let _ = self.commands.send(Command::Write);
        }
    }
}

/// What the thread has.
struct Work {
    sink: Sink,
    lanes: Vec<Arc<Mutex<Vec<u8>>>>,
    waiting: Arc<AtomicBool>,
    dropped: Arc<AtomicU64>,
    /// The last write failed, which was said.
    failing: bool,
    /// What a lane gets in the place of its full buffer: memory that is known costs less than new one.
    spare: Vec<u8>,
}

impl Work {
    fn run(mut self, commands: &Receiver<Command>) {
        while let Ok(command) = commands.recv() {
            match command {
                Command::Write => {
                    thread::sleep(GATHER);
                    self.waiting.store(false, Ordering::Release);
                    self.write();
                }
                Command::Line(line) => self.write_out(&line),
                Command::Lane(lane) => self.lanes.push(lane),
                Command::Reopen(done) => {
                    self.write();
                    let _ = done.send(self.sink.reopen());
                }
                Command::Flush(done) => {
                    self.write();
                    let _ = done.send(());
                }
            }
        }
        self.write();
    }

    fn write(&mut self) {
        let mut lines = mem::take(&mut self.spare);
        let lanes = mem::take(&mut self.lanes);
        for lane in &lanes {
            mem::swap(&mut lines, &mut *lane.lock().unwrap_or_else(PoisonError::into_inner));
            if !lines.is_empty() {
                self.write_out(&lines);
                lines.clear();
            }
        }
        self.lanes = lanes;
        // After a rush it isn't held for ever.
        lines.shrink_to(MOST_SPARE);
        self.spare = lines;
        // Of lanes that are gone nothing more will come.
        let is_empty = |lane: &Mutex<Vec<u8>>| lane.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        self.lanes.retain(|lane| Arc::strong_count(lane) > 1 || !is_empty(lane));
    }

    fn write_out(&mut self, lines: &[u8]) {
        match self.sink.write(lines) {
            Ok(()) => self.failing = false,
            Err(error) => {
                let count = lines.iter().filter(|byte| **byte == b'\n').count();
                self.dropped.fetch_add(count as u64, Ordering::Relaxed);
                if !mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "lines of the access log can't be written and are dropped");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::SyslogTarget;

    fn file(path: &std::path::Path) -> AccessOutput {
        AccessOutput::File { path: path.to_owned(), rotate: 0, keep: 0 }
    }

    #[test]
    fn lines_of_all_threads_come_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        let writer = Writer::start(&file(&path), Arc::default()).unwrap();
        thread::scope(|scope| {
            for number in 0..4 {
                let lane = writer.lane();
                scope.spawn(move || {
                    for count in 0..1000 {
                        lane.append(format!("{number} {count}\n").as_bytes());
                    }
                });
            }
        });
        writer.flush(Duration::from_secs(30));
        let mut lines: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 4000);
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), 4000);
    }

    #[test]
    fn a_line_that_finds_the_buffer_taken_is_written_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        let writer = Writer::start(&file(&path), Arc::default()).unwrap();
        let lane = writer.lane();
        let taken = lane.buffer.lock().unwrap();
        lane.append(b"one\n");
        drop(taken);
        writer.flush(Duration::from_secs(30));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n");
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        // Nobody reads: the writer soon waits for the socket, and buffers fill.
        let _socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let dropped = Arc::new(AtomicU64::new(0));
        let output = AccessOutput::Syslog { target: SyslogTarget::Unix(path), facility: 16 };
        let writer = Writer::start(&output, dropped.clone()).unwrap();
        let lane = writer.lane();
        let line = [&[b'x'; 60_000][..], b"\n"].concat();
        for _ in 0..1000 {
            lane.append(&line);
        }
        assert!(dropped.load(Ordering::Relaxed) > 0);
        // Whoever wants a new output meanwhile isn't held up.
        assert!(writer.reopen(Duration::from_millis(1)).is_err());
    }

    #[test]
    fn syslog_gets_one_datagram_for_each_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let output = AccessOutput::Syslog { target: SyslogTarget::Unix(path), facility: 16 };
        let writer = Writer::start(&output, Arc::default()).unwrap();
        let lane = writer.lane();
        lane.append(b"one\n");
        lane.append(b"two\n");
        let mut buffer = [0; 1000];
        for expected in ["one", "two"] {
            let length = socket.recv(&mut buffer).unwrap();
            let message = str::from_utf8(&buffer[..length]).unwrap();
            assert!(
                message.starts_with("<134>1 2") && message.ends_with(&format!(" access - {expected}")),
                "{message}"
            );
        }
    }

    #[test]
    fn an_output_that_cannot_be_opened_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Writer::start(&file(&directory.path().join("no/a.log")), Arc::default()).is_err());
    }
}
