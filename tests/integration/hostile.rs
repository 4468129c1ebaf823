//! Plugins that do harm: what the client sees, and that neighbours see nothing.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::harness::client::{Answer, Client};
use crate::harness::components::guest;
use crate::harness::site::{Files, Site, cluster, route};
use crate::harness::upstream::Upstream;

/// Hooks of the guest `hostile` whose failure is an answer.
const HOOKS: [&str; 6] =
    ["authorize", "rate-limit", "on-request", "on-request-body", "on-response", "on-response-body"];

/// Hooks that may answer by themselves.
const ANSWERING: [&str; 7] =
    ["authenticate", "authorize", "on-request", "on-request-body", "on-response", "on-response-body", "aggregate"];

const PLUGINS: &str = r#"
[identity]
subject = "x-user"
[[plugin]]
name = "hostile"
component = "hostile.wasm"
grants = ["kv", { http-client = ["service", "silent", "self"] }]
limits = { memory = "4MiB", time = "TIME", deadline = "DEADLINE", kv = "1MiB", instances = 8 }
[[plugin]]
name = "end"
component = "hostile-end.wasm"
grants = ["kv", { http-client = ["service", "silent", "self"] }]
limits = { memory = "4MiB", time = "TIME", deadline = "DEADLINE", instances = 8 }
[[plugin]]
name = "stamp"
component = "stamp.wasm"
limits = { time = "1s" }
[[route]]
name = "end"
match = { path = "/end/*" }
plugins = ["end"]
"#;

/// A gateway with hostile guests, and traffic on a route beside theirs that goes on until the end.
pub struct Town {
    pub site: Site,
    service: Upstream,
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    neighbours: Vec<JoinHandle<()>>,
    /// Leads back to the gateway.
    _mirror: Upstream,
}

impl Town {
    /// With guests that may compute for `time` in a call, and wait until `deadline`.
    pub async fn new(time: &str, deadline: &str) -> Self {
        let service = Upstream::mirror().await;
        let silent = Upstream::raw(|_, stream| async move {
            let _open = stream;
            std::future::pending::<()>().await;
        })
        .await;
        // The gateway itself, whose address isn't known yet.
        let own = Arc::new(OnceLock::<SocketAddr>::new());
        let known = own.clone();
        let mirror = Upstream::raw(move |_, mut stream| {
            let own = known.clone();
            async move {
                let address = *own.get().expect("the gateway is up");
                let mut gateway = tokio::net::TcpStream::connect(address).await.expect("the gateway listens");
                // Either side may end it.
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut gateway).await;
            }
        })
        .await;
        let files = Files::new();
        for name in ["hostile", "hostile-end", "stamp"] {
            files.put_component(&format!("{name}.wasm"), &std::fs::read(guest(name)).unwrap());
        }
        let text = [
            &PLUGINS.replace("TIME", time).replace("DEADLINE", deadline),
            &route("service", "/bad/*", &["hostile"]),
            &route("quiet", "/good/*", &["stamp"]),
            &cluster("service", &[service.address]),
            "balance = { plugin = \"hostile\" }\n",
            &cluster("quiet", &[service.address]),
            &cluster("silent", &[silent.address]),
            &cluster("self", &[mirror.address]),
        ];
        let site = files.start(&text.concat()).await;
        own.set(site.address()).expect("there is one gateway");
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        // More connections than threads: the harm is done beside them on each.
        let neighbours =
            (0..4).map(|_| tokio::spawn(neighbour(site.address(), stop.clone(), served.clone()))).collect();
        Self { site, service, stop, served, neighbours, _mirror: mirror }
    }

    pub async fn commit(&self, at: &str, misdeed: &Value) -> Answer {
        self.ask("POST", at, misdeed).await
    }

    async fn ask(&self, method: &str, at: &str, misdeed: &Value) -> Answer {
        let target = if ["authenticate", "aggregate"].contains(&at) { "/end/" } else { "/bad/" };
        let misdeed = misdeed.to_string();
        self.site.ask(method, target, &[("x-at", at), ("x-misdeed", &misdeed)], b"{}").await
    }

    /// The route of the hostile guests serves whoever asks for nothing bad, and its neighbour never stopped.
    pub async fn assert_well(self) {
        let answer = self.site.get("/bad/").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(self.site.get("/end/").await.text(), "aggregated");
        self.stop.store(true, Ordering::SeqCst);
        for neighbour in self.neighbours {
            neighbour.await.expect("the neighbours noticed nothing");
        }
        assert!(self.served.load(Ordering::SeqCst) > 20, "the neighbours were hardly served");
    }
}

