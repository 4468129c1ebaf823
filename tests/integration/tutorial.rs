//! The manual's tutorial, done as it stands there: its files written, its commands run, its outputs compared. And what
//! belongs to the manual as a book.
//!
//! Blocks are marked: `toml file=NAME` is a file; `sh` is run and has to end well; `sh server` runs on; `sh until` is run
//! again until its output is what follows as `text`, since a gateway takes changes up when it has seen them; `sh plugin` wants
//! the tools of plugins in JavaScript; `sh install` alone isn't run. In outputs, `…` stands for anything, alone on a line for lines.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use stage::process::Process;

use crate::harness::components::{self, root};
use crate::harness::{BROKEN, soon};

/// A block with its mark.
struct Block<'a> {
    mark: &'a str,
    text: String,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(mark) => {
                inside = true;
                blocks.push(Block { mark, text: String::new() });
            }
            None if inside => {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    blocks
}

/// Where the tutorial is done: what its addresses are in truth, and what runs.
struct Reader {
    folder: tempfile::TempDir,
    /// As they are in the page, and as the system has chosen them.
    addresses: Vec<(&'static str, String)>,
    servers: Vec<Process>,
}

/// Listener, admin API and site of the page.
const PUBLIC: &str = "127.0.0.1:8080";
const ADMIN: &str = "127.0.0.1:9901";
const SITE: &str = "127.0.0.1:9001";

impl Reader {
    fn new() -> Self {
        Self { folder: components::directory(), addresses: Vec::new(), servers: Vec::new() }
    }

    fn translate(&self, text: &str) -> String {
        self.addresses.iter().fold(text.to_owned(), |text, (shown, own)| text.replace(shown, own))
    }

    fn shell(&self, text: &str) -> Command {
        let mut shell = Command::new("sh");
        let target = root().join("target");
        let own = components::program().parent().unwrap().to_owned();
        let tools = [own, target.join("languages/bin"), target.join("languages/node_modules/.bin")];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(tools.into_iter().chain(std::env::split_paths(&path))).unwrap();
        shell.args(["-eu", "-c", text]).current_dir(self.folder.path()).env("PATH", path);
        shell.env("SLUICE_OFFLINE", "1").env("PYTHONUNBUFFERED", "1").env("XDG_CACHE_HOME", self.folder.path());
        shell
    }

    /// Whether a command ends well, and all that it prints, with the addresses of the page.
    fn run(&self, text: &str) -> (bool, String) {
        let output = self.shell(&self.translate(text)).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let shown = self.addresses.iter().fold(text, |text, (shown, own)| text.replace(own.as_str(), shown));
        (output.status.success(), shown.replace('\r', ""))
    }

    /// A listener's port stays 0 in the file: the gateway keeps what it was given.
    fn write(&self, name: &str, text: &str) {
        let text = self
            .addresses
            .iter()
            .filter(|(shown, _)| *shown == SITE)
            .fold(text.to_owned(), |text, (shown, own)| text.replace(shown, own));
        let text = text.replace(PUBLIC, "127.0.0.1:0").replace(ADMIN, "127.0.0.1:0");
        let part = self.folder.path().join("part");
        fs::write(&part, text).unwrap();
        fs::rename(part, self.folder.path().join(name)).unwrap();
    }

    async fn serve(&mut self, text: &str) {
        // `exec`, so that the server is the process that ends with the test.
        let text = format!("exec {}", self.translate(text).replace("http.server 9001", "http.server 0"));
        let process = Process::start("a server of the tutorial", &mut self.shell(&text)).unwrap();
        if text.contains("http.server") {
            let port = |line: &str| line.split(" port ").nth(1)?.split(' ').next()?.parse::<u16>().ok();
            let port = soon(process.line(0, "its port", port)).await.unwrap();
            self.addresses.push((SITE, format!("127.0.0.1:{port}")));
        } else {
            for (words, shown) in [("listener public: http://", PUBLIC), ("admin API: http://", ADMIN)] {
                let find = |line: &str| Some(line.split(words).nth(1)?.trim().to_owned());
                let own = soon(process.line(0, words, find)).await.unwrap();
                self.addresses.push((shown, own));
            }
        }
        self.servers.push(process);
    }
}

/// Whether an output has these lines, in their order.
fn fits(output: &str, wanted: &str) -> bool {
    let mut lines = output.lines().peekable();
    let mut skip = false;
    for line in wanted.lines() {
        if line == "…" {
            skip = true;
            continue;
        }
        let found =
            if skip { lines.any(|own| alike(own, line)) } else { lines.next().is_some_and(|own| alike(own, line)) };
        if !found {
            return false;
        }
        skip = false;
    }
    true
}

/// Whether a line is as it is shown, in which `…` stands for any text.
fn alike(line: &str, shown: &str) -> bool {
    let parts: Vec<&str> = shown.split('…').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return line == shown };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn missing() -> Option<&'static str> {
    ["curl", "python3"].into_iter().find(|program| {
        let found = Command::new(program).arg("--version").output();
        found.map_or(true, |output| !output.status.success())
    })
}

