//! Compares the sampler's values with the values of other programs.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::slice::from_ref;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flow::connections::{Connections, Counters};
use flow::hub::Hub;
use flow::sampler::{Sampler, Target};
use flow::servers::Progress;
use flow::trace::{Connection, Header, Line, State, VERSION};
use socket2::{Domain, SockRef, Socket, Type};

const DEADLINE: Duration = Duration::from_secs(30);

/// The length of a reply: a preamble of 10 bytes and a file.
const REPLY_BYTES: u64 = 10 + (64 << 20);

/// A server and a client that reads only on demand, in this process.
struct Pair {
    hub: Hub,
    connections: Arc<Connections>,
    sampler: Sampler,
    target: Target,
    /// The progress that a log would report.
    progress: Arc<Mutex<Progress>>,
    has_log: bool,
    number: u32,
    client: Option<(TcpStream, Arc<Counters>)>,
    local: SocketAddr,
    server: Option<JoinHandle<(TcpStream, TcpListener)>>,
    is_half_closed: bool,
    /// The last values of all fields.
    values: Connection,
}

/// `Recv-Q` and `Send-Q`, or `None` if `ss` does not list the socket.
type Queues = Option<(u64, u64)>;

impl Pair {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let progress = Arc::new(Mutex::new(Progress::default()));
        let log = Arc::clone(&progress);
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let is_complete = write(&mut stream).is_ok();
            log.lock().unwrap().has_file_ended = is_complete;
            log.lock().unwrap().has_failed = !is_complete;
            if is_complete {
                let _ = stream.shutdown(Shutdown::Write);
                let _ = stream.read_to_end(&mut Vec::new());
            }
            log.lock().unwrap().has_disconnected = true;
            // If the memory of all TCP connections is low, the kernel resets a connection whose
            // socket is closed before its data is acknowledged. When the listener is closed, another
            // test may get its port.
            (stream, listener)
        });
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
        // With segments of 64 KiB, the kernel waits until the client has read that much.
        socket.set_tcp_mss(536).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let local = socket.local_addr().unwrap().as_socket().unwrap();
        let connections = Arc::new(Connections::default());
        let counters = Arc::new(Counters::default());
        let number = connections.register(0, local, Arc::clone(&counters));
        socket.connect(&addr.into()).unwrap();
        Self {
            hub: hub(&["test"]),
            sampler: Sampler::new(Arc::clone(&connections)),
            connections,
            target: Target {
                addr: Some(addr),
                reply_bytes: Some(REPLY_BYTES),
                ..Target::default()
            },
            progress,
            has_log: true,
            number,
            client: Some((socket.into(), counters)),
            local,
            server: Some(server),
            is_half_closed: false,
            values: Connection::default(),
        }
    }

    /// Takes a sample, and returns whether values have changed.
    fn sample(&mut self) -> bool {
        let progress = |_, _| self.has_log.then(|| *self.progress.lock().unwrap());
        let lines = self.sampler.sample(&self.hub, from_ref(&self.target), &progress);
        for line in &lines {
            let Line::Connection(changes) = line else { panic!("{line:?}") };
            assert_eq!((changes.server, changes.connection), (0, self.number));
            merge(&mut self.values, changes);
        }
        !lines.is_empty()
    }

    /// Samples until the connection has this state and its values no longer change. Then compares
    /// the values with `ss`. Returns the values.
    fn settle(&mut self, state: State) -> Connection {
        let started = Instant::now();
        loop {
            self.sample();
            let addr = self.target.addr.unwrap();
            let queues = (ss(addr, self.local), ss(self.local, addr));
            let has_changed = self.sample();
            if !has_changed && self.values.state == Some(state) && self.is_consistent() {
                // The values did not change while `ss` ran.
                let (server, client) = queues;
                if let Some((_, send_queue)) = server {
                    assert_eq!(self.values.send_queue, Some(send_queue));
                }
                if let Some((receive_queue, _)) = client {
                    assert_eq!(self.values.receive_queue, Some(receive_queue));
                }
                return self.values.clone();
            }
            assert!(started.elapsed() < DEADLINE, "expected {state:?}, got {:?}", self.values);
        }
    }

    /// Returns whether the kernel's queues are as long as the computed parts. The values differ
    /// while segments are not acknowledged.
    fn is_consistent(&self) -> bool {
        let values = &self.values;
        let (written, received) = (values.written.unwrap(), values.received.unwrap());
        let read = self.client.as_ref().unwrap().1.read.load(Relaxed);
        assert_eq!(values.read, Some(read));
        assert!(read <= received && received <= written && written <= REPLY_BYTES, "{values:?}");
        let (send_queue, receive_queue) =
            (values.send_queue.unwrap(), values.receive_queue.unwrap());
        // The kernel counts the FIN as one byte, until it is acknowledged or read.
        let has_fin = values.state == Some(State::Draining) && !self.is_half_closed;
        let sent_fin = u64::from(has_fin && send_queue > 0);
        let received_fin = u64::from(has_fin && send_queue == 0);
        let is_complete = values.state != Some(State::Draining) || received == REPLY_BYTES;
        is_complete
            && written - received == send_queue - sent_fin
            && received - read == receive_queue - received_fin
    }

    fn read(&mut self, bytes: u64) {
        let (stream, counters) = self.client.as_mut().unwrap();
        let mut buffer = vec![0; usize::try_from(bytes).unwrap()];
        stream.read_exact(&mut buffer).unwrap();
        counters.read.fetch_add(bytes, Relaxed);
    }

    /// Samples until the connection is removed.
    fn end(mut self) -> Connection {
        self.client = None;
        let started = Instant::now();
        while !self.connections.all().is_empty() {
            self.sample();
            assert!(started.elapsed() < DEADLINE, "{:?}", self.values);
        }
        self.server.take().unwrap().join().unwrap();
        self.values
    }
}

