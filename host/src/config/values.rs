//! Single values: how each kind is written and what is said if it isn't. Pure.

use std::path::{Component, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::document::Node;
use super::problem::{Fault, quote};
use super::suggest;

/// Any text.
pub(super) fn string<'a>(node: Node<'a>) -> Result<&'a str, Fault> {
    text(node, "a string", "put the value in quotes")
}

/// A string, or what else `expected` says.
pub(super) fn text<'a>(node: Node<'a>, expected: &str, remedy: &str) -> Result<&'a str, Fault> {
    node.text().ok_or_else(|| Fault::new(format!("expected {expected}, found {}", node.kind()), remedy))
}

pub(super) fn boolean(node: Node<'_>) -> Result<bool, Fault> {
    match node.value {
        DeValue::Boolean(value) => Ok(*value),
        _ => Err(Fault::new(
            format!("expected true or false, found {}", node.kind()),
            "write true or false without quotes",
        )),
    }
}

/// A whole number from `least` to `most`.
pub(super) fn integer(node: Node<'_>, least: u64, most: u64) -> Result<u64, Fault> {
    let wanted = format!("expected a whole number from {least} to {most}");
    let DeValue::Integer(written) = node.value else {
        return Err(Fault::new(format!("{wanted}, found {}", node.kind()), "write it in digits, without quotes"));
    };
    match i128::from_str_radix(written.as_str(), written.radix()).ok().and_then(|value| u64::try_from(value).ok()) {
        Some(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(Fault::new(format!("{wanted}, found {written}"), format!("write a number from {least} to {most}"))),
    }
}

/// A reader of whole numbers that fit `u32`.
pub(super) fn count(least: u32, most: u32) -> impl Fn(Node<'_>) -> Result<u32, Fault> {
    move |node| integer(node, least.into(), most.into()).map(|value| u32::try_from(value).unwrap_or(most))
}

/// A reader of durations such as `"250ms"`, `"30s"`, `"2m"` or `"1h"` from `least` to `most`.
pub(super) fn duration(least: Duration, most: Duration) -> impl Fn(Node<'_>) -> Result<Duration, Fault> {
    move |node| {
        let written = text(node, "a duration such as \"30s\"", "write a number and a unit in quotes: ms, s, m or h")?;
        let value = parse_duration(written)?;
        if (least..=most).contains(&value) {
            return Ok(value);
        }
        let (least, most) = (show_duration(least), show_duration(most));
        Err(Fault::new(
            format!("expected a duration from {least} to {most}, found {}", quote(written)),
            format!("write a value from {least} to {most}"),
        ))
    }
}

fn parse_duration(written: &str) -> Result<Duration, Fault> {
    let (digits, unit) = split_unit(written);
    let milliseconds = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let value = digits.parse::<u64>().ok().zip(milliseconds).and_then(|(number, unit)| number.checked_mul(unit));
    value.map(Duration::from_millis).ok_or_else(|| {
        let near = match unit.to_ascii_lowercase().as_str() {
            "sec" | "secs" | "second" | "seconds" => "s",
            "min" | "mins" | "minute" | "minutes" => "m",
            "hr" | "hour" | "hours" => "h",
            "msec" | "millis" | "milliseconds" => "ms",
            _ => "",
        };
        let remedy = if unit.is_empty() && !digits.is_empty() {
            format!("add a unit: \"{digits}ms\" or \"{digits}s\"")
        } else if near.is_empty() || digits.is_empty() {
            "write a whole number and a unit: ms, s, m or h".to_owned()
        } else {
            format!("did you mean \"{digits}{near}\"?")
        };
        Fault::new(format!("expected a duration such as \"30s\", found {}", quote(written)), remedy)
    })
}

/// As it would be written in a configuration.
fn show_duration(value: Duration) -> String {
    let milliseconds = value.as_millis();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if milliseconds > 0 && milliseconds.is_multiple_of(size) {
            return format!("\"{}{unit}\"", milliseconds / size);
        }
    }
    format!("\"{milliseconds}ms\"")
}

/// A reader of sizes such as `"16MiB"`, or plain numbers of bytes, from `least` to `most` bytes.
pub(super) fn size(least: u64, most: u64) -> impl Fn(Node<'_>) -> Result<usize, Fault> {
    move |node| {
        let value = match node.value {
            DeValue::Integer(_) => integer(node, 0, u64::MAX)?,
            _ => parse_size(text(
                node,
                "a size such as \"16MiB\"",
                "write a number and a unit in quotes: KiB, MiB or GiB",
            )?)?,
        };
        match usize::try_from(value) {
            Ok(bytes) if (least..=most).contains(&value) => Ok(bytes),
            _ => {
                let (least, most) = (show_size(least), show_size(most));
                let found = show_size(value);
                Err(Fault::new(
                    format!("expected a size from {least} to {most}, found {found}"),
                    format!("write a value from {least} to {most}"),
                ))
            }
        }
    }
}

