//! Whole gateways over real sockets, without plugins.

use std::path::Path;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::telemetry::metrics::Format;

/// Long enough for a busy machine; nothing waits so long unless it is broken.
pub(super) const BROKEN: Duration = Duration::from_secs(30);

const ANSWERS: &str = r#"
[admin]
address = "127.0.0.1:0"
[server]
threads = 2
drain = "20s"
[[listener]]
name = "public"
address = "127.0.0.1:0"
[[route]]
name = "hello"
match = { path = "/hello" }
respond = { status = 200, body = "first" }
"#;

pub(super) fn write(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("sluice.toml");
    // As careful people do it.
    std::fs::write(directory.join(".new"), text).unwrap();
    std::fs::rename(directory.join(".new"), &path).unwrap();
    path
}

pub(super) async fn start(text: &str) -> (TempDir, Gateway) {
    let directory = tempfile::tempdir().unwrap();
    let path = write(directory.path(), text);
    let gateway = tokio::time::timeout(BROKEN, Gateway::start(Options::new(path))).await.unwrap().unwrap();
    (directory, gateway)
}

/// The whole answer to a request, as text.
async fn ask(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(BROKEN, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

/// Change something and have it taken up, which comes to `expected`. Counted rather than asked, since the watcher may
/// be first.
pub(super) async fn take_up(gateway: &Gateway, expected: Reload, change: impl FnOnce()) {
    let name = match expected {
        Reload::Published => "published",
        Reload::Refused => "refused",
        Reload::Unchanged => "unchanged",
    };
    let count = || -> u64 {
        let metrics = gateway.metrics().encode(Format::accepted(""), &[], &[]);
        let series = format!("sluice_reloads_total{{outcome=\"{name}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
    };
    let before = count();
    change();
    gateway.reload().await;
    assert_eq!(count(), before + 1, "{name}");
}

pub(super) async fn get(gateway: &Gateway, path: &str) -> String {
    ask(gateway.address("public").unwrap(), &format!("GET {path} HTTP/1.1")).await
}

pub(super) async fn admin(gateway: &Gateway, head: &str) -> String {
    ask(gateway.admin_address().unwrap(), head).await
}

/// Waits for the status that `wanted` accepts.
async fn status(gateway: &Gateway, wanted: impl Fn(&Status) -> bool) {
    let mut status = gateway.status();
    let found = status.wait_for(|status| wanted(status));
    drop(tokio::time::timeout(BROKEN, found).await.expect("the status never came").unwrap());
}

#[tokio::test]
async fn it_serves_and_stops() {
    let (_directory, gateway) = start(ANSWERS).await;
    let answer = get(&gateway, "/hello").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("first"), "{answer}");
    assert!(get(&gateway, "/nothing").await.starts_with("HTTP/1.1 404 "));
    let metrics = gateway.metrics().clone();
    let (address, admin) = (gateway.address("public").unwrap(), gateway.admin_address().unwrap());
    gateway.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err());
    assert!(TcpStream::connect(admin).await.is_err());
    assert_eq!(metrics.live_snapshots(), 0);
}

#[tokio::test]
async fn two_gateways_in_one_process_know_nothing_of_each_other() {
    let (_one, first) = start(ANSWERS).await;
    let (_two, second) = start(&ANSWERS.replace("first", "second")).await;
    assert!(get(&first, "/hello").await.ends_with("first"));
    assert!(get(&second, "/hello").await.ends_with("second"));
    first.shutdown().await;
    assert!(get(&second, "/hello").await.ends_with("second"));
}

#[tokio::test]
async fn a_changed_configuration_serves_and_a_broken_one_does_not() {
    let (directory, gateway) = start(ANSWERS).await;
    take_up(&gateway, Reload::Published, || drop(write(directory.path(), &ANSWERS.replace("first", "second")))).await;
    assert!(get(&gateway, "/hello").await.ends_with("second"));
    assert_eq!(gateway.reload().await, Reload::Unchanged);
    assert!(
        !admin(&gateway, "GET /metrics HTTP/1.1").await.contains("sluice_reloads_total{outcome=\"unchanged\"} 0\n")
    );

    // Nobody asks: it is noticed.
    write(directory.path(), "[[route]]\nnam = 5\n");
    status(&gateway, |status| !status.configuration.problems.is_empty()).await;
    assert!(get(&gateway, "/hello").await.ends_with("second"));
    assert!(admin(&gateway, "GET /api/v1/status HTTP/1.1").await.contains("unknown key"));

    write(directory.path(), &ANSWERS.replace("first", "third"));
    status(&gateway, |status| status.configuration.problems.is_empty()).await;
    assert!(get(&gateway, "/hello").await.ends_with("third"));
    let metrics = admin(&gateway, "GET /metrics HTTP/1.1").await;
    for expected in [
        "sluice_reloads_total{outcome=\"published\"} 2\n",
        "sluice_reloads_total{outcome=\"refused\"} 1\n",
        "sluice_snapshots_live 1\n",
    ] {
        assert!(metrics.contains(expected), "{expected} isn't in {metrics}");
    }
}

#[tokio::test]
async fn listeners_come_and_go() {
    let (directory, gateway) = start(ANSWERS).await;
    let old = gateway.address("public").unwrap();
    let more = format!("{ANSWERS}listeners = [\"other\"]\n[[listener]]\nname = \"other\"\naddress = \"127.0.0.1:0\"\n");
    take_up(&gateway, Reload::Published, || drop(write(directory.path(), &more))).await;
    let other = gateway.address("other").unwrap();
    assert_eq!(gateway.address("public"), Some(old), "what stays isn't bound again");
    assert!(ask(other, "GET /hello HTTP/1.1").await.ends_with("first"));
    assert!(get(&gateway, "/hello").await.starts_with("HTTP/1.1 404 "));

    take_up(&gateway, Reload::Published, || drop(write(directory.path(), ANSWERS))).await;
    assert!(TcpStream::connect(other).await.is_err(), "nobody listens there any more");
    assert!(get(&gateway, "/hello").await.ends_with("first"));
}

#[tokio::test]
async fn a_plugin_that_never_loaded_lets_nobody_in() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("plugins")).unwrap();
    std::fs::write(directory.path().join("plugins/keys.wasm"), "no component").unwrap();
    // What it would do isn't known, so `open` can't be refused here as it is for authenticators.
    let text = format!(
        "{ANSWERS}plugins = [\"keys\"]\n[[plugin]]\nname = \"keys\"\ncomponent = \"keys.wasm\"\non_error = \"open\"\n"
    );
    let path = write(directory.path(), &text);
    let gateway = tokio::time::timeout(BROKEN, Gateway::start(Options::new(path))).await.unwrap().unwrap();
    let answer = get(&gateway, "/hello").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && !answer.contains("first"), "{answer}");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let in_use = ANSWERS.replace(
        "name = \"public\"\naddress = \"127.0.0.1:0\"",
        &format!("name = \"public\"\naddress = \"{address}\""),
    );
    let directory = tempfile::tempdir().unwrap();
    let path = write(directory.path(), &in_use);
    let error = Gateway::start(Options::new(&path)).await.unwrap_err().to_string();
    let line = in_use.lines().position(|line| line.contains(&address)).unwrap() + 1;
    let said = format!("sluice.toml:{line}: listener \"public\": address: {address} is in use");
    assert!(error.contains(&said), "{error}");

    let (directory, gateway) = start(ANSWERS).await;
    take_up(&gateway, Reload::Refused, || drop(write(directory.path(), &in_use))).await;
    assert!(get(&gateway, "/hello").await.ends_with("first"));
    take_up(&gateway, Reload::Published, || drop(taken)).await;
    assert_eq!(gateway.address("public").unwrap().to_string(), address);
    assert!(get(&gateway, "/hello").await.ends_with("first"));
}

