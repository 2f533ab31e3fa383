//! The clients of the suite.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use harness::text::elapsed;
use socket2::{Domain, Socket, Type};

use crate::fault::{Result, fail};

/// The maximum time until a connection is established.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The preamble of `--preamble bare`, which is the default.
pub const BARE: &[u8] = b"HTTP/1.1\n\n";

/// The receive buffer and the maximum segment size of a client with small buffers, in bytes.
/// Between two programs on one machine, the kernel otherwise accepts 3 MB for a client that does
/// not read.
const SMALL_BUFFER_BYTES: usize = 4096;
const SMALL_SEGMENT_BYTES: u32 = 536;

/// Connects to a server. Reading from the connection fails after `timeout`.
pub fn connect(addr: SocketAddr, timeout: Duration) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&addr, CONNECT_TIMEOUT)?;
    stream.set_read_timeout(Some(timeout))?;
    Ok(stream)
}

/// Returns a socket with small buffers, so that the server soon has to wait for the client.
pub fn small_socket(addr: SocketAddr) -> Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_recv_buffer_size(SMALL_BUFFER_BYTES)?;
    socket.set_tcp_mss(SMALL_SEGMENT_BYTES)?;
    Ok(socket)
}

/// Connects a client that does not read.
pub fn non_reading(addr: SocketAddr) -> Result<TcpStream> {
    let socket = small_socket(addr)?;
    socket.connect_timeout(&addr.into(), CONNECT_TIMEOUT)?;
    Ok(socket.into())
}

/// Connects a new client, and returns the time until it has received the preamble.
pub fn preamble(addr: SocketAddr, timeout: Duration) -> Result<Duration> {
    let started = Instant::now();
    let mut stream = connect(addr, timeout)?;
    let mut bytes = [0; BARE.len()];
    match stream.read_exact(&mut bytes) {
        Ok(()) if bytes == *BARE => Ok(started.elapsed()),
        Ok(()) => fail("incorrect preamble"),
        Err(_) if started.elapsed() >= timeout => {
            fail(format!("no preamble within {}", elapsed(timeout)))
        }
        Err(error) => fail(format!("no preamble: {error}")),
    }
}

/// Connects a new client, and compares the whole reply.
pub fn reply(addr: SocketAddr, content: &[u8], timeout: Duration) -> Result<()> {
    check_reply(connect(addr, timeout)?, content)
}

/// Reads until the end of the connection, and compares the whole reply.
pub fn check_reply(mut stream: TcpStream, content: &[u8]) -> Result<()> {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    let expected = BARE.len() + content.len();
    match bytes.strip_prefix(BARE) {
        Some(rest) if rest == content => Ok(()),
        _ if bytes.len() == expected => fail("incorrect bytes"),
        _ => {
            let end = end.map_or_else(|error| format!(", then {error}"), |_| String::new());
            fail(format!("{} of {expected} bytes{end}", bytes.len()))
        }
    }
}
