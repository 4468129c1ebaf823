//! Compiling in a process of its own. A compiler can't be interrupted, and a component may be made to keep it busy for
//! ever or to take all memory; a process can be ended, and the kernel ends it before the gateway when memory is short.
//!
//! The process is this same program, whose hidden command calls [`serve`]: a component comes in on its standard input,
//! machine code goes out on its standard output. It opens no files, knows nothing of the configuration, and never runs
//! the guest. A program that is no `sluice`, such as a test, compiles in its own threads instead.

use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};
use wasmtime::Engine;

use super::engine;
use super::error::LoadError;

/// The hidden command.
pub const COMMAND: &str = "compile-component";
/// Address space of a compiling process. A Python interpreter of 18 MB takes a tenth of it.
const MOST_MEMORY: u64 = 8 << 30;
/// How much of a compiler's own words is kept.
const MAX_TEXT: usize = 4 << 10;

/// The program to run. It belongs to the process and not to a gateway: what this process can be started as doesn't depend
/// on how many gateways are in it.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// From now on, compile in processes of `program`, which has [`COMMAND`].
pub fn compile_with(program: impl Into<PathBuf>) {
    // The first one to say so is right: there is only one program.
    drop(PROGRAM.set(program.into()));
}

/// How to start the compiler; none if this process can't.
pub(crate) fn compiler() -> Option<Command> {
    let mut command = Command::new(PROGRAM.get()?);
    // The environment may hold secrets, and a compiler needs none of it.
    command.arg(COMMAND).env_clear();
    Some(command)
}

/// The machine code of a component. `Err` holds the reason when no process could be started.
pub(crate) fn compile(
    mut command: Command,
    component: &[u8],
    limit: Duration,
) -> Result<Result<Vec<u8>, LoadError>, std::io::Error> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Ended(command.spawn()?);
    let (mut input, mut output) = (child.0.stdin.take(), child.0.stdout.take());
    let compiled = std::thread::scope(|scope| {
        scope.spawn(move || {
            // If it has ended, its status tells more than this would.
            input.as_mut().map(|input| input.write_all(component))
        });
        let (done, made) = channel();
        scope.spawn(move || {
            let mut compiled = Vec::new();
            let read = output.as_mut().map_or(Ok(0), |output| output.read_to_end(&mut compiled));
            drop(done.send(read.map(|_| compiled)));
        });
        let made = made.recv_timeout(limit);
        if made.is_err() {
            // Ends both threads, too: the other sides of their pipes are gone.
            child.kill();
        }
        made
    });
    let compiled = match compiled {
        Ok(compiled) => compiled?,
        Err(RecvTimeoutError::Timeout) => return Ok(Err(LoadError::TooSlow { limit })),
        Err(RecvTimeoutError::Disconnected) => return Ok(Err(LoadError::Compile("the compiler failed".into()))),
    };
    let status = child.0.wait()?;
    Ok(if status.success() { Ok(compiled) } else { Err(LoadError::Compile(failure(status, &compiled))) })
}

/// Why it made nothing, in its own words if it had any.
fn failure(status: ExitStatus, said: &[u8]) -> String {
    match status.signal() {
        Some(signal) => {
            format!("the compiler was ended by signal {signal}; the component is too complex for this machine")
        }
        None if said.is_empty() => format!("the compiler failed ({status})"),
        None => String::from_utf8_lossy(said.get(..MAX_TEXT).unwrap_or(said)).into_owned(),
    }
}

/// A process that doesn't outlive this value.
struct Ended(Child);

impl Ended {
    fn kill(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What the hidden command does.
pub fn serve() -> ExitCode {
    restrict();
    let mut component = Vec::new();
    if std::io::stdin().lock().read_to_end(&mut component).is_err() {
        return ExitCode::FAILURE;
    }
    let (answer, code) = match machine_code(&component) {
        Ok(compiled) => (compiled, ExitCode::SUCCESS),
        // The error's chain names the function and the offset; its first line alone doesn't.
        Err(error) => (format!("{error:#}").into_bytes(), ExitCode::FAILURE),
    };
    match std::io::stdout().lock().write_all(&answer) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

fn machine_code(component: &[u8]) -> wasmtime::Result<Vec<u8>> {
    Engine::new(&engine::for_compiling())?.precompile_component(component)
}

/// Be modest, and end with the gateway. Where the system doesn't allow it, compiling is merely less polite.
fn restrict() {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let _ = nice(10);
    let _ = setrlimit(Resource::As, Rlimit { current: Some(MOST_MEMORY), maximum: Some(MOST_MEMORY) });
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    drop(std::fs::write("/proc/self/oom_score_adj", "1000"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_comes_out_is_what_was_made() {
        let patient = Duration::from_secs(60);
        // More than a pipe holds, in both directions.
        let large = vec![7; 1 << 20];
        assert_eq!(compile(shell("cat"), &large, patient).unwrap().unwrap(), large);
        let refused = compile(shell("echo no such function; exit 1"), &large, patient).unwrap().unwrap_err();
        assert_eq!(refused, LoadError::Compile("no such function\n".into()));
        let killed = compile(shell("kill -9 $$"), &large, patient).unwrap().unwrap_err();
        assert!(killed.to_string().contains("signal 9"), "{killed}");
        assert!(compile(Command::new("/nowhere/sluice"), &large, patient).is_err(), "whoever asked compiles it");
    }

    #[test]
    fn past_its_time_it_is_ended() {
        let mut told = tempfile::NamedTempFile::new().unwrap();
        let script = format!("echo $$ > {}; exec sleep 3600", told.path().display());
        let limit = Duration::from_millis(500);
        let late = compile(shell(&script), b"", limit).unwrap().unwrap_err();
        assert_eq!(late, LoadError::TooSlow { limit });
        let mut pid = String::new();
        told.read_to_string(&mut pid).unwrap();
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        assert!(rustix::process::test_kill_process(pid).is_err(), "it goes on");
    }

    #[test]
    fn both_engines_speak_the_same_code() {
        let component = wat::parse_str("(component (core module (memory 1)))").unwrap();
        let compiled = machine_code(&component).unwrap();
        let engine = engine::build().unwrap();
        // SAFETY: these bytes come from `precompile_component`, just now.
        assert!(unsafe { wasmtime::component::Component::deserialize(&engine, compiled) }.is_ok());
    }
}