#[tokio::test]
async fn what_only_a_restart_brings_is_said() {
    let (directory, gateway) = start(ANSWERS).await;
    take_up(&gateway, Reload::Published, || {
        drop(write(directory.path(), &ANSWERS.replace("threads = 2", "threads = 3")))
    })
    .await;
    assert_eq!(gateway.status().borrow().configuration.needs_restart, ["server.threads"]);
    take_up(&gateway, Reload::Published, || drop(write(directory.path(), ANSWERS))).await;
    assert_eq!(gateway.status().borrow().configuration.needs_restart, [] as [&str; 0]);
}

#[tokio::test]
async fn the_admin_api_answers_its_own_names_only() {
    let (_directory, gateway) = start(ANSWERS).await;
    assert!(admin(&gateway, "GET /healthz HTTP/1.1").await.ends_with("\r\n\r\nok\n"));
    assert!(admin(&gateway, "GET /readyz HTTP/1.1").await.starts_with("HTTP/1.1 200 "));
    assert!(admin(&gateway, "GET /nothing HTTP/1.1").await.starts_with("HTTP/1.1 404 "));
    let wrong_method = admin(&gateway, "POST /metrics HTTP/1.1").await;
    assert!(
        wrong_method.starts_with("HTTP/1.1 405 ") && wrong_method.contains("allow: GET, HEAD\r\n"),
        "{wrong_method}"
    );
    assert!(admin(&gateway, "GET /api/v1/reload HTTP/1.1").await.contains("allow: POST\r\n"));
    // A second Host makes it ambiguous, whatever it says.
    assert!(admin(&gateway, "GET /metrics HTTP/1.1\r\nHost: evil.example").await.starts_with("HTTP/1.1 421 "));
    for (path, expected) in [("routes", "\"path\": \"/hello\""), ("plugins", "\"plugins\": []"), ("clusters", "[]")] {
        let answer = admin(&gateway, &format!("GET /api/v1/{path} HTTP/1.1")).await;
        assert!(answer.contains(expected), "{answer}");
    }
}