fn parse_size(written: &str) -> Result<u64, Fault> {
    let (digits, unit) = split_unit(written);
    let bytes = match unit {
        "" | "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let value = digits.parse::<u64>().ok().zip(bytes).and_then(|(number, unit): (u64, u64)| number.checked_mul(unit));
    value.ok_or_else(|| {
        let near = match unit.to_ascii_lowercase().as_str() {
            "k" | "kb" | "kib" => "KiB",
            "m" | "mb" | "mib" => "MiB",
            "g" | "gb" | "gib" => "GiB",
            _ => "",
        };
        let remedy = if near.is_empty() || digits.is_empty() {
            "write a whole number and a unit: B, KiB, MiB or GiB".to_owned()
        } else {
            format!("did you mean \"{digits}{near}\"?")
        };
        Fault::new(format!("expected a size such as \"16MiB\", found {}", quote(written)), remedy)
    })
}

/// As it would be written in a configuration.
fn show_size(bytes: u64) -> String {
    for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes > 0 && bytes.is_multiple_of(size) {
            return format!("\"{}{unit}\"", bytes / size);
        }
    }
    format!("\"{bytes}B\"")
}

/// Digits and what follows them, blanks between the two left out.
fn split_unit(written: &str) -> (&str, &str) {
    let end = written.find(|c: char| !c.is_ascii_digit()).unwrap_or(written.len());
    let (digits, unit) = written.split_at_checked(end).unwrap_or((written, ""));
    (digits, unit.trim_start())
}

/// The name of an entry: what logs, metrics and other entries call it by.
pub(super) fn name(node: Node<'_>) -> Result<Arc<str>, Fault> {
    const LONGEST: usize = 128;
    let written = string(node)?;
    let fault = |message: String, remedy: &str| Err(Fault::new(message, remedy));
    if written.is_empty() {
        return fault("expected a name, found an empty string".to_owned(), "give it a name");
    }
    if written.len() > LONGEST {
        return fault(format!("expected a name of at most {LONGEST} bytes"), "shorten it");
    }
    if written.chars().any(char::is_control) || written.trim() != written {
        return fault(
            format!("expected a name without control characters and outer blanks, found {}", quote(written)),
            "remove them",
        );
    }
    Ok(written.into())
}

/// A reader of words out of a fixed choice.
pub(super) fn word<T: Copy>(choice: &'static [(&'static str, T)]) -> impl Fn(Node<'_>) -> Result<T, Fault> {
    move |node| {
        let words: Vec<&str> = choice.iter().map(|(word, _)| *word).collect();
        let wanted = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
        let written = text(node, &wanted, "write one of them in quotes")?;
        let found = choice.iter().find(|(word, _)| *word == written);
        found.map(|(_, value)| *value).ok_or_else(|| {
            Fault::new(
                format!("expected {wanted}, found {}", quote(written)),
                suggest::remedy(written, "valid", &words),
            )
        })
    }
}

/// A path, not empty and without NUL.
pub(super) fn path(node: Node<'_>) -> Result<PathBuf, Fault> {
    let written = text(node, "a path", "put it in quotes")?;
    if written.is_empty() || written.contains('\0') {
        return Err(Fault::new("expected a path", "name a file or directory"));
    }
    Ok(PathBuf::from(written))
}

/// A file inside a directory: relative, and without a way out.
pub(super) fn inner_path(node: Node<'_>) -> Result<PathBuf, Fault> {
    let written = path(node)?;
    if !written.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(Fault::new(
            format!("expected a file inside the plugin directory, found {}", quote(&written.to_string_lossy())),
            "write a relative path without \"..\", such as \"api-key.wasm\"",
        ));
    }
    // "./a.wasm" and "a.wasm" are one file.
    let clean: PathBuf = written.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    if clean.extension().is_none_or(|extension| extension != "wasm") {
        return Err(Fault::new(
            format!("expected the name of a .wasm file, found {}", quote(&written.to_string_lossy())),
            "name the component file, such as \"api-key.wasm\"",
        ));
    }
    Ok(clean)
}
