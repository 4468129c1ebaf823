//! How the story is set: short lines, one form for each kind of thing. In colour on a terminal only.

use std::io::IsTerminal as _;
use std::time::Duration;

use stage::Answer;

/// Where words are broken.
const WIDTH: usize = 96;
/// A bar's longest.
const BAR: usize = 40;

pub struct Page {
    scenes: u32,
    colour: bool,
}

impl Page {
    pub fn new() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { scenes: 0, colour }
    }

    /// A new scene.
    pub fn scene(&mut self, title: &str) {
        self.scenes += 1;
        let number = self.scenes;
        println!("\n{}", self.bold(&format!("{number}. {title}")));
    }

    pub fn title(&self, title: &str) {
        println!("\n{}", self.bold(title));
    }

    /// What the reader should know.
    pub fn say(&self, text: &str) {
        for line in lines(text) {
            println!("{}", format!("  {line}").trim_end());
        }
    }

    /// What was asked.
    pub fn asked(&self, who: &str, request: &str) {
        println!("\n  {} {}", self.dim(&format!("{who} →")), self.bold(request));
    }

    /// What was answered: status, the fields that matter, the time.
    pub fn answered(&self, answer: &Answer, fields: &[&str]) {
        let status = format!("{} {}", answer.status.as_str(), answer.status.canonical_reason().unwrap_or_default());
        let status = match answer.status.as_u16() {
            200..300 => self.paint("32", &status),
            _ => self.paint("33", &status),
        };
        println!("  {} {status}  {}", self.dim("←"), self.dim(&milliseconds(answer.took)));
        for name in fields {
            self.line(&format!("{name}: {}", answer.field(name)));
        }
    }

    /// A line of something else's text, cut if it is too long.
    pub fn line(&self, text: &str) {
        match text.char_indices().nth(WIDTH) {
            Some((end, _)) => println!("      {}…", text.get(..end).unwrap_or(text)),
            None => println!("      {text}"),
        }
    }

    /// What somebody else says, in full.
    pub fn aside(&self, text: &str) {
        for line in lines(text) {
            println!("      {}", self.dim(&line));
        }
    }

    /// One bar of a chart.
    pub fn bar(&self, name: &str, value: f64, most: f64, label: &str) {
        // At most `BAR`, so it fits.
        let length = ((value / most).clamp(0.0, 1.0) * BAR as f64).round() as usize;
        println!("      {name:<27} {} {label}", self.paint("36", &"█".repeat(length.max(1))));
    }

    /// What has been shown, and checked.
    pub fn shown(&self, text: &str) {
        for (number, line) in lines(text).iter().enumerate() {
            println!("  {} {line}", if number == 0 { self.paint("32", "✓") } else { " ".to_owned() });
        }
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Text broken between words. An empty one is an empty line.
fn lines(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

pub fn milliseconds(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}