#[tokio::test]
async fn nothing_is_changed_without_a_token() {
    let (directory, gateway) = start(ANSWERS).await;
    for change in ["POST /api/v1/reload", "PUT /api/v1/log", "PUT /api/v1/endpoints"] {
        let answer = admin(&gateway, &format!("{change} HTTP/1.1\r\nAuthorization: Bearer secret")).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("set admin.token"), "{change}: {answer}");
    }
    let with_token = ANSWERS.replacen("[admin]", "[admin]\ntoken = \"secret\"", 1);
    take_up(&gateway, Reload::Published, || drop(write(directory.path(), &with_token))).await;
    let reload = "POST /api/v1/reload HTTP/1.1";
    assert!(admin(&gateway, reload).await.starts_with("HTTP/1.1 401 "));
    let answer = admin(&gateway, &format!("{reload}\r\nAuthorization: Bearer secret")).await;
    assert!(answer.contains("\"outcome\": \"unchanged\""), "{answer}");
}

#[tokio::test]
async fn an_admin_table_that_was_removed_leaves_nothing_open() {
    let (directory, gateway) = start(&ANSWERS.replacen("[admin]", "[admin]\ntoken = \"secret\"", 1)).await;
    let without = ANSWERS.replace("[admin]\naddress = \"127.0.0.1:0\"\n", "");
    take_up(&gateway, Reload::Published, || drop(write(directory.path(), &without))).await;
    for request in ["GET /api/v1/status", "GET /metrics", "POST /api/v1/reload"] {
        let answer = admin(&gateway, &format!("{request} HTTP/1.1\r\nAuthorization: Bearer secret")).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{request}: {answer}");
    }
    assert!(admin(&gateway, "GET /healthz HTTP/1.1").await.starts_with("HTTP/1.1 200 "));
}

/// An upstream that answers nothing until it is told to.
async fn slow_upstream() -> (SocketAddr, oneshot::Sender<()>, oneshot::Receiver<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (go, wait) = oneshot::channel();
    let (asked, is_asked) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut byte = [0; 1024];
        assert!(stream.read(&mut byte).await.unwrap() > 0);
        asked.send(()).unwrap();
        wait.await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").await.unwrap();
    });
    (address, go, is_asked)
}

