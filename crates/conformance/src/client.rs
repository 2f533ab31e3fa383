//! A test client.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use crate::difference::difference;
use crate::verdict::{Outcome, Stop};

/// The time limit for `connect`, which returns almost immediately if the backlog is sufficient.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The time limit for a whole reply. The slowest correct server needs several seconds less.
const REPLY_TIMEOUT: Duration = Duration::from_secs(20);

/// The maximum time that a client waits for the first byte of a reply, or for the server to read
/// more data.
const PROMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum time that one write waits for send-buffer space. After each wait, the client checks
/// whether [`PROMPT_TIMEOUT`] has expired.
const WRITE_TIMEOUT: Duration = Duration::from_millis(500);

/// The time that [`Client::is_closed_by_server`] takes if the server has not closed its socket.
pub const CLOSED_TEST_TIME: Duration = Duration::from_millis(100);

/// The segment size that every IPv4 network can carry, in bytes (RFC 9293, 3.7.1).
#[cfg(unix)]
const SMALL_SEGMENT_BYTES: u32 = 536;

/// A test client with one connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    preamble: &'static [u8],
    /// The maximum time between two bytes of a reply.
    silence_timeout: Duration,
}

/// The end of a connection, as the client observes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server shut down its write half.
    Fin,
    /// The server sent an RST.
    Reset,
    /// The connection did not end within the time limit.
    Timeout { waited: Duration, since_last_byte: Option<Duration> },
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fin => write!(f, "the server's FIN"),
            Self::Reset => write!(f, "a reset"),
            Self::Timeout { waited, since_last_byte } => {
                write!(f, "a timeout after {:.0} s", waited.as_secs_f32())?;
                match since_last_byte {
                    Some(since) => write!(f, " ({:.1} s after the last byte)", since.as_secs_f32()),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Connects to a server.
pub fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&addr, CONNECT_TIMEOUT)
}

/// Connects to a server. The client's socket has a small receive buffer and small segments, as on a
/// slow network. Therefore, the server soon has to wait for the client. For a non-reading client on
/// the same machine, the kernel accepts 3 MB with segments of the default size, and at most 1.4 MB
/// with small segments (Linux 6.18).
pub fn connect_with_small_buffer(addr: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_recv_buffer_size(4096)?;
    #[cfg(unix)]
    socket.set_tcp_mss(SMALL_SEGMENT_BYTES)?;
    socket.connect_timeout(&addr.into(), CONNECT_TIMEOUT)?;
    Ok(socket.into())
}

impl Client {
    /// Creates a client that uses an open connection. `preamble` contains the bytes that the server
    /// must send before the file.
    pub fn new(
        stream: TcpStream,
        preamble: &'static [u8],
        silence_timeout: Duration,
    ) -> io::Result<Self> {
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        Ok(Self { stream, preamble, silence_timeout })
    }

    /// Sends bytes. Fails if the server reads nothing for [`PROMPT_TIMEOUT`].
    pub fn send(&self, bytes: &[u8]) -> Outcome {
        let all = bytes.len();
        let mut sent = 0;
        let mut progress_at = Instant::now();
        while sent < all {
            let why = match (&self.stream).write(&bytes[sent..]) {
                Ok(count) => {
                    sent += count;
                    progress_at = Instant::now();
                    continue;
                }
                Err(error) if !is_timeout(&error) => error.to_string(),
                Err(_) if progress_at.elapsed() < self.prompt_timeout() => continue,
                Err(_) => {
                    format!("the server read nothing for {} s", self.prompt_timeout().as_secs())
                }
            };
            return Err(Stop::fail(format!("expected to send {all} bytes, sent {sent}: {why}")));
        }
        Ok(())
    }

    /// Sends as many bytes as the send buffer accepts. Returns whether the connection is still
    /// open.
    pub fn try_send(&self, bytes: &[u8]) -> bool {
        match (&self.stream).write(bytes) {
            Ok(count) => count > 0,
            Err(error) => is_timeout(&error),
        }
    }

    /// Sends as many bytes as the send buffer accepts immediately. Returns whether the connection
    /// is still open.
    pub fn try_send_now(&self, bytes: &[u8]) -> bool {
        let is_open = self.stream.set_nonblocking(true).is_ok() && self.try_send(bytes);
        self.stream.set_nonblocking(false).is_ok() && is_open
    }

    /// Shuts down the write half, which sends a FIN.
    pub fn half_close(&self) -> Outcome {
        Ok(self.stream.shutdown(Shutdown::Write)?)
    }

