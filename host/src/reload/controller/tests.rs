//! Changes that come while another is being taken up.

use std::path::Path;
use std::sync::Mutex;

use super::*;
use crate::config::Problem;
use crate::config::model::Config;
use crate::dns::tests::{Record, Server};
use crate::snapshot::status::Status;

/// What a reload waits for before it is published.
struct Slow {
    begun: mpsc::UnboundedSender<()>,
    go: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Prepare for Slow {
    fn prepare(&self, _: &Config) -> Result<(), Vec<Problem>> {
        self.begun.send(()).unwrap();
        self.go.lock().unwrap().recv().unwrap();
        Ok(())
    }
}

fn write(path: &Path, server: &Server, route: &str) {
    let discovery = format!("dns = \"a.x:80\", servers = [\"{}\"], min_ttl = \"100ms\"", server.address);
    let text = format!(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:8080\"\n[[cluster]]\nname = \"shop\"\n\
         discovery = {{ {discovery} }}\n[[route]]\nname = \"{route}\"\ncluster = \"shop\"\n"
    );
    // As careful people do it.
    std::fs::write(path.with_extension("new"), text).unwrap();
    std::fs::rename(path.with_extension("new"), path).unwrap();
}

fn endpoints(snapshot: &Snapshot) -> Vec<String> {
    snapshot.clusters()[0].members().iter().map(|member| member.endpoint.text().to_owned()).collect()
}

async fn test() {
    let server = Server::start().await;
    server.set(&[Record::address("a.x", 0, "192.0.2.1"), Record::address("a.x", 0, "192.0.2.2")]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sluice.toml");
    write(&path, &server, "before");
    let metrics = Metrics::new();
    let (mut builder, first) = Builder::start(&path, metrics.clone(), |_| Ok(())).unwrap();
    let mut discovery = Discovery::new(metrics.clone());
    discovery.follow(first.snapshot.unwrap().config());
    discovery.first_answers().await;
    let serving = builder.discover(discovery.found()).unwrap();
    assert_eq!(endpoints(&serving), ["192.0.2.1:80", "192.0.2.2:80"]);

    let (begun, mut begins) = mpsc::unbounded_channel();
    let (go, gone) = std::sync::mpsc::channel();
    let (publish, mut published) = mpsc::unbounded_channel();
    let (ask, requests) = mpsc::unbounded_channel();
    let controller = Controller {
        builder: Some(builder),
        prepare: Arc::new(Slow { begun, go: Mutex::new(gone) }),
        discovery,
        publish: move |snapshot| {
            publish.send(snapshot).unwrap();
            std::future::ready(())
        },
        requests,
        status: watch::Sender::new(Arc::new(Status::default())),
        metrics,
    };
    let running = tokio::task::spawn_local(controller.run(first.watched));
    write(&path, &server, "after");
    let (reply, outcome) = oneshot::channel();
    ask.send(reply).unwrap();
    begins.recv().await.unwrap();
    server.set(&[Record::address("a.x", 0, "192.0.2.2"), Record::address("a.x", 0, "192.0.2.3")]);
    let mut meanwhile: Arc<Snapshot> = published.recv().await.unwrap();
    while endpoints(&meanwhile) != ["192.0.2.2:80", "192.0.2.3:80"] {
        meanwhile = published.recv().await.unwrap();
    }
    assert_eq!(&*meanwhile.config().routes[0].name, "before", "it is still being built");
    let stays = |snapshot: &Snapshot, index: usize| Arc::clone(&snapshot.clusters()[0].members()[index].endpoint);
    assert!(Arc::ptr_eq(&stays(&serving, 1), &stays(&meanwhile, 0)));

    go.send(()).unwrap();
    let last = published.recv().await.unwrap();
    assert_eq!((&*last.config().routes[0].name, endpoints(&last)), ("after", endpoints(&meanwhile)));
    assert!(Arc::ptr_eq(&stays(&meanwhile, 0), &stays(&last, 0)));
    // Whichever noticed the change first, it has been taken up.
    drop(outcome.await);
    drop(ask);
    running.await.unwrap();
}

#[test]
fn endpoints_go_and_come_while_a_reload_takes_its_time() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(std::time::Duration::from_secs(30), test()).await.expect("the test hangs");
    });
}
