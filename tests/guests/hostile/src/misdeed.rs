//! What guests do against their limits and neighbours.

use std::hint::black_box;
use std::time::Duration;

use serde::Deserialize;
use sluice_plugin::http::{self, OutgoingRequest};
use sluice_plugin::prelude::{Error, LocalResponse, Result};
use sluice_plugin::{kv, log};

/// One misdeed. A request names it in `x-misdeed`, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Misdeed {
    /// Computes without end.
    Loop,
    /// Calls itself without end.
    Recurse,
    /// Takes memory until there is none.
    Hoard,
    /// Takes 256 KiB and never gives it back.
    Creep,
    Trap,
    Panic,
    /// Says that it failed.
    Fail,
    /// Returns a text that isn't UTF-8.
    Garble,
    /// Writes that many lines of 1 KiB into the log.
    FloodLog(u32),
    /// Puts that many values of 32 KiB into its store.
    FloodKv(u32),
    /// Sends that many requests at once.
    FanOut(u32),
    /// Waits for a service that never answers.
    Wait,
    /// Sends the same request to the gateway itself.
    Again,
    /// Fills memory over and over, which nobody can interrupt half-way.
    Churn,
    /// Adds that many fields to the message.
    FloodFields(u32),
    /// Publishes that many attributes.
    FloodAttributes(u32),
    /// Keeps that many bytes for the exchange.
    FloodState(usize),
    /// Edits a field of the message.
    Set {
        name: String,
        value: String,
    },
    Status(u16),
    Path(String),
    Method(String),
    /// Answers by itself.
    Respond {
        status: u16,
        name: String,
        value: String,
        body: String,
    },
    /// Answers with that many bytes.
    RespondBig(usize),
}

impl Misdeed {
    /// Do what needs no message; the text is what came of it.
    pub fn commit(&self) -> Result<String> {
        match self {
            Self::Loop => loop {
                black_box(());
            },
            Self::Recurse => Ok(recurse(1).to_string()),
            Self::Hoard => {
                let mut all = Vec::new();
                loop {
                    all.push(black_box(vec![1_u8; 1 << 20]));
                }
            }
            Self::Creep => {
                std::mem::forget(black_box(vec![1_u8; 256 << 10]));
                Ok("crept".to_owned())
            }
            Self::Churn => {
                let mut all = vec![0_u8; 2 << 20];
                for value in (0..=u8::MAX).cycle() {
                    all.fill(black_box(value));
                    black_box(&all);
                }
                Ok(String::new())
            }
            Self::Again => {
                let again = OutgoingRequest::get("self", "/bad/").with_header("x-at", "on-request");
                Ok(format!("{:?}", again.with_header("x-misdeed", "\"again\"").send()))
            }
            #[cfg(target_family = "wasm")]
            Self::Trap => core::arch::wasm32::unreachable(),
            Self::Panic => panic!("on purpose"),
            Self::Fail => Err(Error::new("on purpose")),
            // SAFETY: none; that the host bears with it is the point.
            Self::Garble => Err(Error::new(unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe]) })),
            Self::FloodLog(lines) => {
                let line = "flood ".repeat(170);
                (0..*lines).for_each(|_| log::error!("{line}"));
                Ok(format!("wrote {lines}"))
            }
            Self::FloodKv(values) => {
                let stored = (0..*values).map(|n| kv::set(&n.to_string(), [0; 32 << 10], None));
                let refused = stored.filter(|outcome| outcome.is_err()).count();
                let kept = (0..*values).filter(|n| matches!(kv::get(&n.to_string()), Ok(Some(_)))).count();
                Ok(format!("refused {refused}, kept {kept}"))
            }
            Self::FanOut(requests) => {
                let requests: Vec<_> = (0..*requests).map(|_| OutgoingRequest::get("service", "/")).collect();
                let outcomes = http::send_all(&requests);
                let good = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
                Ok(format!("{good} of {}", outcomes.len()))
            }
            Self::Wait => {
                let answer = OutgoingRequest::get("silent", "/").with_timeout(Duration::from_secs(3600)).send();
                Ok(format!("{answer:?}"))
            }
            _ => Ok(String::new()),
        }
    }

    /// The answer that it makes by itself.
    pub fn answer(&self) -> Option<LocalResponse> {
        match self {
            Self::Respond { status, name, value, body } => {
                let answer = LocalResponse::empty(*status).with_body(body.clone());
                Some(if name.is_empty() { answer } else { answer.with_header(name, value.clone()) })
            }
            Self::RespondBig(size) => Some(LocalResponse::empty(200).with_body(vec![b'x'; *size])),
            _ => None,
        }
    }
}

fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == u64::MAX {
        return 0;
    }
    recurse(depth + 1) + frame.iter().sum::<u64>()
}