    /// Closes the connection with an RST.
    pub fn reset(self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Reads exactly `count` bytes. Fails if the connection ends or a timeout expires before all
    /// bytes have arrived.
    pub fn read_exactly(&self, count: usize) -> Result<Vec<u8>, Stop> {
        let (got, ending) = self.read(count, REPLY_TIMEOUT);
        match ending {
            None => Ok(got),
            Some(ending) => {
                let (unit, got) = (if count == 1 { "byte" } else { "bytes" }, got.len());
                let message = format!("expected at least {count} {unit}, got {got}; then {ending}");
                Err(Stop::fail(message))
            }
        }
    }

    /// Reads `bytes` bytes `count` times, at intervals of 0.1 s. Returns all bytes.
    pub fn read_slowly(&self, count: usize, bytes: usize) -> Result<Vec<u8>, Stop> {
        let mut got = Vec::new();
        for _ in 0..count {
            got.extend(self.read_exactly(bytes)?);
            thread::sleep(Duration::from_millis(100));
        }
        Ok(got)
    }

    /// Expects that the first byte arrives within [`PROMPT_TIMEOUT`]. Does not read the byte.
    pub fn expect_first_byte(&self) -> Outcome {
        let timeout = self.prompt_timeout();
        self.first_byte(timeout).map_err(|ending| {
            let s = timeout.as_secs();
            Stop::fail(format!("expected the first byte within {s} s, got {ending}"))
        })
    }

    /// Waits for the first byte, but does not read the byte. Fails if no byte arrives within
    /// `timeout`.
    pub fn first_byte(&self, timeout: Duration) -> Result<(), Ending> {
        let set = self.stream.set_read_timeout(Some(timeout));
        match set.and_then(|()| self.stream.peek(&mut [0])) {
            Ok(0) => Err(Ending::Fin),
            Ok(_) => Ok(()),
            Err(error) if is_timeout(&error) => {
                Err(Ending::Timeout { waited: timeout, since_last_byte: None })
            }
            Err(_) => Err(Ending::Reset),
        }
    }

    /// Reads until the connection ends or [`REPLY_TIMEOUT`] expires. Returns the bytes and the
    /// ending.
    pub fn read_reply(&self) -> (Vec<u8>, Ending) {
        self.read_until_end(REPLY_TIMEOUT)
    }

    /// Reads until the connection ends or a timeout expires. Returns the bytes and the ending.
    pub fn read_until_end(&self, timeout: Duration) -> (Vec<u8>, Ending) {
        let (got, ending) = self.read(usize::MAX, timeout);
        let ending = ending.unwrap_or(Ending::Timeout { waited: timeout, since_last_byte: None });
        (got, ending)
    }

    /// Reads `count` bytes. Returns the bytes, and the ending if the connection ended or a timeout
    /// expired before all bytes were read. If all bytes were read, the ending is `None`. `timeout`
    /// limits the duration of the whole call. The silence timeout limits the wait for each byte.
    fn read(&self, count: usize, timeout: Duration) -> (Vec<u8>, Option<Ending>) {
        let started = Instant::now();
        let mut last_byte_at = None;
        let mut got = Vec::new();
        let mut buffer = vec![0; 256 * 1024];
        while got.len() < count {
            let waited = started.elapsed();
            let since_last_byte = last_byte_at.map(|at: Instant| at.elapsed());
            let silent = since_last_byte.unwrap_or(waited);
            let left =
                timeout.saturating_sub(waited).min(self.silence_timeout.saturating_sub(silent));
            // `set_read_timeout` does not accept a timeout of zero.
            let is_set = self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))));
            if left.is_zero() || is_set.is_err() {
                return (got, Some(Ending::Timeout { waited, since_last_byte }));
            }
            let max = buffer.len().min(count - got.len());
            match (&self.stream).read(&mut buffer[..max]) {
                Ok(0) => return (got, Some(Ending::Fin)),
                Ok(read) => {
                    got.extend_from_slice(&buffer[..read]);
                    last_byte_at = Some(Instant::now());
                }
                Err(error) if is_timeout(&error) || error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return (got, Some(Ending::Reset)),
            }
        }
        (got, None)
    }

    /// Expects the preamble, the file, the server's FIN, and nothing else.
    pub fn expect_whole(&self, content: &[u8]) -> Outcome {
        self.expect_rest(Vec::new(), content)
    }

    /// Reads the rest of a reply and checks the whole reply (see
    /// [`expect_whole`](Self::expect_whole)). `got` is the part that was already read.
    pub fn expect_rest(&self, mut got: Vec<u8>, content: &[u8]) -> Outcome {
        let (rest, ending) = self.read_reply();
        got.extend(rest);
        self.expect_reply(&got, content, ending)
    }

    /// Checks a reply that was already read (see [`expect_whole`](Self::expect_whole)).
    pub fn expect_reply(&self, got: &[u8], content: &[u8], ending: Ending) -> Outcome {
        let expected = [self.preamble, content].concat();
        match difference(got, &expected) {
            Some(difference) => Err(Stop::fail(format!("{difference}; then {ending}"))),
            None if ending == Ending::Fin => Ok(()),
            None => Err(Stop::fail(format!("expected a FIN after the last byte, got {ending}"))),
        }
    }

    /// Returns whether the server has closed its socket. For a closed socket, the server's kernel
    /// answers further data with an RST.
    pub fn is_closed_by_server(&self) -> bool {
        // The client sends only once, because a server may close its socket after it has read the
        // data. In that case, further data would also cause an RST.
        let is_open = self.try_send(b"?");
        thread::sleep(CLOSED_TEST_TIME);
        !is_open || self.is_reset()
    }

    /// Returns whether the server has reset the connection. Does not read or send any data.
    pub fn is_reset(&self) -> bool {
        matches!(SockRef::from(&self.stream).take_error(), Ok(Some(_)) | Err(_))
    }

    fn prompt_timeout(&self) -> Duration {
        PROMPT_TIMEOUT.min(self.silence_timeout)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
