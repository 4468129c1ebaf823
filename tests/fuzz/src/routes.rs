//! Which route takes a request: the search and the explanation have to agree.

use std::path::Path;

use http::{HeaderMap, Method};
use sluice::config;
use sluice::route::{Outcome, RouteRequest, Table, Verdict, explain, normalize};

/// The first line is a request (`METHOD HOST PATH`), each other one a route (`HOST PATH METHODS`, `-` for none).
pub fn routes(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let Some([method, host, path]) = lines.next().and_then(words) else { return };
    let (Ok(method), Ok(path)) = (method.parse::<Method>(), normalize(path)) else { return };
    let mut written = "[[listener]]\nname = \"l\"\naddress = \"127.0.0.1:0\"\n".to_owned();
    for (number, [host, path, methods]) in lines.take(16).filter_map(words).enumerate() {
        let mut parts = vec![format!("path = {path:?}")];
        if host != "-" {
            parts.push(format!("host = {host:?}"));
        }
        if methods != "-" {
            parts.push(format!("methods = {:?}", methods.split(',').collect::<Vec<_>>()));
        }
        written
            .push_str(&format!("[[route]]\nname = \"{number}\"\nmatch = {{ {} }}\nrespond = {{}}\n", parts.join(", ")));
    }
    let Ok(config) = config::parse(&written, Path::new("/nowhere/sluice.toml")) else { return };
    let request = RouteRequest { host, path: &path, method: &method, headers: &HeaderMap::new(), query: None };
    let outcome = Table::build(&config.routes).find(0, &request);
    let verdicts = explain(&config.routes, 0, &request);
    let serving: Vec<usize> = (0..verdicts.len()).filter(|index| verdicts[*index] == Verdict::Serves).collect();
    match outcome {
        Outcome::Found { route, captures } => {
            assert_eq!(serving, [route], "{verdicts:?}");
            let pattern = &config.routes[route].matcher.path;
            assert!(captures.len() <= pattern.segments.len());
            for verdict in verdicts {
                assert!(!matches!(verdict, Verdict::LessSpecific(other) if other != route), "{verdict:?}");
            }
        }
        _ => assert!(serving.is_empty(), "{verdicts:?}"),
    }
}

fn words(line: &str) -> Option<[&str; 3]> {
    let words: Vec<&str> = line.split(' ').collect();
    words.try_into().ok()
}
