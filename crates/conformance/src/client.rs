//! What a client does, and what it got.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use crate::check::{Outcome, Stop};
use crate::content::difference;
use crate::server::Server;

/// How long a connection may take: on this machine, with an honest backlog, no time at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a whole reply may take: seconds more than the slowest right server needs.
const REPLY_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the server may take nothing, and how long it may take to say the first byte.
const PROMPT: Duration = Duration::from_secs(5);

/// How long one write waits for room, before it is looked at how long there was none.
const WRITE_SLICE: Duration = Duration::from_millis(500);

/// What every network carries (RFC 9293, 3.7.1).
#[cfg(unix)]
const SMALL_SEGMENT_BYTES: u32 = 536;

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    preamble: &'static [u8],
    /// The maximum time between two bytes of a reply.
    silence_timeout: Duration,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server said that it has no more: a FIN.
    Fin,
    /// The server threw it away: a RST.
    Reset,
    /// There was no end within so long; when the last byte came, if one did.
    None { waited: Duration, silent: Option<Duration> },
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fin => write!(f, "the server's FIN"),
            Self::Reset => write!(f, "a reset"),
            Self::None { waited, silent: None } => {
                write!(f, "nothing within {:.0} s", waited.as_secs_f32())
            }
            Self::None { waited, silent: Some(silent) } => write!(
                f,
                "no end within {:.0} s (the last byte came {:.1} s ago)",
                waited.as_secs_f32(),
                silent.as_secs_f32()
            ),
        }
    }
}

impl Client {
    pub fn connect(server: &Server) -> Result<Self, Stop> {
        Self::made(server, TcpStream::connect_timeout(&server.addr, CONNECT_TIMEOUT))
    }

    pub fn connect_small(server: &Server) -> Result<Self, Stop> {
        Self::made(server, stream_with_small_buffer(server.addr))
    }

    fn made(server: &Server, stream: io::Result<TcpStream>) -> Result<Self, Stop> {
        match stream {
            Ok(stream) => {
                stream.set_write_timeout(Some(WRITE_SLICE))?;
                Ok(Self {
                    stream,
                    preamble: server.preamble(),
                    silence_timeout: server.silence_timeout(),
                })
            }
            Err(error) => {
                server.expect_alive()?;
                Err(Stop::fail(format!("a client could not connect: {error}")))
            }
        }
    }

    /// Sends bytes; it fails when there is no room for any for 5 s.
    pub fn send(&self, bytes: &[u8]) -> Outcome {
        let mut sent = 0;
        let mut last = Instant::now();
        while sent < bytes.len() {
            match (&self.stream).write(&bytes[sent..]) {
                Ok(count) => {
                    sent += count;
                    last = Instant::now();
                }
                Err(error) if is_timeout(&error) && last.elapsed() < self.prompt() => {}
                Err(error) if is_timeout(&error) => {
                    return Err(Stop::fail(format!(
                        "after {sent} bytes the client could send no more for \
                         {} s: nobody reads them",
                        self.prompt().as_secs()
                    )));
                }
                Err(error) => {
                    let actual = format!("after {sent} bytes the client could send no more");
                    return Err(Stop::fail(format!("{actual}: {error}")));
                }
            }
        }
        Ok(())
    }

    /// Sends without a word about how it goes; false if the connection is gone.
    pub fn try_send(&self, bytes: &[u8]) -> bool {
        match (&self.stream).write(bytes) {
            Ok(count) => count > 0,
            Err(error) => is_timeout(&error),
        }
    }

    /// Ends the writing side: our FIN.
    pub fn half_close(&self) -> Outcome {
        Ok(self.stream.shutdown(Shutdown::Write)?)
    }

