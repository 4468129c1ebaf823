//! Lines for the gateway's log. Needs no grant, so it is bounded: each call has a number of bytes, and
//! whoever passes it gets one last line that says so. Control characters are escaped: a plugin can't
//! forge lines or speak to the operator's terminal.

use std::fmt::Write as _;

use crate::plugin::wasm::bindings::log::{self, Level};
use crate::plugin::wasm::guest::Guest;

/// What a call may still write.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
    exhausted: bool,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { left: bytes, exhausted: false }
    }
}

impl log::Host for Guest {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        write_line(self, level, &message);
        Ok(())
    }
}

/// Write what the guest printed since its last call ended or began.
pub(crate) fn flush_stdio(guest: &mut Guest) {
    let Some(wasi) = &guest.wasi else { return };
    let Some(printed) = wasi.take_output() else { return };
    for line in String::from_utf8_lossy(&printed).lines() {
        write_line(guest, Level::Info, line);
    }
}

fn write_line(guest: &mut Guest, level: Level, message: &str) {
    let budget = &mut guest.current.log;
    if budget.exhausted {
        return;
    }
    let text = escaped(message, budget.left);
    // An empty line isn't free, lest a guest write them for ever.
    let cost = message.len().max(1);
    budget.exhausted = cost > budget.left;
    budget.left = budget.left.saturating_sub(cost);
    let exhausted = budget.exhausted;
    let plugin = &*guest.lent.name;
    if let Some(exchange) = guest.exchange() {
        exchange.trail.detail(|details| details.lines.push((name(level), text.clone())));
    }
    let exchange = guest.exchange().map_or("", |exchange| &exchange.id);
    match level {
        Level::Trace => tracing::trace!(target: "sluice::plugin", plugin, exchange, "{text}"),
        Level::Debug => tracing::debug!(target: "sluice::plugin", plugin, exchange, "{text}"),
        Level::Info => tracing::info!(target: "sluice::plugin", plugin, exchange, "{text}"),
        Level::Warn => tracing::warn!(target: "sluice::plugin", plugin, exchange, "{text}"),
        Level::Error => tracing::error!(target: "sluice::plugin", plugin, exchange, "{text}"),
    }
    if exhausted {
        let limit = guest.lent.limits.log;
        tracing::warn!(target: "sluice::plugin", plugin, exchange, limit, "log truncated: the call wrote more than `limits.log`");
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

/// At most `limit` bytes of `text`, with everything escaped that isn't meant to be seen.
pub(crate) fn escaped(text: &str, limit: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(limit));
    let mut taken = 0;
    for character in text.chars() {
        taken += character.len_utf8();
        if taken > limit {
            break;
        }
        match character {
            '\t' => shown.push('\t'),
            // Line and paragraph separators, and marks that turn the direction of text.
            '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(shown, "{}", character.escape_unicode());
            }
            character if character.is_control() => shown.extend(character.escape_default()),
            character => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_could_forge_lines() {
        assert_eq!(escaped("a\r\nb\x1b[2Jc\u{202e}d\te", 100), "a\\r\\nb\\u{1b}[2Jc\\u{202e}d\te");
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(escaped("äöü", 3), "ä");
        assert_eq!(escaped("äöü", 0), "");
    }
}
