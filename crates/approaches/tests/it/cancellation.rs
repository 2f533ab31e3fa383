//! Tests that a connection of an async sibling can be canceled at every await point. If the future
//! of `handle_connection` is dropped after any of its polls, the socket is closed before
//! `disconnected` is logged. In addition, `disconnected` is logged exactly once, the permit is
//! returned, and no file descriptor leaks.
//!
//! The test runs in a separate process, because it counts the descriptors of the process.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use serve_core::{Config, Connection, Event, EventKind, EventLog, Preamble, Server};
use socket2::{Domain, SockRef, Socket, Type};

use crate::client::DEADLINE;
use crate::sibling::{SendMode, Sibling, Test};

pub const TESTS: &[(&str, Test)] =
    &[("a_connection_can_be_canceled_at_every_poll", a_connection_can_be_canceled_at_every_poll)];

const FILE_BYTES: usize = 150_000;

/// The size of the server's send buffers, in bytes. The file does not fit into a send buffer, even
/// though the kernel doubles this size.
const SEND_BUFFER_BYTES: usize = 16 * 1024;

/// The size of some clients' receive buffers, in bytes. The kernel doubles this size.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024;

/// The maximum number of polls per connection. Every connection in this test needs fewer polls.
const POLLS_MAX: usize = 2_000;

/// The socket that [`observe`] expects to be closed.
static SOCKET_FD: AtomicI32 = AtomicI32::new(-1);
static SOCKET_INODE: AtomicU64 = AtomicU64::new(0);
static WAS_CLOSED_LATE: AtomicBool = AtomicBool::new(false);

enum Runtime {
    Tokio(tokio::runtime::Runtime),
    AsyncStd,
    Smol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// Reads everything, then closes the connection.
    Reads,
    /// Reads everything, then closes the connection. The receive buffer is small, so that the
    /// server often waits for space in its send buffer.
    ReadsSlowly,
    /// Half-closes the connection, then reads everything.
    HalfCloses,
    /// Sends data before it reads the reply, and sends more data after the reply.
    Uploads,
    /// Reads everything, but never closes the connection.
    Lingers,
    /// Never reads.
    Stalls,
    /// Resets the connection after it has received the first bytes.
    Resets,
    /// Reads the reply of a server whose file does not exist.
    FindsNoFile,
}

const CLIENTS: [Client; 8] = [
    Client::Reads,
    Client::ReadsSlowly,
    Client::HalfCloses,
    Client::Uploads,
    Client::Lingers,
    Client::Stalls,
    Client::Resets,
    Client::FindsNoFile,
];

/// A future that returns `true` when its inner future completes, or `false` if the inner future has
/// not completed after a number of polls.
struct PollLimit<F> {
    future: Pin<Box<F>>,
    polls_left: usize,
}

impl<F: Future> Future for PollLimit<F> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        if self.polls_left == 0 {
            return Poll::Ready(false);
        }
        self.polls_left -= 1;
        match self.future.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if self.polls_left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn a_connection_can_be_canceled_at_every_poll(sibling: Sibling) {
    let runtime = match sibling.approach.name {
        "tokio" => Runtime::Tokio(tokio_runtime()),
        "async-std" => Runtime::AsyncStd,
        "smol" => Runtime::Smol,
        // In the other siblings, a connection is a thread, or a task that other tests cancel.
        _ => return,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.bin");
    fs::write(&path, vec![b'h'; FILE_BYTES]).unwrap();
    let mode = sibling.mode;
    for client in CLIENTS {
        // During the first connection, the runtime opens the descriptors that it keeps.
        assert!(
            run(&runtime, mode, client, &path, POLLS_MAX),
            "expected the connection to complete"
        );
        let descriptors = open_descriptors();
        let polls = (0..POLLS_MAX)
            .find(|&polls| run(&runtime, mode, client, &path, polls))
            .expect("the connection completes");
        assert!(polls > 0, "{client:?}: expected at least one poll");
        wait_for_descriptors(descriptors);
    }
}

fn tokio_runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

/// Serves one client, and cancels the connection after `polls` polls. Returns whether the
/// connection completed within these polls.
fn run(runtime: &Runtime, mode: SendMode, client: Client, path: &Path, polls: usize) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER_BYTES).unwrap();
    let addr = listener.local_addr().unwrap();
    let server = Arc::new(server(mode, client, path));
    let client_stream = connect(addr, client);
    let (sender, client_end) = mpsc::channel();
    thread::spawn(move || sender.send(act(client, client_stream)));
    let (stream, peer) = listener.accept().unwrap();
    watch(&stream);
    let conn = server.acquire_blocking().unwrap().connected(peer);

    let is_complete = serve(runtime, conn, stream, polls);

    let case = format!("{client:?}, canceled after {polls} polls");
    client_end
        .recv_timeout(DEADLINE)
        .unwrap_or_else(|_| panic!("{case}: expected the connection to end within {DEADLINE:?}"));
    let events = server.log.events();
    let disconnected = events.iter().filter(|event| event.kind.name() == "disconnected").count();
    assert_eq!(disconnected, 1, "{case}: {events:?}");
    assert!(
        !WAS_CLOSED_LATE.load(Ordering::SeqCst),
        "{case}: expected the socket to be closed before `disconnected`"
    );
    let acquired = pin!(server.acquire()).poll(&mut Context::from_waker(Waker::noop()));
    assert!(acquired.is_ready(), "{case}: expected the permit to be available again");
    is_complete
}

