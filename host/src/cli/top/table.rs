//! Tables of text for a terminal or a pipe. Pure.

use std::fmt::Write as _;

use super::rates::{Cost, Endpoint, Flow, View};

/// Everything at one moment, with an empty line at its end.
pub fn render(gateway: &str, view: &View) -> String {
    let total = flow(&view.total);
    let mut text = format!(
        "gateway {gateway}: {} requests/s, {} refused/s, {} failed/s, p50 {}, p99 {}\n",
        total[0], total[1], total[2], total[3], total[4]
    );
    let routes = view.routes.iter().map(|(name, own)| (shown(name), flow(own)));
    table(&mut text, ["ROUTE", "REQ/S", "4XX/S", "5XX/S", "P50", "P99"], routes);
    let plugins = view.plugins.iter().map(|(name, own)| (name.clone(), cost(own)));
    table(&mut text, ["PLUGIN", "CALLS/S", "FAILED/S", "CPU/CALL", "CORE", "MEMORY"], plugins);
    let endpoints = view.endpoints.iter().map(|own| (format!("{} {}", own.cluster, own.address), endpoint(own)));
    table(&mut text, ["ENDPOINT", "REQ/S", "FAILED/S", "IN FLIGHT", "LATENCY", "STATE"], endpoints);
    text.push('\n');
    text
}

/// Requests that found no route have one without a name.
fn shown(name: &str) -> String {
    if name.is_empty() { "(none)".to_owned() } else { name.to_owned() }
}

fn flow(own: &Flow) -> [String; 5] {
    [rate(own.rate), rate(own.refused), rate(own.failed), time(own.median), time(own.slow)]
}

fn cost(own: &Cost) -> [String; 5] {
    let memory = format!("{} KiB x{}", own.memory / 1024, own.instances);
    [rate(own.rate), rate(own.failed), time(own.each), format!("{:.1}%", own.share * 100.0), memory]
}

fn endpoint(own: &Endpoint) -> [String; 5] {
    let latency = time((own.latency > 0.0).then_some(own.latency));
    [rate(own.rate), rate(own.failed), own.in_flight.to_string(), latency, own.state.clone()]
}

fn rate(value: f64) -> String {
    format!("{value:.1}")
}

fn time(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds < 0.001 => format!("{:.0}us", seconds * 1e6),
        Some(seconds) if seconds < 1.0 => format!("{:.1}ms", seconds * 1e3),
        Some(seconds) => format!("{seconds:.2}s"),
    }
}

/// One table: the first column to the left, the last as it comes, those between to the right. None without rows.
fn table(text: &mut String, head: [&str; 6], rows: impl Iterator<Item = (String, [String; 5])>) {
    let rows: Vec<(String, [String; 5])> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let first = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default().clamp(20, 60);
    let [name, a, b, c, d, e] = head;
    // Writing to a string doesn't fail.
    let _ = writeln!(text, "\n{name:<first$} {a:>9} {b:>9} {c:>10} {d:>9}  {e}");
    for (name, [a, b, c, d, e]) in rows {
        let _ = writeln!(text, "{name:<first$} {a:>9} {b:>9} {c:>10} {d:>9}  {e}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_its_row() {
        let view = View {
            total: Flow { rate: 12.34, median: Some(0.0005), slow: Some(2.0), ..Flow::default() },
            routes: vec![(String::new(), Flow::default())],
            plugins: vec![("keys".to_owned(), Cost { share: 0.5, memory: 4096, instances: 2, ..Cost::default() })],
            endpoints: Vec::new(),
        };
        let text = render("127.0.0.1:9", &view);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "gateway 127.0.0.1:9: 12.3 requests/s, 0.0 refused/s, 0.0 failed/s, p50 500us, p99 2.00s");
        assert!(
            lines[2].starts_with("ROUTE ") && lines[3].starts_with("(none) ") && lines[3].ends_with("  -"),
            "{text}"
        );
        assert!(lines[6].starts_with("keys ") && lines[6].ends_with("50.0%  4 KiB x2"), "{text}");
        assert!(!text.contains("ENDPOINT"), "{text}");
    }
}
