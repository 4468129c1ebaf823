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
use crate::overload::Guard;
use crate::proxy::Proxy;
use crate::server::{Connections, Entrance, Gates, Server, Settings, accept, accept_waiting, serve_stream};
use crate::snapshot::thread::ThreadSnapshot;
use crate::snapshot::{Certificates, Snapshot};
use crate::tcp::Forwarder;
use crate::telemetry::access::Writer;
use crate::telemetry::metrics::{ListenerMetrics, Metrics};
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
    /// Serve on, and ask clients to go.
    Leave,
    /// Accept no more; let the exchanges on their way finish, then end.
    Drain(Ending),
}

/// How a thread ends.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// How long exchanges may take.
    pub limit: Duration,
    /// How long connections without one stay open, of that.
    pub idle: Duration,
    /// Addresses on which another process accepts from now on: what waits there is its own.
    pub handed: Arc<HashSet<Key>>,
}

/// Asks a thread whether it makes progress: it answers when it comes to it.
pub type Pulse = oneshot::Sender<()>;

/// What a data thread is made with.
pub struct Seed {
    /// From 0.
    pub number: usize,
    pub metrics: Arc<Metrics>,
    pub witness: Option<Witness>,
    pub commands: mpsc::UnboundedReceiver<Command>,
    pub pulses: mpsc::UnboundedReceiver<Pulse>,
    pub gates: Arc<Gates>,
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
        tokio::task::spawn_local(async move {
            while let Some(pulse) = self.pulses.recv().await {
                // Who asked may have given up.
                let _ = pulse.send(());
            }
        });
        let (metrics, gates) = (self.metrics, self.gates);
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
                        none => none.insert(Serving::new(view, metrics.guard().clone())),
                    };
                    serving.listen(&config, &certificates, sockets, &metrics, &gates);
                    for connections in serving.close(&HashSet::new()).await {
                        connections.drain();
                    }
                    // Whoever published may have given up waiting.
                    let _ = done.send(());
                }
                Command::Leave => serving.iter().for_each(Serving::leave),
                Command::Drain(ending) => {
                    if let Some(serving) = serving.take() {
                        serving.drain(&ending).await;
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
    stopped: Vec<(Key, Listening)>,
}

/// One address that is listened on: by one socket, or by more if another process had more threads.
struct Listening {
    name: Arc<str>,
    reception: Rc<Reception>,
    sockets: Vec<Rc<tokio::net::TcpListener>>,
    accepting: Vec<JoinHandle<()>>,
}

/// Where a socket's connections go.
struct Reception {
    server: Rc<Server<Proxy>>,
    forwarder: Rc<Forwarder>,
    /// For new connections.
    manner: RefCell<Manner>,
    connections: Rc<Connections>,
    metrics: Arc<ListenerMetrics>,
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
    fn new(view: Rc<ThreadSnapshot>, guard: Arc<Guard>) -> Self {
        let (proxy, forwarder) = (Proxy::new(view.clone()), Forwarder::new(view));
        let server = Server::new(proxy.clone(), Settings { guard, ..Settings::default() });
        Self { proxy, forwarder, server, listening: HashMap::new(), leaving: Vec::new(), stopped: Vec::new() }
    }

    /// Accept on new sockets, and no more on those whose listener is gone.
    fn listen(&mut self, config: &Config, certificates: &Certificates, new: Share, metrics: &Metrics, gates: &Gates) {
        self.server.configure(&config.http);
        let mut sockets: HashMap<Key, Vec<TcpListener>> = HashMap::new();
        new.into_iter().for_each(|(key, socket)| sockets.entry(key).or_default().push(socket));
        let wanted: HashSet<Key> = config.listeners.iter().map(Key::of).collect();
        self.leaving.retain(|connections| !connections.is_empty());
        self.stopped.extend(self.listening.extract_if(|key, _| !wanted.contains(key)));
        for listener in &config.listeners {
            let key = Key::of(listener);
            let gate = gates.gate(&listener.name, listener.limits, &config.server.trusted_proxies);
            let sockets = match self.listening.get(&key) {
                Some(known) if known.name == listener.name => {
                    known.reception.manner.replace(Manner::of(listener, certificates));
                    continue;
                }
                // Only its name has changed: connections of the old name end, new ones have the new one.
                Some(known) => known.sockets.clone(),
                None => open(&listener.name, sockets.remove(&key).unwrap_or_default()),
            };
            if sockets.is_empty() {
                continue;
            }
            let metrics = metrics.listener(&listener.name);
            let reception = Reception {
                server: self.server.clone(),
                forwarder: self.forwarder.clone(),
                manner: RefCell::new(Manner::of(listener, certificates)),
                connections: Connections::with_gate(listener.name.clone(), metrics.clone(), gate),
                metrics,
            };
            let listening = Listening::start(&listener.name, sockets, Rc::new(reception));
            let before = self.listening.insert(key.clone(), listening);
            self.stopped.extend(before.map(|before| (key, before)));
        }
    }

    /// Close the sockets of listeners that are gone, and accept what waits there before, unless another process does.
    async fn close(&mut self, handed: &HashSet<Key>) -> Vec<Rc<Connections>> {
        let tasks = self.stopped.iter().flat_map(|(_, listening)| &listening.accepting);
        tasks.for_each(JoinHandle::abort);
        let mut closed = Vec::new();
        for (key, Listening { accepting, sockets, reception, .. }) in self.stopped.drain(..) {
            for task in accepting {
                let _ = task.await;
            }
            for socket in sockets {
                // If the listener only has another name now, somebody else accepts on it.
                if let (Ok(socket), false) = (Rc::try_unwrap(socket), handed.contains(&key)) {
                    accept_waiting(&socket, |stream, peer| reception.serve(stream, peer));
                }
            }
            closed.push(reception.connections.clone());
        }
        self.leaving.extend(closed.iter().cloned());
        closed
    }

    /// Ask clients to go, and serve on.
    fn leave(&self) {
        self.listening.values().for_each(|listening| listening.reception.connections.leave());
    }

    /// Accept no more, and wait until the exchanges on their way have finished.
    async fn drain(mut self, ending: &Ending) {
        self.leave();
        self.stopped.extend(self.listening.drain());
        self.close(&ending.handed).await;
        self.leaving.iter().for_each(|connections| connections.leave());
        let all_closed = || async {
            for connections in &self.leaving {
                connections.closed().await;
            }
        };
        let idle = ending.idle.min(ending.limit);
        if !idle.is_zero() && tokio::time::timeout(idle, all_closed()).await.is_ok() {
            return;
        }
        self.leaving.iter().for_each(|connections| connections.drain());
        if tokio::time::timeout(ending.limit - idle, all_closed()).await.is_err() {
            let left: usize = self.leaving.iter().map(|connections| connections.len()).sum();
            tracing::warn!(connections = left, "cutting off what didn't finish in time");
        }
    }
}

/// Sockets as the runtime wants them.
fn open(listener: &str, sockets: Vec<TcpListener>) -> Vec<Rc<tokio::net::TcpListener>> {
    let opened = sockets.into_iter().filter_map(|socket| match tokio::net::TcpListener::from_std(socket) {
        Ok(socket) => Some(Rc::new(socket)),
        Err(error) => {
            tracing::error!(listener, %error, "a thread can't accept connections");
            None
        }
    });
    opened.collect()
}

impl Listening {
    fn start(name: &Arc<str>, sockets: Vec<Rc<tokio::net::TcpListener>>, reception: Rc<Reception>) -> Self {
        let start = |socket: &Rc<tokio::net::TcpListener>| {
            let (socket, reception) = (socket.clone(), reception.clone());
            tokio::task::spawn_local(async move {
                let failed = |reason| reception.metrics.accept_failed(reason);
                accept(&socket, |stream, peer| reception.serve(stream, peer), failed).await;
            })
        };
        let accepting = sockets.iter().map(start).collect();
        Self { name: name.clone(), reception, sockets, accepting }
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
