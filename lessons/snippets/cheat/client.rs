//! The clients of the cheat sheet's servers, in blocking std. All servers have the same clients.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Barrier;
use std::time::Duration;

use socket2::SockRef;

/// The file that is served.
pub const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/river.webp");

/// The server and the client wait for each other here after the last line that the server prints for a
/// connection, so that the order of the lines is always the same.
pub static CLOSED: Barrier = Barrier::new(2);

/// Runs a client that receives everything, and one that resets the connection.
///
/// # Panics
///
/// If the first client does not receive the file three times.
pub fn run(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"hello")?;
    stream.shutdown(Shutdown::Write)?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    let expected = std::fs::read(FILE)?.repeat(3);
    assert!(reply == expected, "expected the file three times, got {} bytes", reply.len());
    CLOSED.wait();

    let stream = TcpStream::connect(address)?;
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    drop(stream);
    CLOSED.wait();
    Ok(())
}
