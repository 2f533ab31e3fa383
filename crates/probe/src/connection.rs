//! Opens a connection, sends and reads data as the options specify, and prints a line for each
//! event.

use std::fmt::Display;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use socket2::{Domain, SockRef, Socket, Type};

use crate::cli::Options;
use crate::compare::Comparison;
use harness::text::{count_bytes, elapsed, hex};

/// The maximum time until the connection is established.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum number of bytes per read or write.
const BUFFER_BYTES: usize = 64 * 1024;

/// The size of the receive buffer with `--small`, in bytes. Linux doubles this size.
const SMALL_BUFFER_BYTES: usize = 4096;

/// The segment size with `--small`, in bytes. Every network supports this size (RFC 9293, 3.7.1).
/// On loopback, segments contain up to 64 KiB by default, and the kernel accepts 3 MB for a client
/// that does not read. With small segments, the kernel accepts at most 1.4 MB (Linux 6.18).
#[cfg(unix)]
const SMALL_SEGMENT_BYTES: u32 = 536;

/// The interval at which the client checks for a reset during a pause.
const RESET_CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// The interval between two lines that show the number of received bytes.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// The minimum length of a pause for which the client prints a line before the pause.
const LONG_PAUSE: Duration = Duration::from_secs(5);

/// The number of reads per second with `--slow`.
const SLOW_READS_PER_S: u64 = 10;

/// Opens a connection. Sends and reads data as the options specify. Returns whether the connection
/// ended as intended and the reply was correct.
///
/// # Errors
///
/// Fails if the client cannot connect, or if it cannot read the file that `--expect` specifies.
pub fn run(options: &Options) -> Result<bool> {
    let comparison = options.expect.as_deref().map(Comparison::open).transpose()?;
    let (stream, is_reset) = connect(options).map_err(|error| {
        let help = match error.kind() {
            ErrorKind::ConnectionRefused => "start a server first (cargo run -p serve-tokio)",
            _ => "check the address, and check whether a firewall drops the packets",
        };
        anyhow!("cannot connect to `{}`: {error}\nhelp: {help}", options.server)
    })?;
    let mut connection = Connection {
        options,
        stream,
        started: Instant::now(),
        is_reset: false,
        sent_bytes: 0,
        received_bytes: 0,
        head: Vec::new(),
        comparison,
    };
    line(format_args!("connected to {}", options.server));
    if is_reset {
        connection.record_reset();
    }
    let end = match connection.communicate() {
        Ok(end) | Err(end) => end,
    };
    connection.finish(end)
}

#[derive(Debug)]
struct Connection<'a> {
    options: &'a Options,
    stream: TcpStream,
    started: Instant,
    /// Indicates whether the client has noticed that the server reset the connection.
    is_reset: bool,
    sent_bytes: u64,
    received_bytes: u64,
    /// The beginning of the reply, which `--hex` prints.
    head: Vec<u8>,
    comparison: Option<Comparison>,
}

/// The reason for the end of the connection.
#[derive(Debug)]
enum End {
    /// The server sent its FIN.
    Fin,
    /// The server reset the connection.
    Reset,
    /// No data arrived within the timeout.
    ReadTimeout,
    /// No data could be sent within the timeout.
    WriteTimeout,
    /// The client closes the connection.
    OwnClose,
    /// The client resets the connection.
    OwnReset,
    /// The client cannot continue because of an error.
    Failed(anyhow::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Self::ReadTimeout,
            // A write can fail with `BrokenPipe` if the server has reset the connection.
            ConnectionReset | BrokenPipe | ConnectionAborted | NotConnected => Self::Reset,
            _ => Self::Failed(error.into()),
        }
    }
}

