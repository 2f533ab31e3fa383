//! Tests that partial writes neither lose nor repeat a byte, and that the server does not read
//! rejected bytes again too often.
//!
//! A small send buffer makes the kernel accept few bytes at a time. The test then repeats all
//! transfers with a limit on each send of serve-core. The limit forces partial writes, `WouldBlock`
//! and `Interrupted` at random. Each test runs in a separate process, because the limit applies to
//! the process, and because the test counts the bytes that the process reads.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fs::{Advice, fadvise};
use serve_core::{Config, EventLog, Preamble, SEND_LIMIT, Server, bind};
use socket2::{Domain, SockRef, Socket, Type};

use crate::sibling::{SendMode, Sibling, Test};

pub const TESTS: &[(&str, Test)] = &[
    (
        "data_from_a_non_reading_client_does_not_make_the_server_read_the_file_again",
        data_from_a_non_reading_client_does_not_make_the_server_read_the_file_again,
    ),
    ("partial_writes_lose_and_repeat_no_byte", partial_writes_lose_and_repeat_no_byte),
];

const FILE_BYTES: usize = 800_000;

/// The size of each socket buffer, in bytes. The kernel doubles this size. Even then, the buffers
/// are so small that the server repeatedly waits for space in its send buffer.
const BUFFER_BYTES: usize = 4 * 1024;

/// The number of bytes that a non-reading client sends, which is 1,000 times the size of the
/// server's drain buffer.
const UPLOAD_BYTES: usize = 1024 * 1024;

/// The maximum time that one read may take. Even on a slow machine, every read takes less time.
const DEADLINE: Duration = Duration::from_secs(60);

/// The minimum time between two bytes that the client sends.
const PAUSE: Duration = Duration::from_micros(200);

/// A client sends data and reads nothing. Each of the client's packets wakes the connection's task.
fn data_from_a_non_reading_client_does_not_make_the_server_read_the_file_again(sibling: Sibling) {
    if sibling.mode == SendMode::ZeroCopy {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.bin");
    fs::write(&path, random_bytes(FILE_BYTES)).unwrap();
    let server = Running::start(sibling, 64 * 1024, &path);
    let mut client = server.connect();
    let read_before = bytes_read_by_process();
    // The buffers are so small that the server has read almost all of these bytes when `write_all`
    // returns.
    client.write_all(&[0; UPLOAD_BYTES]).unwrap();
    let read_bytes = bytes_read_by_process() - read_before;
    let limit = FILE_BYTES as u64 / 2;
    assert!(read_bytes < limit, "expected fewer than {limit} bytes read, got {read_bytes}");
    server.stop();
}

fn partial_writes_lose_and_repeat_no_byte(sibling: Sibling) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.bin");
    let content = random_bytes(FILE_BYTES);
    fs::write(&path, &content).unwrap();
    for is_limited in [false, true] {
        if is_limited {
            SEND_LIMIT.set(limit).unwrap();
        }
        for chunk_bytes in [64 * 1024, 1 << 30] {
            assert_transfer(sibling, chunk_bytes, &path, &content);
            if sibling.mode == SendMode::Copy {
                remove_from_page_cache(&path);
                assert_transfer(sibling, chunk_bytes, &path, &content);
            }
        }
    }
}

fn remove_from_page_cache(path: &Path) {
    let file = File::open(path).unwrap();
    file.sync_all().unwrap();
    fadvise(&file, 0, None, Advice::DontNeed).unwrap();
}

/// Returns `WouldBlock` or `Interrupted` for a quarter of all sends each, and a random limit for
/// the other sends.
fn limit(bytes: usize) -> io::Result<usize> {
    match random() % 4 {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        1 => Err(io::ErrorKind::Interrupted.into()),
        _ => Ok(1 + random() as usize % bytes),
    }
}