fn server(mode: SendMode, client: Client, path: &Path) -> Server {
    let path = match client {
        Client::FindsNoFile => path.with_file_name("missing"),
        _ => path.to_owned(),
    };
    let mut config = Config::new(path);
    config.max_connections = 1;
    config.chunk_bytes = 50_000;
    config.preamble = Preamble::Http;
    config.zero_copy = mode == SendMode::ZeroCopy;
    // The duration of the test depends on the timeouts for the stalling client and the lingering
    // client.
    config.stall_timeout = match client {
        Client::Stalls => Duration::from_millis(24),
        _ => DEADLINE,
    };
    config.linger_timeout = match client {
        Client::Lingers => Duration::from_millis(5),
        _ => DEADLINE,
    };
    let mut server = Server::new(config, EventLog::memory_with_observer(observe));
    server.reads_page_cache &= mode != SendMode::CopyByPool;
    server
}

fn connect(addr: SocketAddr, client: Client) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    if matches!(client, Client::ReadsSlowly | Client::Stalls) {
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).unwrap();
    }
    socket.connect(&addr.into()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.into()
}

/// Performs the actions of a client. Returns the socket, or `None` if the client closed the socket.
fn act(client: Client, mut stream: TcpStream) -> Option<TcpStream> {
    let mut received = Vec::new();
    // The server may cancel the connection at any time, so every call may fail.
    match client {
        Client::Reads | Client::ReadsSlowly | Client::FindsNoFile => {
            let _ = stream.read_to_end(&mut received);
            return None;
        }
        Client::HalfCloses => {
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut received);
        }
        Client::Uploads => {
            let _ = stream.write_all(&[b'u'; 300_000]);
            let _ = stream.read_to_end(&mut received);
            let _ = stream.write_all(b"late");
            let _ = stream.shutdown(Shutdown::Write);
        }
        Client::Lingers => {
            let _ = stream.read_to_end(&mut received);
        }
        Client::Stalls => {}
        Client::Resets => {
            let _ = stream.read(&mut [0; 100]);
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            return None;
        }
    }
    Some(stream)
}

/// Runs the `handle_connection` of a runtime on this thread, for at most `polls_left` polls.
/// Returns whether the future completed.
fn serve(runtime: &Runtime, conn: Connection, stream: TcpStream, polls_left: usize) -> bool {
    stream.set_nonblocking(true).unwrap();
    match runtime {
        Runtime::Tokio(runtime) => runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            let future = Box::pin(serve_tokio::handle_connection(stream, conn));
            PollLimit { future, polls_left }.await
        }),
        Runtime::AsyncStd => {
            let future = Box::pin(serve_async_std::handle_connection(stream.into(), conn));
            async_std::task::block_on(PollLimit { future, polls_left })
        }
        Runtime::Smol => {
            let stream = smol::Async::new(stream).unwrap();
            let future = Box::pin(serve_smol::handle_connection(stream, conn));
            smol::block_on(PollLimit { future, polls_left })
        }
    }
}

/// Sets the socket that [`observe`] expects to be closed.
fn watch(stream: &TcpStream) {
    SOCKET_FD.store(stream.as_raw_fd(), Ordering::SeqCst);
    SOCKET_INODE.store(inode_of(stream.as_raw_fd()).unwrap(), Ordering::SeqCst);
    WAS_CLOSED_LATE.store(false, Ordering::SeqCst);
}

/// Stores in [`WAS_CLOSED_LATE`] whether the socket is still open when `disconnected` is logged.
fn observe(event: &Event) {
    if matches!(event.kind, EventKind::Disconnected { .. }) {
        // Compare inodes, because another thread may have reused the number of the descriptor.
        let inode = inode_of(SOCKET_FD.load(Ordering::SeqCst));
        let is_open = inode == Some(SOCKET_INODE.load(Ordering::SeqCst));
        WAS_CLOSED_LATE.store(is_open, Ordering::SeqCst);
    }
}

fn inode_of(fd: RawFd) -> Option<u64> {
    fs::metadata(format!("/proc/self/fd/{fd}")).ok().map(|metadata| metadata.ino())
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Waits until at most `expected_max` descriptors are open, because a thread of a blocking pool may
/// close a file after the connection has ended.
fn wait_for_descriptors(expected_max: usize) {
    let started = Instant::now();
    while open_descriptors() > expected_max {
        let open = open_descriptors();
        assert!(
            started.elapsed() < DEADLINE,
            "expected at most {expected_max} open descriptors, got {open}"
        );
        thread::yield_now();
    }
}
