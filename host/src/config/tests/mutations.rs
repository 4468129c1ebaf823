//! Broken texts of all kinds: none may crash the reader, and none may get a secret out of it.

use super::*;

const SECRET: &str = "S3CR3T-V4LU3";

/// As whole as it gets.
const TEXT: &str = r#"include = ["*.conf"]
[admin]
address = "127.0.0.1:9901"
hosts = ["gateway.example.com"]
token = "S3CR3T-V4LU3"
[server]
threads = 2
drain = "30s"
trusted_proxies = ["10.0.0.0/8"]
name = "edge-1"
[identity]
subject = "x-user"
[plugins]
directory = "plugins"
[[listener]]
name = "public"
address = "127.0.0.1:8080"
protocol = "http"
[[plugin]]
name = "keys"
component = "api-key.wasm"
config = { header = "x-key", list = [1, 2.5, true, 2020-01-01], keys = { a = "S3CR3T-V4LU3" } }
grants = ["clock", { http-client = ["users"] }]
limits = { memory = "16MiB", time = "10ms" }
isolation = "request"
on_error = "closed"
[[route]]
name = "users"
listeners = ["public"]
match = { host = "*.example.com", path = "/users/{id}/*", methods = ["GET"], headers = { x-a = true }, query = { q = "1" } }
plugins = ["keys"]
clusters = [{ name = "users", weight = 1 }]
[[route]]
name = "old"
match = { path = "/old/{id}" }
redirect = { status = 301, path = "/users/{id}" }
[[route]]
name = "ok"
match = { path = "/ok" }
respond = { status = 200, body = "ok", headers = { content-type = "text/plain" } }
[[cluster]]
name = "users"
balance = { plugin = "keys" }
endpoints = ["127.0.0.1:9001", { address = "127.0.0.1:9002", weight = 2 }]
health_check = { path = "/healthz", interval = "2s", timeout = "1s" }
timeouts = { connect = "1s" }
host = "users.internal"
"#;

/// Xorshift (Marsaglia): small, and the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap()
    }
}

/// Something that the grammar or a reader of values may stumble over.
const PIECES: [&str; 30] = [
    "\"",
    "'",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "\n",
    "#",
    "\\",
    "\"\"\"",
    "true",
    "0",
    "-1",
    "9e99",
    "nan",
    "1979-05-27",
    "\u{0}",
    "é",
    "*",
    "/",
    "%2e",
    ":",
    "{ env = \"X\" }",
    "\\u0000",
    "\r",
];

/// Changes `text` in one place that isn't within the secret.
fn mutate(text: &mut String, random: &mut Random) {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let at = places[random.below(places.len())];
    let end = text[at..].char_indices().nth(random.below(6)).map_or(text.len(), |(offset, _)| at + offset);
    let overlaps = text.match_indices(SECRET).any(|(from, _)| at < from + SECRET.len() && from < end.max(at + 1));
    if overlaps {
        return;
    }
    match random.below(4) {
        0 => text.replace_range(at..end, ""),
        1 => text.insert_str(at, PIECES[random.below(PIECES.len())]),
        2 => text.replace_range(at..end, PIECES[random.below(PIECES.len())]),
        _ => {
            let mut lines: Vec<&str> = text.lines().collect();
            let (a, b) = (random.below(lines.len()), random.below(lines.len()));
            // A secret that gets under another key is no secret any more.
            if ![a, b].iter().any(|line| lines[*line].contains(SECRET)) {
                lines.swap(a, b);
                *text = lines.join("\n");
            }
        }
    }
}

#[test]
fn the_text_itself_is_accepted() {
    assert!(read(TEXT).is_ok(), "{:#?}", read(TEXT));
}

#[test]
fn broken_texts_get_problems_with_places_and_no_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sluice.toml");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut refused = 0;
    for round in 0..4000 {
        let mut text = TEXT.to_owned();
        for _ in 0..=random.below(4) {
            mutate(&mut text, &mut random);
        }
        let Err(problems) = Loading::new(&path, &|_| None).run(Some(&text)).outcome else { continue };
        refused += 1;
        assert!(!problems.is_empty(), "round {round}: refused without a reason:\n{text}");
        let lines = text.split('\n').count();
        for problem in problems {
            assert!(problem.line <= lines && !problem.message.is_empty() && problem.file == path, "{problem}\n{text}");
            assert!(!problem.to_string().contains(SECRET), "round {round}: {problem}\n{text}");
        }
    }
    assert!(refused > 2000, "{refused}");
}

#[test]
fn noise_is_refused() {
    let mut random = Random(42);
    for _ in 0..2000 {
        let length = random.below(200);
        let text: String = (0..length).map(|_| PIECES[random.below(PIECES.len())]).collect();
        // No noise names a listener.
        assert!(read(&text).is_err());
    }
}
