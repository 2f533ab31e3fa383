//! The client of all suites with one client at a time.

use std::io;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;

/// A server that is silent for so long has failed.
const TIMEOUT: Duration = Duration::from_secs(30);

/// As much as the kernel ever keeps for one connection (`net.ipv4.tcp_rmem`).
const READ_BYTES: usize = 8 * 1024 * 1024;

/// A client that takes all it gets, as fast as it can, and counts it. On Linux the kernel throws the
/// bytes away unread: what the client saves, the server's share of the time gains.
#[derive(Debug)]
pub struct Client {
    buffer: Vec<u8>,
}

impl Default for Client {
    fn default() -> Self {
        Self { buffer: Vec::with_capacity(READ_BYTES) }
    }
}

impl Client {
    /// Connects, says nothing, takes all, and returns how many bytes came.
    ///
    /// # Errors
    ///
    /// Those of the connection; a reset in the middle, too.
    pub fn fetch(&mut self, addr: SocketAddr) -> io::Result<u64> {
        let stream = connect(addr)?;
        self.take_all(&stream)
    }

    /// [`fetch`](Self::fetch), and how long the first byte took from the beginning of the connection.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn fetch_timing_first(&mut self, addr: SocketAddr) -> io::Result<(u64, Duration)> {
        let began = Instant::now();
        let stream = connect(addr)?;
        let first_bytes = self.take(&stream)?;
        let first = began.elapsed();
        Ok((first_bytes + self.take_all(&stream)?, first))
    }

    fn take_all(&mut self, stream: &TcpStream) -> io::Result<u64> {
        let mut taken_bytes = 0;
        loop {
            match self.take(stream)? {
                0 => return Ok(taken_bytes),
                bytes => taken_bytes += bytes,
            }
        }
    }

    fn take(&mut self, stream: &TcpStream) -> io::Result<u64> {
        loop {
            match receive(stream, self.buffer.spare_capacity_mut()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                received => return received.map(|bytes| bytes as u64),
            }
        }
    }
}

fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

#[cfg(target_os = "linux")]
fn receive(stream: &TcpStream, room: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    SockRef::from(stream).recv_with_flags(room, libc::MSG_TRUNC)
}

#[cfg(not(target_os = "linux"))]
fn receive(stream: &TcpStream, room: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    SockRef::from(stream).recv(room)
}