#[test]
fn the_queues_of_a_paused_client_equal_the_values_of_ss() {
    let mut pair = Pair::start();
    let paused = pair.settle(State::Waiting);
    assert_eq!(paused.read, Some(0));
    assert!(paused.received.unwrap() > 0 && paused.written > paused.received, "{paused:?}");
    pair.read(300_000);
    let later = pair.settle(State::Waiting);
    assert_eq!(later.read, Some(300_000));
    assert!(later.received > paused.received && later.written >= paused.written, "{later:?}");
    pair.read(REPLY_BYTES - 300_000 - 20_000);
    let complete = pair.settle(State::Draining);
    assert_eq!((complete.written, complete.received), (Some(REPLY_BYTES), Some(REPLY_BYTES)));
    assert_eq!(complete.receive_queue, Some(20_001), "the kernel counts the FIN");
    pair.read(20_000);
    check_end(&pair.end());
}

#[test]
fn the_parts_of_a_half_closed_connection_add_up() {
    let mut pair = Pair::start();
    pair.settle(State::Waiting);
    pair.client.as_ref().unwrap().0.shutdown(Shutdown::Write).unwrap();
    pair.is_half_closed = true;
    let paused = pair.settle(State::Waiting);
    assert!(paused.written > paused.received && paused.read == Some(0), "{paused:?}");
    pair.read(REPLY_BYTES - 20_000);
    // The kernel deletes both sockets as soon as both FINs are acknowledged, although the client can
    // still read.
    let complete = pair.settle(State::Draining);
    assert_eq!((complete.written, complete.received), (Some(REPLY_BYTES), Some(REPLY_BYTES)));
    assert_eq!(complete.receive_queue, Some(20_000));
    assert_eq!(complete.read, Some(REPLY_BYTES - 20_000));
    pair.read(20_000);
    check_end(&pair.end());
}

#[test]
fn the_values_are_consistent_while_data_flows() {
    let mut pair = Pair::start();
    let (mut stream, counters) = pair.client.take().unwrap();
    let client = thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match stream.read(&mut buffer).unwrap() {
                0 => return,
                bytes => counters.read.fetch_add(bytes as u64, Relaxed),
            };
        }
    });
    let mut previous = Connection::default();
    while !pair.connections.all().is_empty() {
        pair.sample();
        let new = pair.values.clone();
        assert!(new.read <= new.received && new.received <= new.written, "{new:?}");
        assert!(new.written <= Some(REPLY_BYTES), "{new:?}");
        let is_decrease = new.written < previous.written
            || new.received < previous.received
            || new.read < previous.read;
        assert!(!is_decrease, "{previous:?} {new:?}");
        previous = new;
    }
    client.join().unwrap();
    check_end(&pair.end());
}

#[test]
fn the_end_of_a_connection_is_found_without_a_log() {
    let mut pair = Pair::start();
    pair.has_log = false;
    pair.settle(State::Waiting);
    pair.read(REPLY_BYTES);
    check_end(&pair.end());
}

#[test]
fn a_reset_keeps_the_number_of_read_bytes() {
    let mut pair = Pair::start();
    pair.settle(State::Waiting);
    pair.read(1_000);
    let (stream, _) = pair.client.as_ref().unwrap();
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
    let values = pair.end();
    assert_eq!(values.state, Some(State::Reset));
    assert_eq!(values.read, Some(1_000));
    assert_eq!((values.send_queue, values.receive_queue), (Some(0), Some(0)));
}

fn check_end(values: &Connection) {
    let all = Some(REPLY_BYTES);
    assert_eq!(values.state, Some(State::Closed));
    assert_eq!((values.written, values.received, values.read), (all, all, all));
    assert_eq!((values.send_queue, values.receive_queue), (Some(0), Some(0)));
}

fn hub(servers: &[&str]) -> Hub {
    Hub::new(Header {
        flow_trace: VERSION,
        system: "linux".to_owned(),
        file_bytes: REPLY_BYTES - 10,
        servers: servers.iter().map(|&name| name.to_owned()).collect(),
    })
}

fn merge(values: &mut Connection, changes: &Connection) {
    let changes = changes.clone();
    values.state = changes.state.or(values.state);
    values.written = changes.written.or(values.written);
    values.received = changes.received.or(values.received);
    values.read = changes.read.or(values.read);
    values.send_queue = changes.send_queue.or(values.send_queue);
    values.receive_queue = changes.receive_queue.or(values.receive_queue);
    values.uploaded = changes.uploaded.or(values.uploaded);
    values.chunks = changes.chunks.or(values.chunks);
}

/// Sends the reply in chunks of at most 64 KiB.
fn write(stream: &mut TcpStream) -> io::Result<()> {
    let chunk = vec![b'x'; 64 << 10];
    let mut remaining = REPLY_BYTES as usize;
    while remaining > 0 {
        remaining -= stream.write(&chunk[..remaining.min(chunk.len())])?;
    }
    Ok(())
}

/// Returns the queues of a socket, as `ss` shows them.
fn ss(local: SocketAddr, peer: SocketAddr) -> Queues {
    // `ss` belongs to the package `iproute2`, which may not be installed.
    let output = Command::new("ss").arg("-tnmH").output().ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, receive_queue, send_queue, from, to, ..] = words[..] else { return None };
        let is_socket = from == local.to_string() && to == peer.to_string();
        is_socket.then(|| (receive_queue.parse().unwrap(), send_queue.parse().unwrap()))
    })
}