fn assert_transfer(sibling: Sibling, chunk_bytes: usize, path: &Path, content: &[u8]) {
    let case = format!("chunks of {chunk_bytes} bytes");
    let read_before = bytes_read_by_process();
    let server = Running::start(sibling, chunk_bytes, path);
    let received = receive(&server.connect());
    server.stop();
    let read_bytes = bytes_read_by_process() - read_before;
    let difference = received.iter().zip(content).position(|(actual, expected)| actual != expected);
    assert_eq!(difference, None, "{case}: position of the first difference");
    assert_eq!(received.len(), FILE_BYTES, "{case}");
    let limit = 3 * FILE_BYTES as u64;
    assert!(read_bytes < limit, "{case}: expected fewer than {limit} bytes read, got {read_bytes}");
}

/// A server in this process.
struct Running {
    addr: SocketAddr,
    server: Arc<Server>,
    thread: JoinHandle<io::Result<()>>,
}

impl Running {
    fn start(sibling: Sibling, chunk_bytes: usize, path: &Path) -> Self {
        let mut config = Config::new(path);
        config.host = "127.0.0.1".to_owned();
        config.port = 0;
        config.preamble = Preamble::None;
        config.chunk_bytes = chunk_bytes;
        config.zero_copy = sibling.mode == SendMode::ZeroCopy;
        config.grace = Duration::ZERO;
        let listener = bind(&config).unwrap();
        SockRef::from(&listener).set_send_buffer_size(BUFFER_BYTES).unwrap();
        SockRef::from(&listener).set_recv_buffer_size(BUFFER_BYTES).unwrap();
        let addr = listener.local_addr().unwrap();
        let mut server = Server::new(config, EventLog::off());
        server.reads_page_cache &= sibling.mode != SendMode::CopyByPool;
        let server = Arc::new(server);
        let (run, running) = (sibling.approach.run, Arc::clone(&server));
        Self { addr, server, thread: thread::spawn(move || run(listener, running)) }
    }

    fn connect(&self) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(BUFFER_BYTES).unwrap();
        socket.set_send_buffer_size(BUFFER_BYTES).unwrap();
        // Otherwise, Nagle's algorithm delays each byte that `receive` sends until the server
        // acknowledges the previous byte, which takes up to 40 ms.
        socket.set_tcp_nodelay(true).unwrap();
        socket.connect(&self.addr.into()).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.set_write_timeout(Some(DEADLINE)).unwrap();
        socket.into()
    }

    fn stop(self) {
        self.server.shut_down();
        self.thread.join().unwrap().unwrap();
    }
}

/// Receives until EOF. If no data arrives for 200 µs, a second thread sends a byte. This byte is
/// necessary, because the limit causes `WouldBlock` even if the socket is writable. After
/// `WouldBlock`, Tokio and mio do not send again until the next event on the socket.
fn receive(stream: &TcpStream) -> Vec<u8> {
    let (mut received, reads) = (Vec::new(), AtomicU64::new(0));
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut reads_before = 0;
            loop {
                thread::sleep(PAUSE);
                let reads = reads.load(Ordering::Relaxed);
                // The write fails after the other thread has shut down the socket.
                if reads == reads_before && (&*stream).write_all(b"x").is_err() {
                    break;
                }
                reads_before = reads;
            }
        });
        let mut buffer = [0; 4096];
        let result = loop {
            match (&*stream).read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(bytes) => received.extend_from_slice(&buffer[..bytes]),
                Err(error) => break Err(error),
            }
            reads.fetch_add(1, Ordering::Relaxed);
        };
        stream.shutdown(std::net::Shutdown::Both).unwrap();
        sending.join().unwrap();
        result.unwrap();
    });
    received
}

/// Returns the number of bytes that this process has read from files, including `sendfile`. Data
/// from sockets is not included.
fn bytes_read_by_process() -> u64 {
    let counts = fs::read_to_string("/proc/self/io").unwrap();
    let line = counts.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.unwrap().parse().unwrap()
}

fn random_bytes(count: usize) -> Vec<u8> {
    std::iter::repeat_with(|| random() as u8).take(count).collect()
}

/// Returns the next number of a xorshift generator that all threads share.
fn random() -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(0x2545_f491_4f6c_dd1d);
    let next = |mut state: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let update = |state| Some(next(state));
    next(STATE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update).unwrap()) >> 8
}
