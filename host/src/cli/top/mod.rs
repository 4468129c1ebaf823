//! `sluice top`: what a running gateway does, as tables of text: rates, routes, plugins and endpoints. Reads the events of
//! the admin API as the dashboard does, and changes nothing.

mod rates;
mod source;
mod table;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use rates::{Board, Sort};
use source::{Event, Events};

use super::{fail, print};

/// Between two attempts to reach a gateway that went away.
const PAUSE: Duration = Duration::from_secs(1);
/// Where the token is, if no option says it.
const TOKEN: &str = "SLUICE_ADMIN_TOKEN";

#[derive(Debug, Args)]
pub struct Top {
    /// The gateway's admin API; by default that of --config, or 127.0.0.1:9901
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// A configuration, whose [admin] says address and token
    #[arg(long, short, value_name = "FILE", conflicts_with = "admin")]
    config: Option<PathBuf>,
    /// A file with the token; by default SLUICE_ADMIN_TOKEN has it, if one is needed
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// What rows are ordered by
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    /// Print once, after a second of watching, and end
    #[arg(long)]
    once: bool,
}

/// Whom to ask, and as whom.
struct Target {
    address: SocketAddr,
    token: Option<String>,
}

pub fn top(asked: &Top) -> ExitCode {
    let target = match target(asked) {
        Ok(target) => target,
        Err(reason) => return fail(reason),
    };
    loop {
        match watch(asked, &target) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(reason) if asked.once => return fail(reason),
            Err(reason) => {
                eprintln!("{reason}; trying again");
                std::thread::sleep(PAUSE);
            }
        }
    }
}

/// Print a table with each event of numbers but the first, which rates are counted from. Ends well when once is enough, or
/// whoever reads has gone.
fn watch(asked: &Top, target: &Target) -> Result<(), String> {
    let mut board = Board::default();
    for event in Events::open(target.address, target.token.as_deref())? {
        match event? {
            Event::History(data) => board.bounds(&data),
            Event::Numbers(data) => {
                let Some(view) = board.numbers(&data, asked.sort) else { continue };
                if print(&table::render(&target.address.to_string(), &view)) != ExitCode::SUCCESS || asked.once {
                    return Ok(());
                }
            }
        }
    }
    Err(format!("the gateway at {} has gone", target.address))
}

fn target(asked: &Top) -> Result<Target, String> {
    let mut target = match (&asked.config, &asked.admin) {
        (Some(path), _) => of_configuration(path)?,
        (None, Some(address)) => Target { address: address_of(address)?, token: None },
        (None, None) => Target { address: ([127, 0, 0, 1], 9901).into(), token: None },
    };
    if let Some(path) = &asked.token_file {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        target.token = Some(text.trim().to_owned());
    } else if target.token.is_none() {
        target.token = std::env::var(TOKEN).ok();
    }
    Ok(target)
}

fn of_configuration(path: &Path) -> Result<Target, String> {
    let config = sluice::config::load(path)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let admin = config.admin.ok_or_else(|| format!("{}: there is no [admin] to ask", path.display()))?;
    if admin.tls.is_some() {
        return Err(format!("{}: [admin] encrypts, which `sluice top` can't yet; open the dashboard", path.display()));
    }
    Ok(Target { address: admin.address, token: admin.token.map(|token| token.reveal().to_owned()) })
}

/// `http://127.0.0.1:9901`, with or without the scheme.
fn address_of(text: &str) -> Result<SocketAddr, String> {
    if text.starts_with("https://") {
        return Err("`sluice top` speaks plain HTTP alone; open the dashboard".to_owned());
    }
    let bare = text.trim_start_matches("http://").trim_end_matches('/');
    let bare = bare.replace("localhost:", "127.0.0.1:");
    bare.parse().map_err(|_| format!("{text:?} is no address; expected one like \"http://127.0.0.1:9901\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        for text in ["http://127.0.0.1:9901", "127.0.0.1:9901", "http://localhost:9901/"] {
            assert_eq!(address_of(text).unwrap().to_string(), "127.0.0.1:9901", "{text}");
        }
        assert!(address_of("https://127.0.0.1:9901").is_err() && address_of("gateway").is_err());
    }
}
