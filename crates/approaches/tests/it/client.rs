//! What a client does.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

/// Longer than any step takes, on the slowest machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The note's preamble.
pub const BARE: &[u8] = b"HTTP/1.1\n\n";

pub fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&addr, DEADLINE).unwrap();
    with_deadlines(stream)
}

/// A client that the kernel gives little room, so that the server soon has to wait for it.
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

/// Reads until the server's FIN; anything else than a FIN fails.
pub fn read_whole(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap_or_else(|error| {
        panic!("{error} after {} bytes instead of the server's FIN", bytes.len())
    });
    bytes
}

/// Reads whatever comes until the connection ends, however it ends.
pub fn read_until_end(mut stream: &TcpStream) -> (Vec<u8>, io::Result<()>) {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).map(drop);
    if let Err(error) = &ended {
        let is_timeout = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        assert!(!is_timeout, "no end within {DEADLINE:?}");
    }
    (bytes, ended)
}

pub fn read_exactly(mut stream: &TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

pub fn send(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
}

/// Closes with a RST instead of a FIN.
pub fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Fails with the first difference, not with megabytes.
pub fn assert_same(got: &[u8], wanted: &[u8]) {
    if let Some(at) = got.iter().zip(wanted).position(|(got, wanted)| got != wanted) {
        let show = |bytes: &[u8]| bytes[at..bytes.len().min(at + 20)].escape_ascii().to_string();
        panic!("byte {at} differs: got {} instead of {}", show(got), show(wanted));
    }
    assert_eq!(got.len(), wanted.len(), "the bytes are right, their number is not");
}

/// Bytes that no two places share, with NUL, CR and LF among them.
pub fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next_byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next_byte).take(count).collect()
}