#[tokio::test]
async fn what_is_on_its_way_finishes_before_the_end() {
    let (upstream, go, is_asked) = slow_upstream().await;
    let cluster = format!("cluster = \"slow\"\n[[cluster]]\nname = \"slow\"\nendpoints = [\"{upstream}\"]\n");
    let (_directory, gateway) = start(&ANSWERS.replace("respond = { status = 200, body = \"first\" }", &cluster)).await;
    let (address, admin_address) = (gateway.address("public").unwrap(), gateway.admin_address().unwrap());
    let asking = tokio::spawn(async move { ask(address, "GET /hello HTTP/1.1").await });
    is_asked.await.unwrap();
    let shared = gateway.shared.clone();
    let stopping = tokio::spawn(gateway.shutdown());
    while shared.is_ready() {
        tokio::task::yield_now().await;
    }
    assert!(ask(admin_address, "GET /readyz HTTP/1.1").await.starts_with("HTTP/1.1 503 "));
    go.send(()).unwrap();
    assert!(asking.await.unwrap().ends_with("late"));
    tokio::time::timeout(BROKEN, stopping).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_has_come_before_the_end_is_answered_even_if_nobody_has_looked_at_it() {
    use std::io::{Read as _, Write as _};
    for _ in 0..4 {
        let (_directory, gateway) = start(ANSWERS).await;
        let address = gateway.address("public").unwrap();
        let clients: Vec<_> = (0..50)
            .map(|_| {
                let mut client = std::net::TcpStream::connect(address).unwrap();
                client.write_all(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
                client
            })
            .collect();
        gateway.shutdown().await;
        for mut client in clients {
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("first"), "{answer}");
        }
    }
}

/// Whole lines of the access log so far, as JSON.
fn logged(gateway: &Gateway, path: &Path) -> Vec<serde_json::Value> {
    gateway.flush_logs();
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn every_request_has_a_line_that_its_id_finds_and_no_secrets_in_it() {
    let log = "[access_log]\noutput = { file = \"access.log\" }\n\
               fields = [\"request_id\", \"method\", \"path\", \"query\", \"status\", \"bytes\", \"route\", \"reason\", \
               \"request.authorization\", \"request.x-team\"]\n";
    let (directory, gateway) = start(&format!("{log}{ANSWERS}")).await;
    let head = "GET /hello?a=1&token=hidden HTTP/1.1\r\nAuthorization: Bearer hidden\r\nX-Team: \"red\"";
    let answer = ask(gateway.address("public").unwrap(), head).await;
    let refused = get(&gateway, "/nothing").await;
    let path = directory.path().join("access.log");
    let lines = logged(&gateway, &path);
    let id = |answer: &str| {
        let field = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
        field.to_owned()
    };
    let find = |id: &str| lines.iter().find(|line| line["request_id"] == id).unwrap();
    let line = find(&id(&answer));
    assert_eq!((&line["status"], &line["route"], &line["bytes"]), (&200.into(), &"hello".into(), &5.into()));
    assert_eq!((&line["query"], &line["request.x-team"]), (&"a=1&token=[redacted]".into(), &"\"red\"".into()));
    assert_eq!(line["request.authorization"], "[redacted]");
    let line = find(&id(&refused));
    assert_eq!(
        (&line["status"], &line["path"], &line["reason"]),
        (&404.into(), &"/nothing".into(), &"no route matches".into())
    );
    assert!(line.get("route").is_none());
    assert!(!std::fs::read_to_string(&path).unwrap().contains("hidden"));
    // Known to the admin API too, without the log.
    let listed = admin(&gateway, "GET /api/v1/refusals HTTP/1.1").await;
    let listed: serde_json::Value = serde_json::from_str(listed.split_once("\r\n\r\n").unwrap().1).unwrap();
    let [only] = listed["refusals"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!(
        (&only["path"], &only["status"], &only["reason"], &only["request_id"]),
        (&"/nothing".into(), &404.into(), &"no route matches".into(), &id(&refused).into())
    );
}

#[tokio::test]
async fn a_log_file_that_was_moved_away_is_begun_anew_and_a_new_output_is_taken_up() {
    let log = "[access_log]\noutput = { file = \"access.log\" }\nformat = \"common\"\n";
    let (directory, gateway) = start(&format!("{log}{ANSWERS}")).await;
    let file = |name: &str| directory.path().join(name);
    get(&gateway, "/hello").await;
    gateway.flush_logs();
    std::fs::rename(file("access.log"), file("moved.log")).unwrap();
    gateway.reopen_logs();
    get(&gateway, "/nothing").await;
    gateway.flush_logs();
    let read = |name: &str| std::fs::read_to_string(file(name)).unwrap();
    assert!(read("moved.log").ends_with("\"GET /hello HTTP/1.1\" 200 5\n"), "{}", read("moved.log"));
    assert!(read("access.log").contains("\"GET /nothing HTTP/1.1\" 404 "));

    let other = |name: &str| format!("{}{ANSWERS}", log.replace("access.log", name));
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listener = format!("listeners = [\"other\"]\n[[listener]]\nname = \"other\"\naddress = \"{unused}\"\n");
    take_up(&gateway, Reload::Refused, || drop(write(directory.path(), &(other("no/such.log") + &listener)))).await;
    assert!(TcpStream::connect(unused).await.is_err(), "a port is open for a configuration that was refused");
    take_up(&gateway, Reload::Published, || drop(write(directory.path(), &other("other.log")))).await;
    get(&gateway, "/hello").await;
    gateway.flush_logs();
    assert!(read("other.log").contains("GET /hello"));
}
