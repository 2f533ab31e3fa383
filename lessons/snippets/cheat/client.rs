//! Who connects to the cheat sheet's servers, in blocking std: the same client for all four.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Barrier;
use std::time::Duration;

use socket2::SockRef;

/// The file that is served.
pub const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/river.webp");

/// Server and client meet here after a connection's last line, so that lines keep their order.
pub static CLOSED: Barrier = Barrier::new(2);

/// One client that hears all, and one that resets the connection.
pub fn talk(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"hello")?;
    stream.shutdown(Shutdown::Write)?;
    let mut got = Vec::new();
    stream.read_to_end(&mut got)?;
    assert!(got == std::fs::read(FILE)?.repeat(3), "what came is not the file three times");
    CLOSED.wait();

    let stream = TcpStream::connect(address)?;
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    drop(stream);
    CLOSED.wait();
    Ok(())
}
