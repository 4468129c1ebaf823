//! One data thread: it accepts, serves, and takes up what is published to it. It shares nothing with
//! the other threads but counters.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, LocalSet};

use super::sockets::{Key, Share};
use super::view::Views;
use crate::config::model::{Config, Listener, Protocol};
use crate::proxy::Proxy;
use crate::server::{Connections, Entrance, Server, Settings, accept, serve_stream};
use crate::snapshot::thread::ThreadSnapshot;
use crate::snapshot::{Certificates, Snapshot};
use crate::tcp::Forwarder;
use crate::telemetry::access::Writer;
use crate::telemetry::metrics::Metrics;

/// What a data thread is told.
pub enum Command {
    /// Serve by this snapshot from now on, and on these sockets too.
    Publish {
        version: u64,
        snapshot: Arc<Snapshot>,
        sockets: Share,
        access: Option<Arc<Writer>>,
        done: oneshot::Sender<()>,
    },
    /// Accept no more; let the exchanges on their way finish for so long at most, then end.
    Drain(Duration),
}

/// What a data thread is made with.
pub struct Seed {
    /// From 0.
    pub number: usize,
    pub metrics: Arc<Metrics>,
    pub commands: mpsc::UnboundedReceiver<Command>,
    /// Where snapshots go to be freed.
    pub retired: mpsc::UnboundedSender<Arc<Snapshot>>,
}

impl Seed {
    /// Start the thread. It ends when it has drained, or when nobody can command it any more.
    ///
    /// # Errors
    /// The system gives no thread or no event queue.
    pub fn spawn(self) -> std::io::Result<std::thread::JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name(format!("sluice-data-{}", self.number)).spawn(move || {
            let tasks = LocalSet::new();
            tasks.block_on(&runtime, self.run());
            // What is still on its way is cut off here.
            drop(tasks);
            // Plugins that are dear to start are started on threads that may take their time.
            runtime.shutdown_background();
        })
    }

    async fn run(mut self) {
        let (mut views, client) = Views::new(self.number, self.metrics.clone(), self.retired.clone());
        tokio::task::spawn_local(client);
        let mut serving: Option<Serving> = None;
        while let Some(command) = self.commands.recv().await {
            match command {
                Command::Publish { version, snapshot, sockets, access, done } => {
                    let (config, certificates) = (snapshot.config().clone(), snapshot.certificates().clone());
                    let view = views.build(version, snapshot, access.as_deref());
                    let serving = match &mut serving {
                        Some(serving) => {
                            serving.proxy.publish(view.clone());
                            serving.forwarder.publish(view);
                            serving
                        }
                        none => none.insert(Serving::new(view)),
                    };
                    serving.listen(&config, &certificates, sockets, &self.metrics);
                    // Their sockets are closed when they have ended.
                    for accepting in serving.stopped.drain(..) {
                        let _ = accepting.await;
                    }
                    // Whoever published may have given up waiting.
                    let _ = done.send(());
                }
                Command::Drain(limit) => {
                    if let Some(serving) = serving.take() {
                        serving.drain(limit).await;
                    }
                    return;
                }
            }
        }
    }
}

/// A thread that serves.
struct Serving {
    proxy: Rc<Proxy>,
    forwarder: Rc<Forwarder>,
    server: Rc<Server<Proxy>>,
    listening: HashMap<Key, Listening>,
    /// Connections of listeners that are gone.
    leaving: Vec<Rc<Connections>>,
    /// Tasks that accepted on their sockets.
    stopped: Vec<JoinHandle<()>>,
}

/// One socket that accepts.
struct Listening {
    name: Arc<str>,
    /// For new connections.
    manner: Rc<RefCell<Manner>>,
    connections: Rc<Connections>,
    socket: Rc<tokio::net::TcpListener>,
    accepting: JoinHandle<()>,
}

/// How connections are served.
#[derive(Clone)]
struct Manner {
    entrance: Rc<Entrance>,
    is_stream: bool,
}

