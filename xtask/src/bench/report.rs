//! Measurements as tables and a chart.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::scenario::Scenario;

/// Where tables stand in `docs/benchmarks.md`: behind this line, up to `END`.
pub const REQUESTS: &str = "<!-- Written by `cargo xtask bench`. -->";
pub const LATENCY: &str = "<!-- Written by `cargo xtask bench`, latency. -->";
pub const IDLE: &str = "<!-- Written by `cargo xtask bench`, idle. -->";
pub const POLICIES: &str = "<!-- Written by `cargo xtask bench`, policies. -->";
const END: &str = "<!-- End of what is written. -->";

/// One round.
pub struct Measured {
    /// CPU time of one request.
    pub cpu_us: f64,
    pub per_second: f64,
    /// Milliseconds.
    pub p99: f64,
    pub rss_kib: u64,
}

/// All rounds of one contender in one scenario.
pub struct Row {
    scenario: &'static str,
    what: &'static str,
    name: String,
    pub rounds: Vec<Measured>,
}

impl Row {
    pub fn new(scenario: &Scenario, name: String) -> Self {
        Self { scenario: scenario.name, what: scenario.what, name, rounds: Vec::new() }
    }

    fn sorted(&self, value: impl Fn(&Measured) -> f64) -> Vec<f64> {
        let mut values: Vec<f64> = self.rounds.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn median(&self, value: impl Fn(&Measured) -> f64) -> f64 {
        let sorted = self.sorted(value);
        let middle = sorted.len() / 2;
        match (sorted.get(middle), sorted.len() % 2) {
            (Some(upper), 0) => (upper + sorted.get(middle.saturating_sub(1)).unwrap_or(upper)) / 2.0,
            (Some(one), _) => *one,
            (None, _) => 0.0,
        }
    }

    fn cpu(&self) -> f64 {
        self.median(|round| round.cpu_us)
    }
}

/// The one in the middle.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The setting, and a table for each scenario.
pub fn tables(rows: &[Row], setting: &str) -> String {
    let mut text = format!("{setting}\n");
    let mut scenario = "";
    let mut first = 0.0;
    for row in rows {
        if row.scenario != scenario {
            scenario = row.scenario;
            first = row.cpu();
            let _ = writeln!(
                text,
                "\n**{scenario}**: {}\n\n| | CPU, µs a request | range | over the first | requests/s | p99, ms | RSS, MiB |\n\
                 |---|---|---|---|---|---|---|",
                row.what
            );
        }
        let cpu = row.sorted(|round| round.cpu_us);
        let (low, high) = (cpu.first().unwrap_or(&0.0), cpu.last().unwrap_or(&0.0));
        let _ = writeln!(
            text,
            "| {} | {:.1} | {low:.1}-{high:.1} | {:+.1} | {:.0} | {:.2} | {:.1} |",
            row.name,
            row.cpu(),
            row.cpu() - first,
            row.median(|round| round.per_second),
            row.median(|round| round.p99),
            row.median(|round| round.rss_kib as f64) / 1024.0,
        );
    }
    text
}

/// Put tables where they belong.
///
/// # Errors
/// The page can't be read or written, or lacks the marks.
pub fn write(page: &Path, mark: &str, text: &str) -> Result<()> {
    let old = std::fs::read_to_string(page).with_context(|| format!("can't read {}", page.display()))?;
    let new = replaced(&old, mark, text).with_context(|| format!("{} has no place for tables", page.display()))?;
    std::fs::write(page, new).with_context(|| format!("can't write {}", page.display()))
}

fn replaced(page: &str, mark: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(mark)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{mark}\n{}\n{END}{after}", text.trim_end()))
}

/// Write the chart.
///
/// # Errors
/// It can't be written.
pub fn draw(picture: &Path, rows: &[Row]) -> Result<()> {
    std::fs::write(picture, chart(rows)).with_context(|| format!("can't write {}", picture.display()))
}

/// CPU time of each contender as a bar.
fn chart(rows: &[Row]) -> String {
    const LINE: usize = 20;
    const LEFT: f64 = 190.0;
    const WIDTH: f64 = 420.0;
    let longest = rows.iter().map(Row::cpu).fold(1.0, f64::max);
    let (mut bars, mut scenario, mut y) = (String::new(), "", 0);
    for row in rows {
        if row.scenario != scenario {
            scenario = row.scenario;
            y += LINE + LINE / 2;
            let _ = writeln!(bars, r#"<text x="8" y="{y}" font-weight="bold">{scenario}</text>"#);
        }
        y += LINE;
        let length = WIDTH * row.cpu() / longest;
        let color = if row.name.starts_with("Sluice") { "#1f7a8c" } else { "#9aa5b1" };
        let _ = writeln!(
            bars,
            r#"<text x="16" y="{y}">{}</text><rect x="{LEFT}" y="{}" width="{length:.1}" height="14" rx="2" fill="{color}"/><text x="{:.1}" y="{y}">{:.1}</text>"#,
            row.name,
            y - 12,
            LEFT + length + 6.0,
            row.cpu(),
        );
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"680\" height=\"{}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"8\" y=\"16\">CPU time of a request, µs</text>\n{bars}</svg>\n",
        y + LINE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cpu: &[f64]) -> Row {
        let rounds = cpu.iter().map(|cpu_us| Measured { cpu_us: *cpu_us, per_second: 1.0, p99: 0.5, rss_kib: 2048 });
        Row { scenario: "plain", what: "a GET", name: "Sluice".to_owned(), rounds: rounds.collect() }
    }

    #[test]
    fn tables_tell_median_and_range() {
        let text = tables(&[row(&[3.0, 1.0, 2.0]), row(&[4.0, 3.0])], "Here.");
        assert!(text.starts_with("Here.\n\n**plain**: a GET\n"), "{text}");
        assert!(text.contains("| Sluice | 2.0 | 1.0-3.0 | +0.0 | 1 | 0.50 | 2.0 |"), "{text}");
        assert!(text.contains("| Sluice | 3.5 | 3.0-4.0 | +1.5 |"), "{text}");
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("before\n{REQUESTS}\nold\n{END}\nafter\n");
        assert_eq!(replaced(&page, REQUESTS, "new\n").unwrap(), format!("before\n{REQUESTS}\nnew\n{END}\nafter\n"));
        assert!(replaced("nothing", REQUESTS, "new").is_none());
        for mark in [REQUESTS, LATENCY, IDLE, POLICIES] {
            assert!(replaced(include_str!("../../../docs/benchmarks.md"), mark, "new").is_some());
        }
    }

    #[test]
    fn bars_are_drawn_to_scale() {
        let picture = chart(&[row(&[10.0]), row(&[20.0])]);
        assert!(picture.contains("width=\"210.0\"") && picture.contains("width=\"420.0\""), "{picture}");
    }
}
