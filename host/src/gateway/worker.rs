//! One data thread: it accepts, serves, and takes up what is published to it. It shares nothing with
//! the other threads but counters.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, LocalSet};

use super::sockets::{Key, Share};
use super::view::Views;
use crate::config::model::{Config, Listener, Protocol};
use crate::proxy::Proxy;
use crate::server::{Connections, Entrance, Server, Settings, accept, accept_waiting, serve_stream};
use crate::snapshot::thread::ThreadSnapshot;
use crate::snapshot::{Certificates, Snapshot};
use crate::tcp::Forwarder;
use crate::telemetry::access::Writer;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::witness::Witness;

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
    pub witness: Option<Witness>,
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
        let (mut views, client) =
            Views::new(self.number, self.metrics.clone(), self.retired.clone(), self.witness.clone());
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
                    serving.close().await;
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
    /// Listeners that are gone, and whose sockets aren't closed yet.
    stopped: Vec<Listening>,
}

/// One socket that accepts.
struct Listening {
    name: Arc<str>,
    reception: Rc<Reception>,
    socket: Rc<tokio::net::TcpListener>,
    accepting: JoinHandle<()>,
}

/// Where a socket's connections go.
struct Reception {
    server: Rc<Server<Proxy>>,
    forwarder: Rc<Forwarder>,
    /// For new connections.
    manner: RefCell<Manner>,
    connections: Rc<Connections>,
}

/// How connections are served.
#[derive(Clone)]
struct Manner {
    entrance: Rc<Entrance>,
    is_stream: bool,
}

impl Manner {
    fn of(listener: &Listener, certificates: &Certificates) -> Self {
        let tls = certificates.listeners.get(&listener.name).cloned();
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
            self.stopped.extend(self.listening.remove(&key));
        }
        for listener in &config.listeners {
            let key = Key::of(listener);
            let socket = match self.listening.get(&key) {
                Some(known) if known.name == listener.name => {
                    known.reception.manner.replace(Manner::of(listener, certificates));
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
            let reception = Reception {
                server: self.server.clone(),
                forwarder: self.forwarder.clone(),
                manner: RefCell::new(Manner::of(listener, certificates)),
                connections: Connections::new(listener.name.clone(), metrics.listener(&listener.name)),
            };
            let listening = Listening::start(&listener.name, socket, Rc::new(reception));
            self.stopped.extend(self.listening.insert(key, listening));
        }
    }

    /// Close the sockets of listeners that are gone, and ask their connections to end.
    async fn close(&mut self) {
        self.stopped.iter().for_each(|listening| listening.accepting.abort());
        for Listening { accepting, socket, reception, .. } in self.stopped.drain(..) {
            let _ = accepting.await;
            // If the listener only has another name now, somebody else accepts on it.
            if let Ok(socket) = Rc::try_unwrap(socket) {
                accept_waiting(&socket, |stream, peer| reception.serve(stream, peer));
            }
            reception.connections.drain();
            self.leaving.push(reception.connections.clone());
        }
    }

    /// Accept no more, and wait until the exchanges on their way have finished.
    async fn drain(mut self, limit: Duration) {
        self.stopped.extend(self.listening.drain().map(|(_, listening)| listening));
        self.close().await;
        let all_closed = async {
            for connections in &self.leaving {
                connections.closed().await;
            }
        };
        if tokio::time::timeout(limit, all_closed).await.is_err() {
            let left: usize = self.leaving.iter().map(|connections| connections.len()).sum();
            tracing::warn!(connections = left, "cutting off what didn't finish in time");
        }
    }
}

impl Listening {
    fn start(name: &Arc<str>, socket: Rc<tokio::net::TcpListener>, reception: Rc<Reception>) -> Self {
        let accepting = {
            let (socket, reception) = (socket.clone(), reception.clone());
            tokio::task::spawn_local(async move {
                accept(&socket, |stream, peer| reception.serve(stream, peer)).await;
            })
        };
        Self { name: name.clone(), reception, socket, accepting }
    }
}

impl Reception {
    fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        let Manner { entrance, is_stream } = self.manner.borrow().clone();
        if is_stream {
            serve_stream(&self.forwarder, stream, peer, entrance, &self.connections);
        } else {
            self.server.serve(stream, peer, entrance, &self.connections);
        }
    }
}