impl Manner {
    fn of(listener: &Listener, certificates: &Certificates) -> Self {
        let tls = certificates.get(&listener.name).cloned();
        Self {
            entrance: Rc::new(Entrance { proxy_protocol: listener.proxy_protocol.clone(), tls }),
            is_stream: matches!(listener.protocol, Protocol::Tcp(_)),
        }
    }
}

impl Serving {
    fn new(view: Rc<ThreadSnapshot>) -> Self {
        let (proxy, forwarder) = (Proxy::new(view.clone()), Forwarder::new(view));
        let server = Server::new(proxy.clone(), Settings::default());
        Self { proxy, forwarder, server, listening: HashMap::new(), leaving: Vec::new(), stopped: Vec::new() }
    }

    /// Accept on new sockets, and no more on those whose listener is gone.
    fn listen(&mut self, config: &Config, certificates: &Certificates, sockets: Share, metrics: &Metrics) {
        let mut sockets: HashMap<Key, TcpListener> = sockets.into_iter().collect();
        let wanted: HashSet<Key> = config.listeners.iter().map(Key::of).collect();
        self.leaving.retain(|connections| !connections.is_empty());
        let gone: Vec<Key> = self.listening.keys().filter(|key| !wanted.contains(*key)).cloned().collect();
        for key in gone {
            if let Some(listening) = self.listening.remove(&key) {
                self.leaving.push(listening.stop(&mut self.stopped));
            }
        }
        for listener in &config.listeners {
            let key = Key::of(listener);
            let socket = match self.listening.get(&key) {
                Some(known) if known.name == listener.name => {
                    known.manner.replace(Manner::of(listener, certificates));
                    continue;
                }
                // Only its name has changed: connections of the old name end, new ones have the new one.
                Some(known) => Some(known.socket.clone()),
                None => sockets.remove(&key).and_then(|socket| match tokio::net::TcpListener::from_std(socket) {
                    Ok(socket) => Some(Rc::new(socket)),
                    Err(error) => {
                        tracing::error!(listener = &*listener.name, %error, "a thread can't accept connections");
                        None
                    }
                }),
            };
            let Some(socket) = socket else { continue };
            let connections = Connections::new(listener.name.clone(), metrics.listener(&listener.name));
            let listening =
                Listening::start(&listener.name, Manner::of(listener, certificates), socket, connections, self);
            if let Some(renamed) = self.listening.insert(key, listening) {
                self.leaving.push(renamed.stop(&mut self.stopped));
            }
        }
    }

    /// Accept no more, and wait until the exchanges on their way have finished.
    async fn drain(mut self, limit: Duration) {
        let mut leaving = std::mem::take(&mut self.leaving);
        leaving.extend(self.listening.drain().map(|(_, listening)| listening.stop(&mut self.stopped)));
        let all_closed = async {
            for connections in &leaving {
                connections.closed().await;
            }
        };
        if tokio::time::timeout(limit, all_closed).await.is_err() {
            let left: usize = leaving.iter().map(|connections| connections.len()).sum();
            tracing::warn!(connections = left, "cutting off what didn't finish in time");
        }
    }
}

impl Listening {
    fn start(
        name: &Arc<str>,
        manner: Manner,
        socket: Rc<tokio::net::TcpListener>,
        connections: Rc<Connections>,
        serving: &Serving,
    ) -> Self {
        let (server, forwarder) = (serving.server.clone(), serving.forwarder.clone());
        let manner = Rc::new(RefCell::new(manner));
        let accepting = {
            let (socket, connections, manner) = (socket.clone(), connections.clone(), manner.clone());
            tokio::task::spawn_local(async move {
                accept(&socket, |stream, peer| {
                    let Manner { entrance, is_stream } = manner.borrow().clone();
                    if is_stream {
                        serve_stream(&forwarder, stream, peer, entrance, &connections);
                    } else {
                        server.serve(stream, peer, entrance, &connections);
                    }
                })
                .await;
            })
        };
        Self { name: name.clone(), manner, connections, socket, accepting }
    }

    /// Accept no more, and ask the connections to end.
    fn stop(self, stopped: &mut Vec<JoinHandle<()>>) -> Rc<Connections> {
        self.accepting.abort();
        stopped.push(self.accepting);
        self.connections.drain();
        self.connections
    }
}
