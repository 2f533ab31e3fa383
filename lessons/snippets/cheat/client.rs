//! The clients of the cheat sheet's servers. All servers have the same clients, which use the
//! blocking calls of std.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Barrier;
use std::time::Duration;

use socket2::SockRef;

/// The path of the file that the servers send.
pub const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/river.webp");

/// A barrier that keeps the order of the printed lines the same in every run. After the server has
/// printed the last line for a connection, the server and the client wait for each other here.
pub static CLOSED: Barrier = Barrier::new(2);

/// Runs a client that receives the whole reply, and then a client that resets the connection.
///
/// # Panics
///
/// Panics if the first client does not receive the file three times.
pub fn run(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"hello")?;
    stream.shutdown(Shutdown::Write)?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    let expected = std::fs::read(FILE)?.repeat(3);
    assert!(
        reply == expected,
        "expected three copies of the file ({} bytes), got {} bytes with different content",
        expected.len(),
        reply.len()
    );
    CLOSED.wait();

    let stream = TcpStream::connect(address)?;
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    drop(stream);
    CLOSED.wait();
    Ok(())
}