/// Asks and asks, and wants nothing but good answers.
pub async fn neighbour(address: SocketAddr, stop: Arc<AtomicBool>, served: Arc<AtomicUsize>) {
    let mut client = Client::connect(address).await;
    while !stop.load(Ordering::SeqCst) {
        let answer = client.ask("GET", "/good/day", &[], b"").await;
        assert_eq!((answer.status, answer.field("x-stamp")), (200, Some("version-0000")), "{answer:?}");
        served.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn what_ends_a_call_costs_its_own_exchange_one_clear_error() {
    let town = Town::new("20ms", "300ms").await;
    for at in HOOKS.into_iter().chain(["authenticate", "aggregate"]) {
        for misdeed in ["loop", "recurse", "hoard", "trap", "panic", "fail", "garble"] {
            let answer = town.commit(at, &json!(misdeed)).await;
            assert_eq!(answer.status, 503, "{misdeed} at {at}: {answer:?}");
            answer.assert_problem(503);
        }
    }
    let metrics = town.site.admin("GET", "/metrics").await.text();
    for kind in ["time", "trap", "memory", "failed"] {
        let counted = |line: &&str| line.contains("plugin=\"hostile\"") && line.contains(&format!("\"{kind}\""));
        assert!(metrics.lines().any(|line| counted(&line)), "no errors of kind {kind} are counted:\n{metrics}");
    }
    town.assert_well().await;
}

#[tokio::test]
async fn a_pick_that_fails_leaves_the_choice_to_the_gateway() {
    let town = Town::new("20ms", "300ms").await;
    for misdeed in ["loop", "recurse", "hoard", "trap", "panic", "fail", "wait"] {
        let answer = town.commit("balance", &json!(misdeed)).await;
        assert_eq!(answer.status, 200, "{misdeed}: {answer:?}");
    }
    town.assert_well().await;
}

#[tokio::test]
async fn waiting_ends_at_the_deadline() {
    let town = Town::new("200ms", "300ms").await;
    for at in HOOKS {
        town.commit(at, &json!("wait")).await.assert_problem(503);
    }
    // More who wait than there are instances: those who find none are told so, and all end.
    let address = town.site.address();
    let waiting = (0..24).map(|_| {
        tokio::spawn(async move {
            let fields = [("x-at", "on-request"), ("x-misdeed", "\"wait\"")];
            Client::connect(address).await.ask("POST", "/bad/", &fields, b"{}").await
        })
    });
    for answer in waiting.collect::<Vec<_>>() {
        answer.await.unwrap().assert_problem(503);
    }
    town.assert_well().await;
}

#[tokio::test]
async fn messages_stay_well_formed() {
    let town = Town::new("2s", "5s").await;
    let forbidden = [
        "connection",
        "keep-alive",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "content-length",
        "x-user",
        "proxy-connection",
        "host",
    ];
    for name in forbidden {
        for at in ["on-request", "on-response"] {
            let answer = town.commit(at, &json!({ "set": { "name": name, "value": "1" } })).await;
            assert_eq!(
                (answer.status, answer.field("x-outcome")),
                (200, Some("forbidden")),
                "{name} at {at}: {answer:?}"
            );
            assert_ne!(answer.json()["fields"]["x-user"], "1", "{answer:?}");
        }
    }
    let invalid = [
        (":path", "/x"),
        (":status", "200"),
        ("", "x"),
        ("a b", "x"),
        ("a:b", "x"),
        ("a\r\nb", "x"),
        ("x-é", "x"),
        ("x-a", "x\r\nevil: yes"),
        ("x-a", "x\nevil: yes"),
        ("x-a", "x\0"),
        ("x-a", "x\u{1b}[2J"),
    ];
    for (name, value) in invalid {
        for at in ["on-request", "on-response"] {
            let answer = town.commit(at, &json!({ "set": { "name": name, "value": value } })).await;
            let wanted = (200, Some("invalid"));
            assert_eq!((answer.status, answer.field("x-outcome")), wanted, "{name:?}: {value:?} at {at}: {answer:?}");
            assert!(answer.json()["fields"].get("evil").is_none() && answer.field("evil").is_none(), "{answer:?}");
        }
        let respond = json!({ "respond": { "status": 200, "name": name, "value": value, "body": "x" } });
        for at in ANSWERING.iter().filter(|_| !name.is_empty()) {
            town.commit(at, &respond).await.assert_problem(503);
        }
    }
    for status in [0, 99, 101, 103, 199, 600, 1000, 65535] {
        let answer = town.commit("on-response", &json!({ "status": status })).await;
        assert_eq!((answer.status, answer.field("x-outcome")), (200, Some("invalid")), "{status}: {answer:?}");
        let respond = json!({ "respond": { "status": status, "name": "", "value": "", "body": "x" } });
        town.commit("on-request", &respond).await.assert_problem(503);
    }
    for path in ["", "x", "/../..", "/a%2fb", "/a b", "/\r\n", "/a?b", "//evil/x", "http://evil/"] {
        let answer = town.commit("on-request", &json!({ "path": path })).await;
        let target = answer.json()["target"].clone();
        let target = target.as_str().unwrap();
        let plain = target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?');
        assert!(answer.status == 200 && plain, "{path:?}: {answer:?}");
        for smuggled in ["..", "//", "%2f", "%2e"] {
            assert!(!target.contains(smuggled), "{path:?} went upstream as {target:?}");
        }
        let refused = answer.field("x-outcome") == Some("invalid");
        assert_eq!(refused, target == "/bad/", "a path is refused and stays, or is taken: {path:?}, {target:?}");
    }
    for method in ["", "GET /", "CONNECT", "G\r\nT"] {
        let answer = town.commit("on-request", &json!({ "method": method })).await;
        let wanted = (200, Some("invalid"), json!("POST"));
        assert_eq!((answer.status, answer.field("x-outcome"), answer.json()["method"].clone()), wanted, "{method:?}");
    }
    town.assert_well().await;
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let town = Town::new("2s", "5s").await;
    let mut client = town.site.client().await;
    for (method, status) in [("POST", 204), ("POST", 304), ("HEAD", 200), ("POST", 205)] {
        let misdeed = json!({ "respond": { "status": status, "name": "x-mine", "value": "yes", "body": "smuggled" } });
        let fields = [("x-at", "on-request"), ("x-misdeed", &misdeed.to_string())];
        client.send(crate::harness::client::request(method, "/bad/", &fields, b"")).await;
        let answer = client.answer(method).await;
        assert_eq!((answer.status, answer.field("x-mine"), answer.body.len()), (status, Some("yes"), 0), "{answer:?}");
        // The connection is still in step.
        assert_eq!(client.ask("GET", "/good/day", &[], b"").await.status, 200);
    }
    town.assert_well().await;
}

#[tokio::test]
async fn floods_meet_their_limits() {
    let town = Town::new("2s", "5s").await;
    for at in ["on-request", "on-response"] {
        assert_eq!(town.commit(at, &json!({ "flood-log": 100 })).await.field("x-outcome"), Some("wrote 100"));
        // 16 calls are allowed in an exchange; a batch beyond that isn't sent at all, or not beyond that.
        let before = town.service.connections();
        let answer = town.commit(at, &json!({ "fan-out": 500 })).await;
        let good: usize = answer.field("x-outcome").and_then(|text| text.split(' ').next()?.parse().ok()).unwrap();
        assert!(good <= 16, "{answer:?}");
        assert!(town.service.connections() <= before + 17, "{} connections", town.service.connections());
        // 1 MiB holds less than 32 values of 32 KiB.
        let answer = town.commit(at, &json!({ "flood-kv": 40 })).await;
        let kept = answer.field("x-outcome").and_then(|text| text.rsplit(' ').next()?.parse::<usize>().ok()).unwrap();
        assert!((1..32).contains(&kept), "{answer:?}");
    }
    for size in [0, 1 << 20, 3 << 20, 64 << 20] {
        let answer = town.commit("on-request", &json!({ "respond-big": size })).await;
        match answer.status {
            200 => assert_eq!(answer.body.len(), size),
            _ => answer.assert_problem(503),
        }
    }
    town.assert_well().await;
}

#[tokio::test]
async fn memory_that_is_never_given_back_costs_no_exchange() {
    let town = Town::new("2s", "5s").await;
    for n in 0..200 {
        let answer = town.commit("on-request", &json!("creep")).await;
        assert_eq!((answer.status, answer.field("x-outcome")), (200, Some("crept")), "after {n}: {answer:?}");
    }
    town.assert_well().await;
}

#[tokio::test]
async fn a_version_that_never_gets_ready_is_refused_and_the_last_one_serves_on() {
    let upstream = Upstream::mirror().await;
    let files = Files::new();
    files.put_component("hostile.wasm", &std::fs::read(guest("hostile")).unwrap());
    let text = |config: &str| {
        let plugin = "[[plugin]]\nname = \"hostile\"\ncomponent = \"hostile.wasm\"\n\
                      grants = [\"kv\", { http-client = [\"up\"] }]\nlimits = { configure = \"50ms\" }\n";
        [plugin, config, &route("up", "/*", &["hostile"]), &cluster("up", &[upstream.address])].concat()
    };
    let site = files.start(&text("")).await;
    for misdeed in ["loop", "recurse", "hoard", "trap", "panic", "fail", "garble"] {
        site.files.configure(&text(&format!("config = {{ at_configure = \"{misdeed}\" }}\n")));
        site.gateway.reload().await;
        assert_eq!(site.get("/").await.status, 200, "{misdeed}");
        let status = site.gateway.status().borrow().clone();
        let told = format!("{status:?}");
        assert!(told.contains("hostile"), "{misdeed}: nobody is told: {told}");
    }
    site.files.configure(&text(""));
    site.gateway.reload().await;
    assert_eq!(site.get("/").await.status, 200);
}