    /// Closes with a RST.
    pub fn reset(self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Reads so many bytes, or says what came instead.
    pub fn read_exactly(&self, bytes: usize) -> Result<Vec<u8>, Stop> {
        let (got, ending) = self.read(bytes, REPLY_TIMEOUT, self.silence_timeout);
        match ending {
            None => Ok(got),
            Some(ending) => {
                Err(Stop::fail(format!("{} of {bytes} bytes, then {ending}", got.len())))
            }
        }
    }

    /// The first byte must come soon; it stays unread. Says who waited in vain for it.
    pub fn expect_first_byte(&self, who: impl fmt::Display) -> Outcome {
        let timeout = self.prompt();
        match self.has_byte_within(timeout) {
            true => Ok(()),
            false => Err(Stop::fail(format!("{who} has no byte after {} s", timeout.as_secs()))),
        }
    }

    /// Whether the first byte comes in time; it stays unread.
    pub fn has_byte_within(&self, timeout: Duration) -> bool {
        let is_set = self.stream.set_read_timeout(Some(timeout)).is_ok();
        is_set && matches!(self.stream.peek(&mut [0]), Ok(1))
    }

    /// Reads until the connection ends, or nothing more comes within a time.
    pub fn read_until_end(&self, timeout: Duration) -> (Vec<u8>, Ending) {
        self.read_to_end(timeout, timeout)
    }

    /// Reads a whole reply.
    pub fn read_reply(&self) -> (Vec<u8>, Ending) {
        self.read_to_end(REPLY_TIMEOUT, self.silence_timeout)
    }

    /// Reads a whole reply that may take no longer than this.
    pub fn read_reply_within(&self, timeout: Duration) -> (Vec<u8>, Ending) {
        self.read_to_end(timeout, self.silence_timeout)
    }

    fn prompt(&self) -> Duration {
        PROMPT.min(self.silence_timeout)
    }

    fn read_to_end(&self, timeout: Duration, silence_timeout: Duration) -> (Vec<u8>, Ending) {
        let (got, ending) = self.read(usize::MAX, timeout, silence_timeout);
        (got, ending.unwrap_or(Ending::None { waited: timeout, silent: None }))
    }

    /// Reads at most `bytes` bytes. `timeout` limits the whole call, and `silence_timeout` limits
    /// the wait for each next byte. Returns the ending if the connection ended, or a timeout
    /// expired, before all bytes were read.
    fn read(
        &self,
        bytes: usize,
        timeout: Duration,
        silence_timeout: Duration,
    ) -> (Vec<u8>, Option<Ending>) {
        let started = Instant::now();
        let mut last = None;
        let mut got = Vec::new();
        let mut buffer = vec![0; 256 * 1024];
        while got.len() < bytes {
            let silent = last.map(|last: Instant| last.elapsed());
            let waited = started.elapsed();
            let left = timeout.saturating_sub(waited);
            let left = left.min(silence_timeout.saturating_sub(silent.unwrap_or(waited)));
            // A timeout of zero would mean none.
            let is_set = self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))));
            if left.is_zero() || is_set.is_err() {
                return (got, Some(Ending::None { waited, silent }));
            }
            let max = buffer.len().min(bytes - got.len());
            match (&self.stream).read(&mut buffer[..max]) {
                Ok(0) => return (got, Some(Ending::Fin)),
                Ok(count) => {
                    got.extend_from_slice(&buffer[..count]);
                    last = Some(Instant::now());
                }
                Err(error) if is_timeout(&error) || error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return (got, Some(Ending::Reset)),
            }
        }
        (got, None)
    }

    /// The preamble, the file, the server's FIN: nothing less, nothing else.
    pub fn expect_whole(&self, content: &[u8]) -> Outcome {
        let (got, ending) = self.read_reply();
        self.expect_reply(&got, content, ending)
    }

    /// The same for what was read already.
    pub fn expect_reply(&self, got: &[u8], content: &[u8], ending: Ending) -> Outcome {
        let expected = [self.preamble, content].concat();
        match difference(got, &expected) {
            Some(difference) => Err(Stop::fail(format!("{difference}; then {ending}"))),
            None if ending == Ending::Fin => Ok(()),
            None => Err(Stop::fail(format!("every byte, but then {ending} instead of a FIN"))),
        }
    }

    /// Returns whether the server has closed the socket, which means that the server's kernel
    /// answers further data with a RST.
    pub fn is_closed_by_server(&self) -> bool {
        let probe = |_| {
            let is_open = self.try_send(b"?");
            std::thread::sleep(Duration::from_millis(100));
            !is_open || matches!(SockRef::from(&self.stream).take_error(), Ok(Some(_)) | Err(_))
        };
        // The first write causes the RST, the second one fails because of it.
        (0..2).any(probe)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn stream_with_small_buffer(addr: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_recv_buffer_size(4096)?;
    // As over a real network. Between two programs of one machine the kernel's segments are so large
    // that it takes 3 MB for a client that reads nothing; with these it takes 100 kB (Linux 6.18).
    #[cfg(unix)]
    socket.set_tcp_mss(SMALL_SEGMENT_BYTES)?;
    socket.connect_timeout(&addr.into(), CONNECT_TIMEOUT)?;
    Ok(socket.into())
}