impl Connection<'_> {
    /// Executes the options in the order that the help text states. Returns the reason for the end
    /// of the connection.
    fn communicate(&mut self) -> Result<End, End> {
        let options = self.options;
        self.send()?;
        if options.half_close {
            match self.stream.shutdown(Shutdown::Write).map_err(End::from) {
                Ok(()) => line("half-closed the connection: sent a FIN"),
                Err(End::Reset) => self.record_reset(),
                Err(end) => return Err(end),
            }
        }
        self.read_nothing(options.wait);
        if let Some(bytes) = options.read {
            self.read(bytes)?;
        }
        self.read_nothing(options.stay);
        if options.reset {
            return Ok(End::OwnReset);
        }
        // If `--stay` is not set, the client closes the connection after it has read the bytes.
        if options.close || (options.read.is_some() && options.stay.is_zero()) {
            return Ok(End::OwnClose);
        }
        if options.small && options.slow.is_none() {
            // Enlarge the receive buffer. With a small receive buffer, the timers of the kernel
            // would limit the speed of further reads.
            let _ = SockRef::from(&self.stream).set_recv_buffer_size(BUFFER_BYTES);
        }
        self.read(u64::MAX)?;
        Ok(End::Fin)
    }

    /// Sends the text of `--send` and the zero bytes of `--upload`.
    fn send(&mut self) -> Result<(), End> {
        if let Some(text) = &self.options.send {
            self.write_all(text)?;
            line(format_args!("sent {}", count_bytes(self.sent_bytes)));
        }
        let text_bytes = self.sent_bytes;
        let mut left = self.options.upload;
        while left > 0 && !self.is_reset {
            let count = left.min(BUFFER_BYTES as u64);
            self.write_all(&[0; BUFFER_BYTES][..count as usize])?;
            left -= count;
        }
        if self.options.upload > 0 {
            let uploaded = count_bytes(self.sent_bytes - text_bytes);
            line(format_args!("uploaded {uploaded} after {}", self.time()));
        }
        Ok(())
    }

    /// Sends all bytes, or stops early if the server resets the connection.
    fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), End> {
        while !bytes.is_empty() && !self.is_reset {
            match self.stream.write(bytes) {
                Ok(count) => {
                    self.sent_bytes += count as u64;
                    bytes = &bytes[count..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => match End::from(error) {
                    End::Reset => self.record_reset(),
                    End::ReadTimeout => return Err(End::WriteTimeout),
                    end => return Err(end),
                },
            }
        }
        Ok(())
    }

    /// Reads nothing for `time`, or until the server resets the connection.
    fn read_nothing(&mut self, time: Duration) {
        if time.is_zero() || self.is_reset {
            return;
        }
        if time >= LONG_PAUSE {
            line(format_args!("reading nothing for {}", elapsed(time)));
        }
        self.pause_until(Instant::now() + time);
        if !self.is_reset {
            line(format_args!("read nothing until {}", self.time()));
        }
    }

    fn pause_until(&mut self, end: Instant) {
        while Instant::now() < end && !self.is_reset {
            thread::sleep((end - Instant::now()).min(RESET_CHECK_INTERVAL));
            // This call removes the error from the socket, so that later reads return 0 (EOF).
            // Therefore, record the reset now.
            if let Ok(Some(_)) = SockRef::from(&self.stream).take_error() {
                self.record_reset();
            }
        }
    }

    fn record_reset(&mut self) {
        self.is_reset = true;
        let time = self.time();
        line(format_args!("the server reset the connection (RST), noticed after {time}"));
    }

    /// Reads until `bytes_max` bytes of the reply have arrived.
    fn read(&mut self, bytes_max: u64) -> Result<(), End> {
        let slow = self.options.slow;
        let read_bytes_max = slow.map_or(u64::MAX, |rate| (rate / SLOW_READS_PER_S).max(1));
        let (started, bytes_before) = (Instant::now(), self.received_bytes);
        let mut printed = started;
        let mut buffer = [0; BUFFER_BYTES];
        while self.received_bytes < bytes_max {
            let left = (bytes_max - self.received_bytes).min(read_bytes_max);
            let count = left.min(BUFFER_BYTES as u64) as usize;
            match self.stream.read(&mut buffer[..count]) {
                Ok(0) if self.is_reset => return Err(End::Reset),
                Ok(0) => return Err(End::Fin),
                Ok(count) => {
                    self.record_received(&buffer[..count]).map_err(End::Failed)?;
                    let slow_bytes = (self.received_bytes - bytes_before) as f64;
                    let seconds = slow.map_or(0.0, |rate| slow_bytes / rate as f64);
                    self.pause_until(started + Duration::from_secs_f64(seconds));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
            if printed.elapsed() >= PROGRESS_INTERVAL && !self.options.times {
                printed = Instant::now();
                line(format_args!("{} after {}", count_bytes(self.received_bytes), self.time()));
            }
        }
        Ok(())
    }

    fn record_received(&mut self, bytes: &[u8]) -> Result<()> {
        if self.received_bytes == 0 {
            line(format_args!("first byte after {}", self.time()));
        }
        if self.options.times {
            line(format_args!("{:>9}  {}", self.time(), count_bytes(bytes.len() as u64)));
        }
        self.received_bytes += bytes.len() as u64;
        let missing = self.options.hex.saturating_sub(self.head.len() as u64);
        self.head.extend(bytes.iter().take(missing as usize));
        self.comparison.as_mut().map_or(Ok(()), |comparison| comparison.add(bytes))
    }

    /// Ends the connection and prints the reason. Returns whether the connection ended as intended
    /// and the reply was correct.
    fn finish(self, end: End) -> Result<bool> {
        let is_intended = matches!(end, End::Fin | End::OwnClose | End::OwnReset);
        let (received, time) = (count_bytes(self.received_bytes), self.time());
        let timeout = elapsed(self.options.timeout);
        line(match end {
            End::Fin => format!("{received}, then the server's FIN (end of file) after {time}"),
            End::Reset if self.is_reset => {
                format!("received {received} before the reset; the rest of the reply is lost")
            }
            End::Reset => {
                format!("{received}, then a reset (RST) after {time}: the data in transit is lost")
            }
            End::ReadTimeout => {
                format!("{received}, then nothing for {timeout}: the connection is still open")
            }
            End::WriteTimeout => {
                let sent = count_bytes(self.sent_bytes);
                format!("sent {sent}, then could not send for {timeout}: the server does not read")
            }
            End::OwnClose => format!("{received}, then closed by the client after {time}"),
            End::OwnReset => {
                // Set `SO_LINGER` to 0, so that the kernel sends an RST when the socket is closed.
                SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
                format!("{received}, then reset by the client (RST) after {time}")
            }
            End::Failed(error) => return Err(error),
        });
        drop(self.stream);
        print(hex(&self.head, self.received_bytes > self.head.len() as u64));
        let Some(comparison) = self.comparison else { return Ok(is_intended) };
        let (verdict, is_correct) = comparison.verdict()?;
        line(verdict);
        Ok(is_intended && is_correct)
    }

    /// Formats the time that has passed since the connection was established.
    fn time(&self) -> String {
        elapsed(self.started.elapsed())
    }
}

/// Connects to the server. Returns the connection, and whether the server has already reset it.
fn connect(options: &Options) -> io::Result<(TcpStream, bool)> {
    let socket = Socket::new(Domain::for_address(options.server), Type::STREAM, None)?;
    // Set the options of the socket before connecting. After a reset, setting an option may fail.
    let timeout = Some(options.timeout.max(Duration::from_millis(1)));
    socket.set_read_timeout(timeout)?;
    socket.set_write_timeout(timeout)?;
    if options.small {
        socket.set_recv_buffer_size(SMALL_BUFFER_BYTES)?;
        #[cfg(unix)]
        socket.set_tcp_mss(SMALL_SEGMENT_BYTES)?;
        #[cfg(target_os = "linux")]
        if options.server.is_ipv4() && options.server.ip().is_loopback() {
            socket.bind(&std::net::SocketAddr::new(harness::port::unused_loopback(), 0).into())?;
        }
    }
    match socket.connect_timeout(&options.server.into(), CONNECT_TIMEOUT) {
        Ok(()) => Ok((socket.into(), false)),
        // The server accepted the connection and then reset it. If the server had not accepted the
        // connection, the error would be `ConnectionRefused`.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok((socket.into(), true)),
        Err(error) => Err(error),
    }
}

/// Prints a line to stdout immediately.
fn line(text: impl Display) {
    print(format_args!("{text}\n"));
}

/// Prints to stdout. Ignores the error if stdout is closed.
fn print(text: impl Display) {
    let mut stdout = io::stdout().lock();
    let _ = write!(stdout, "{text}").and_then(|()| stdout.flush());
}
