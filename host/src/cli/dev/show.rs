//! What becomes of each request, in lines for a terminal. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use sluice::telemetry::trail::HookCall;
use sluice::telemetry::witness::Witnessed;

/// Log lines of one call that are shown; all of them go to the log.
const MOST_LINES: usize = 20;

/// One request, with all that the plugin did.
pub fn request(witnessed: &Witnessed) -> String {
    let mut text = String::new();
    let target = witnessed.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    // Writing to a string doesn't fail.
    let _ = writeln!(
        text,
        "{} {} -> {} in {}",
        witnessed.method,
        plain(target),
        witnessed.status,
        milliseconds(witnessed.duration)
    );
    for call in &witnessed.calls {
        hook(call, &mut text);
    }
    let failed =
        witnessed.calls.iter().any(|call| call.details.as_ref().is_some_and(|details| details.error.is_some()));
    match &witnessed.reason {
        Some(reason) if !failed => {
            let _ = writeln!(text, "  because: {}", plain(reason));
        }
        _ => {}
    }
    text
}

fn hook(call: &HookCall, text: &mut String) {
    let waited = call.duration.saturating_sub(call.busy);
    // What a call waits besides is the way to it and back.
    let wait =
        if waited > Duration::from_millis(1) { format!(", waited {}", milliseconds(waited)) } else { String::new() };
    let _ = writeln!(text, "  {} {}: {} ({} µs{wait})", call.plugin, call.hook, call.outcome, call.busy.as_micros());
    let Some(details) = &call.details else { return };
    for (level, line) in details.lines.iter().take(MOST_LINES) {
        let _ = writeln!(text, "    {level}: {line}");
    }
    if details.lines.len() > MOST_LINES {
        let _ = writeln!(text, "    and {} lines more", details.lines.len() - MOST_LINES);
    }
    for edit in &details.edits {
        let _ = writeln!(text, "    {}", plain(edit));
    }
    if let Some(error) = &details.error {
        let _ = writeln!(text, "    {}", plain(error).replace("; in ", "\n      in ").replace(" < ", "\n      of "));
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// What comes from outside doesn't speak to the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use sluice::telemetry::trail::Details;

    use super::*;

    fn witnessed(details: Details, outcome: &'static str, reason: Option<&str>) -> Witnessed {
        Witnessed {
            method: http::Method::GET,
            uri: "/a?b=c".parse().unwrap(),
            status: 200,
            route: Some("dev".into()),
            duration: Duration::from_micros(1500),
            refused_by: None,
            reason: reason.map(str::to_owned),
            calls: vec![HookCall {
                start: std::time::Instant::now(),
                plugin: "hello".into(),
                hook: "on-request",
                outcome,
                failed: false,
                span: None,
                duration: Duration::from_micros(3100),
                busy: Duration::from_micros(38),
                details: Some(details),
            }],
        }
    }

    #[test]
    fn a_request_is_told_with_what_the_plugin_did() {
        let details = Details {
            edits: vec!["request header x-user: al\u{1b}ice".into()],
            lines: vec![("info", "hi".into())],
            error: None,
        };
        let text = request(&witnessed(details, "continue", None));
        assert_eq!(
            text,
            "GET /a?b=c -> 200 in 1.5 ms\n  hello on-request: continue (38 µs, waited 3.1 ms)\n    info: hi\n    \
             request header x-user: al\u{fffd}ice\n"
        );
    }

    #[test]
    fn a_trap_is_told_function_by_function() {
        let error = Some("trapped: wasm trap: unreachable; in check < handle".to_owned());
        let text = request(&witnessed(Details { error, ..Details::default() }, "trap", Some("plugin hello trapped")));
        assert!(text.ends_with("    trapped: wasm trap: unreachable\n      in check\n      of handle\n"), "{text}");
    }
}
