//! A table of requests in bytes that somebody means to be misread, judged by the status, by whether the connection
//! ends, and by what the upstream heard of them.

use crate::harness::client::Client;
use crate::harness::site::noted;

/// What follows each request on its connection.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// One line of the table.
#[derive(Debug)]
struct Case {
    status: u16,
    /// What the upstream sees; none if the request has to be refused.
    target: Option<&'static str>,
    /// Whether the connection serves what follows.
    goes_on: bool,
    name: &'static str,
    bytes: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("malformed/requests.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(case).collect()
}

fn case(line: &'static str) -> Case {
    let mut columns = line.splitn(3, " | ");
    let mut column = || columns.next().unwrap_or_else(|| panic!("three columns: {line}"));
    let (wanted, name, bytes) = (column(), column(), column());
    let (status, rest) = wanted.split_at(3);
    let (rest, goes_on) = rest.strip_suffix('+').map_or((rest, false), |rest| (rest, true));
    let target = rest.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    Case { status: status.parse().expect("a status"), target, goes_on, name, bytes: repeated(&unescaped(bytes)) }
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend(before.bytes());
        let (kind, after) = after.split_at(1);
        let (byte, after) = match kind {
            "r" => (b'\r', after),
            "n" => (b'\n', after),
            "t" => (b'\t', after),
            "0" => (0, after),
            "x" => (u8::from_str_radix(&after[..2], 16).expect("two digits"), &after[2..]),
            other => (other.as_bytes()[0], after),
        };
        out.push(byte);
        rest = after;
    }
    out.extend(rest.bytes());
    out
}

/// `{X*N}` is X, N times.
fn repeated(bytes: &[u8]) -> Vec<u8> {
    let Some(start) = bytes.iter().position(|byte| *byte == b'{') else { return bytes.to_vec() };
    let end = start + bytes[start..].iter().position(|byte| *byte == b'}').expect("a brace");
    let star = end - bytes[start..end].iter().rev().position(|byte| *byte == b'*').expect("a star");
    let times = str::from_utf8(&bytes[star..end]).unwrap().parse().expect("a number");
    [&bytes[..start], &bytes[start + 1..star - 1].repeat(times), &repeated(&bytes[end + 1..])].concat()
}

/// The statuses of all answers up to the connection's end, or to that of `/smuggled`.
async fn statuses(client: &mut Client, case: &Case) -> Vec<u16> {
    if case.goes_on {
        return vec![client.answer("GET").await.status, client.answer("GET").await.status];
    }
    let rest = String::from_utf8_lossy(&client.rest().await).into_owned();
    rest.split("HTTP/1.").skip(1).filter_map(|head| head.get(2..5)?.parse().ok()).collect()
}

#[tokio::test]
async fn each_request_of_the_table_meets_its_fate() {
    let (site, seen) = noted().await;
    let cases = cases();
    assert!(cases.len() > 200);
    let mut wrong = Vec::new();
    for case in cases {
        let mut client = site.client().await;
        client.send([&*case.bytes, SMUGGLED.as_bytes()].concat()).await;
        let statuses = statuses(&mut client, &case).await;
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        let follows = |what| case.goes_on.then_some(what);
        let wanted: Vec<u16> = [case.status].into_iter().chain(follows(200)).collect();
        let reached: Vec<&str> = case.target.into_iter().chain(case.goes_on.then_some("/smuggled")).collect();
        if statuses != wanted || seen != reached {
            wrong.push(format!("{}: answered {statuses:?}, upstream saw {seen:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let endpoints = site.admin("GET", "/api/v1/clusters").await.text();
    assert!(!endpoints.contains("\"healthy\":false"), "clients' faults are no endpoint's: {endpoints}");
}
