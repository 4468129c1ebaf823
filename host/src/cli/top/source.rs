//! The events of an admin API: server-sent ones, over HTTP/1.0, whose answers have no framing but their end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// For the connection, and between two events, which come each second.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of one line: an event's data is one.
const LONGEST: u64 = 16 << 20;

/// What the tables are made of.
#[derive(Debug)]
pub enum Event {
    /// With the bounds of histograms.
    History(Value),
    Numbers(Value),
}

/// All events, as long as the gateway sends them.
pub struct Events(BufReader<TcpStream>);

impl Events {
    /// # Errors
    /// Says why there are none, for people.
    pub fn open(address: SocketAddr, token: Option<&str>) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("the admin API at {address} can't be asked: {error}");
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
        let token = token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        write!(stream, "GET /api/v1/events HTTP/1.0\r\nHost: {address}\r\n{token}\r\n").map_err(failed)?;
        let mut events = Self(BufReader::new(stream));
        let status = events.line().map_err(failed)?.unwrap_or_default();
        match status.split(' ').nth(1) {
            Some("200") => {}
            Some("401") => {
                return Err(format!(
                    "the admin API at {address} wants a token: set SLUICE_ADMIN_TOKEN, or --token-file"
                ));
            }
            Some(code) => return Err(format!("the admin API at {address} answers {code}")),
            None => return Err(format!("what answers at {address} is no admin API")),
        }
        while events.line().map_err(failed)?.is_some_and(|line| !line.is_empty()) {}
        Ok(events)
    }

    /// One line without its end; none at the end of all.
    fn line(&mut self) -> std::io::Result<Option<String>> {
        let mut line = String::new();
        if self.0.by_ref().take(LONGEST).read_line(&mut line)? == 0 {
            return Ok(None);
        }
        Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

impl Iterator for Events {
    type Item = Result<Event, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut name = String::new();
        loop {
            let line = match self.line() {
                Ok(line) => line?,
                Err(error) => return Some(Err(format!("the gateway says nothing any more: {error}"))),
            };
            if let Some(own) = line.strip_prefix("event: ") {
                name = own.to_owned();
            }
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let make: fn(Value) -> Event = match name.as_str() {
                "history" => Event::History,
                "numbers" => Event::Numbers,
                _ => continue,
            };
            let parsed = serde_json::from_str(data).map(make);
            return Some(parsed.map_err(|error| format!("the gateway's numbers can't be read: {error}")));
        }
    }
}
