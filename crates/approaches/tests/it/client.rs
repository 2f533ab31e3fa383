//! The actions of a test client.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

/// The maximum time that one operation of a client may take. Even on a slow machine, every
/// operation takes less time.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The preamble of the original note.
pub const BARE: &[u8] = b"HTTP/1.1\n\n";

pub fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&addr, DEADLINE).unwrap();
    with_deadlines(stream)
}

/// Connects with a small receive buffer, so that the server soon has to wait for the client.
pub fn connect_with_small_buffer(addr: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect_timeout(&addr.into(), DEADLINE).unwrap();
    with_deadlines(socket.into())
}

fn with_deadlines(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Reads until the server's FIN. Panics if the connection ends in a different way.
pub fn read_whole(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap_or_else(|error| {
        panic!("expected the server's FIN, got {error} after {} bytes", bytes.len())
    });
    bytes
}

/// Panics if the reply is not the bare preamble followed by this content.
pub fn assert_reply(stream: &TcpStream, content: &[u8]) {
    assert_same(&read_whole(stream), &[BARE, content].concat());
}

/// Reads until the connection ends with a FIN or an error. Returns the received bytes, and `Ok`
/// after a FIN or the error.
pub fn read_until_end(mut stream: &TcpStream) -> (Vec<u8>, io::Result<()>) {
    let mut bytes = Vec::new();
    let result = stream.read_to_end(&mut bytes).map(drop);
    if let Err(error) = &result {
        let is_timeout = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        assert!(!is_timeout, "expected the connection to end within {DEADLINE:?}");
    }
    (bytes, result)
}

/// Waits until the server has reset the connection. Does not read: a client that reads can receive
/// the rest of the reply and the FIN before the reset. If another test starts a process, the new
/// process briefly has copies of all sockets. Therefore, the kernel may not reset the connection
/// until some time after the server has closed its socket.
pub fn wait_for_reset(stream: &TcpStream) {
    let started = Instant::now();
    let error = loop {
        match stream.take_error().unwrap() {
            Some(error) => break error,
            None => thread::yield_now(),
        }
        assert!(started.elapsed() < DEADLINE, "expected a reset within {DEADLINE:?}");
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

pub fn read_exactly(mut stream: &TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Calls `act` while a thread reads as fast as the server sends. Then shuts down the connection.
pub fn while_reading(stream: &TcpStream, act: impl FnOnce()) {
    /// Ends the reading thread when it is dropped, even if `act` panics.
    struct End<'s>(&'s TcpStream);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            let _ = self.0.shutdown(Shutdown::Both);
        }
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut reader, mut buffer) = (stream, vec![0; 1 << 16]);
            while reader.read(&mut buffer).is_ok_and(|bytes| bytes > 0) {}
        });
        let _end = End(stream);
        act();
    });
}

pub fn send(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
}

/// Closes the connection with an RST instead of a FIN.
pub fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Panics if the bytes differ. The message contains only the first difference, because there may be
/// megabytes of data.
pub fn assert_same(actual: &[u8], expected: &[u8]) {
    // Comparing slices is fast even without optimization.
    if actual == expected {
        return;
    }
    if let Some(at) = actual.iter().zip(expected).position(|(actual, expected)| actual != expected)
    {
        let excerpt = |bytes: &[u8]| bytes[at..bytes.len().min(at + 20)].escape_ascii().to_string();
        panic!("at byte {at}: expected {}, got {}", excerpt(expected), excerpt(actual));
    }
    let (actual, expected) = (actual.len(), expected.len());
    assert_eq!(actual, expected, "expected {expected} bytes, got {actual}");
}

/// Returns pseudo-random bytes, so that a test detects misplaced data. The bytes include NUL, CR
/// and LF.
pub fn random_bytes(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = vec![0; count];
    for word in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
    }
    bytes
}
