//! A DNS server of a few records, over UDP and TCP on one port. It ends when it is dropped.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

use crate::dns::Name;

/// One record: its owner, its kind, its time to live in seconds, and its data.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    owner: String,
    kind: u16,
    ttl: u32,
    data: Vec<u8>,
}

impl Record {
    pub fn address(owner: &str, ttl: u32, address: &str) -> Self {
        let (kind, data) = match address.parse().unwrap() {
            IpAddr::V4(address) => (1, address.octets().to_vec()),
            IpAddr::V6(address) => (28, address.octets().to_vec()),
        };
        Self { owner: owner.into(), kind, ttl, data }
    }

    pub fn alias(owner: &str, ttl: u32, target: &str) -> Self {
        Self { owner: owner.into(), kind: 5, ttl, data: wire(target) }
    }

    /// Priority, weight and port.
    pub fn service(owner: &str, ttl: u32, place: (u16, u16, u16), target: &str) -> Self {
        let (priority, weight, port) = place;
        let mut data: Vec<u8> = [priority, weight, port].iter().flat_map(|word| word.to_be_bytes()).collect();
        data.extend(wire(target));
        Self { owner: owner.into(), kind: 33, ttl, data }
    }
}

fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    match Name::new(name) {
        Some(name) => name.write(&mut wire),
        None => wire.push(0),
    }
    wire
}

/// The answer to a question, with these records.
pub(crate) fn answer(question: &[u8], code: u8, records: &[Record]) -> Vec<u8> {
    let mut message = question.to_vec();
    message[2] = 0x81;
    message[3] = 0x80 | code;
    message[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
    for record in records {
        message.extend(wire(&record.owner));
        message.extend(record.kind.to_be_bytes());
        message.extend(1_u16.to_be_bytes());
        message.extend(record.ttl.to_be_bytes());
        message.extend(u16::try_from(record.data.len()).unwrap().to_be_bytes());
        message.extend(&record.data);
    }
    message
}

/// How the server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Well,
    /// With that code.
    Fail(u8),
    Silent,
    Garbage,
    /// Well, after answers to questions that nobody asked.
    AfterForgeries,
}

struct State {
    records: Mutex<Vec<Record>>,
    way: Mutex<Way>,
    questions: AtomicUsize,
}

pub(crate) struct Server {
    pub address: SocketAddr,
    state: Arc<State>,
    tasks: [JoinHandle<()>; 2],
}

impl Server {
    pub async fn start() -> Self {
        // One port for both, which the system may have given away for the other.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let state =
            Arc::new(State { records: Mutex::default(), way: Mutex::new(Way::Well), questions: AtomicUsize::new(0) });
        let tasks =
            [tokio::spawn(serve_udp(udp, Arc::clone(&state))), tokio::spawn(serve_tcp(tcp, Arc::clone(&state)))];
        Self { address, state, tasks }
    }

    /// Have these records from now on.
    pub fn set(&self, records: &[Record]) {
        *self.state.records.lock().unwrap() = records.to_vec();
    }

    pub fn be(&self, way: Way) {
        *self.state.way.lock().unwrap() = way;
    }

    /// Be gone, and nobody at its address.
    pub async fn stop(mut self) {
        for task in &mut self.tasks {
            task.abort();
            assert!(task.await.is_err());
        }
    }

    /// Questions over UDP so far.
    pub fn questions(&self) -> usize {
        self.state.questions.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl State {
    /// Everything there is of what is asked for, aliases included.
    fn answer(&self, question: &[u8]) -> Vec<u8> {
        let (asked, end) = crate::dns::name::read(question, 12).unwrap();
        let asked = asked.unwrap();
        let kind = u16::from_be_bytes([question[end], question[end + 1]]);
        let records = self.records.lock().unwrap();
        let owned = |record: &&Record| Name::new(&record.owner) == Some(asked.clone());
        let fitting = records.iter().filter(owned).filter(|record| record.kind == kind).cloned();
        let code = if records.iter().any(|record| owned(&record)) { 0 } else { 3 };
        answer(question, code, &fitting.collect::<Vec<_>>())
    }
}

async fn serve_udp(socket: UdpSocket, state: Arc<State>) {
    let mut buffer = [0; 512];
    while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
        state.questions.fetch_add(1, Ordering::SeqCst);
        let question = &buffer[..length];
        let mut message = state.answer(question);
        let way = *state.way.lock().unwrap();
        match way {
            Way::Silent => continue,
            Way::Fail(code) => message = answer(question, code, &[]),
            Way::Garbage => {
                message = answer(question, 0, &[]);
                // A record that isn't there.
                message[7] = 1;
            }
            Way::AfterForgeries => {
                let mut forged = answer(question, 0, &[Record::address("a", 9, "203.0.113.9")]);
                forged[0] ^= 0xff;
                socket.send_to(&forged, client).await.unwrap();
                socket.send_to(b"x", client).await.unwrap();
            }
            Way::Well => {}
        }
        if message.len() > 512 {
            message.truncate(512);
            message[2] |= 2;
        }
        // The client may have gone.
        let _ = socket.send_to(&message, client).await;
    }
}

async fn serve_tcp(listener: TcpListener, state: Arc<State>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let Ok(length) = stream.read_u16().await else { continue };
        let mut question = vec![0; length.into()];
        stream.read_exact(&mut question).await.unwrap();
        let message = state.answer(&question);
        stream.write_u16(u16::try_from(message.len()).unwrap()).await.unwrap();
        stream.write_all(&message).await.unwrap();
    }
}