fn skipped(why: &str) {
    // Past the test harness, which shows what passing tests print to nobody.
    writeln!(std::io::stderr(), "SKIPPED the tutorial: {why}").expect("standard error");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorial_does_what_it_says() {
    if let Some(program) = missing() {
        return skipped(&format!("{program} is missing"));
    }
    let page = fs::read_to_string(root().join("docs/tutorial.md")).unwrap();
    let blocks = blocks(&page);
    let has_tools = root().join("target/languages/node_modules/.bin/componentize-qjs").exists();
    if !has_tools {
        skipped("its part with a plugin wants `cargo xtask languages`");
    }
    let mut reader = Reader::new();
    let mut rest = blocks.iter().peekable();
    let (mut ran, mut compared) = (0, 0);
    while let Some(block) = rest.next() {
        let marks: Vec<&str> = block.mark.split(' ').collect();
        if let ["toml", file] = marks.as_slice() {
            if has_tools || !block.text.contains("[[plugin]]") {
                reader.write(file.strip_prefix("file=").expect("a file's name"), &block.text);
            }
            continue;
        }
        assert_eq!(marks[0], "sh", "```{}", block.mark);
        let wanted = rest.next_if(|next| next.mark == "text").map(|next| next.text.as_str()).unwrap_or("…");
        if marks.contains(&"install") {
            assert_eq!(block.text, "cargo install --locked --path host\n", "nobody tries this");
            continue;
        }
        if marks.contains(&"plugin") && !has_tools {
            continue;
        }
        ran += 1;
        if marks.contains(&"server") {
            reader.serve(&block.text).await;
            continue;
        }
        let end = std::time::Instant::now() + BROKEN;
        loop {
            let (well, output) = reader.run(&block.text);
            if well && fits(&output, wanted) {
                break;
            }
            let again = marks.contains(&"until") && std::time::Instant::now() < end;
            assert!(again, "{}\nprinted\n{output}\nand not\n{wanted}", block.text);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        compared += usize::from(wanted != "…");
    }
    assert!(ran >= 8 && compared >= 5, "{ran} were run, {compared} compared: the search is broken");
}

/// The pages that a page leads to.
fn links(path: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(path).unwrap();
    let all = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()).map(str::to_owned);
    all.filter(|link| !link.is_empty() && !link.contains("://"))
        .map(|link| path.parent().unwrap().join(link).canonicalize().unwrap_or_default())
        .collect()
}

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|own| own == "md") {
            found.push(path.canonicalize().unwrap());
        }
    }
}

#[test]
fn the_book_has_all_pages_and_leads_nowhere_else() {
    let folder = root().join("docs").canonicalize().unwrap();
    let summary = folder.join("SUMMARY.md");
    let listed = links(&summary);
    let mut all = Vec::new();
    pages(&folder, &mut all);
    let mut wrong = Vec::new();
    for page in all {
        let name = page.strip_prefix(&folder).unwrap().display().to_string();
        if page != summary && !listed.contains(&page) {
            wrong.push(format!("SUMMARY.md lacks {name}"));
        }
        let outside = links(&page).into_iter().filter(|link| !link.starts_with(&folder));
        wrong.extend(outside.map(|link| format!("{name} leads out of the book, to {}", link.display())));
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn outputs_are_compared() {
    assert!(fits("a\nb\nc\n", "a\n…\nc\n") && fits("a\nb\n", "a\n") && fits("one two three\n", "one…three\n"));
    assert!(fits("x: 1, a\n", "…1…\n") && fits("abc\n", "a…\n"));
    assert!(!fits("a\nb\n", "b\n") && !fits("a\n", "a\n…\nc\n") && !fits("abcd\n", "a…c\n") && !fits("ab\n", "a\n"));
}
