//! The conversation: one connection from its beginning to its end, told as it goes.

use std::fmt::Display;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use crate::cli::{End, Plan};
use crate::expect::Expected;
use probe::text::{counted, elapsed, hex};

/// How long a server may take to let a connection be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The most that one read or write moves.
const BUFFER_BYTES: usize = 64 * 1024;

/// What the kernel is asked to keep for a client with `--small`, at most; it may take twice that.
const SMALL_BUFFER_BYTES: usize = 4096;

/// What every network carries (RFC 9293, 3.7.1). Within one machine segments are of 64 KiB, and with
/// such the kernel takes 3 MB for a client who reads nothing; with these 100 kB (Linux 6.18).
#[cfg(unix)]
const SMALL_SEGMENT_BYTES: u32 = 536;

/// How often a wait looks whether the connection is still there.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// How often a long reading says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// A time in which nothing is read is said beforehand if it is so long.
const LONG_PAUSE: Duration = Duration::from_secs(5);

/// A slow reader takes its bytes in so many steps a second.
const SLOW_STEPS_PER_S: u64 = 10;

/// Makes the connection and does what was planned; whether it ended as it should.
///
/// # Errors
///
/// Returns a message if the connection could not be made, with help.
pub(crate) fn talk(plan: &Plan) -> Result<bool, String> {
    let expected = plan.expect.as_deref().map(Expected::open).transpose()?;
    let (stream, is_reset) = connect(plan).map_err(|error| not_connected(plan, &error))?;
    let mut talk = Talk {
        plan,
        stream,
        started: Instant::now(),
        reset: None,
        reply: Reply { bytes: 0, head: Vec::new(), expected },
    };
    tell(format_args!("connected to {}", plan.addr));
    if is_reset {
        talk.note_reset();
    }
    let ending = talk.carry_out().map_err(|error| error.to_string())?;
    talk.conclude(ending).map_err(|error| error.to_string())
}

/// One connection on its way.
#[derive(Debug)]
struct Talk<'a> {
    plan: &'a Plan,
    stream: TcpStream,
    started: Instant,
    /// When it was noticed that the server had reset the connection.
    reset: Option<Duration>,
    reply: Reply,
}

/// The received part of the reply.
#[derive(Debug)]
struct Reply {
    bytes: u64,
    /// The beginning, to be shown.
    head: Vec<u8>,
    expected: Option<Expected>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// The server has no more to say.
    Fin,
    /// The server threw it away.
    Reset,
    /// Nothing came any more, no end either.
    Silence,
    /// What the client says finds no room; so much had.
    Stuck(u64),
    /// The client ended it as it was told.
    Here(End),
}

impl Talk<'_> {
    /// Everything that was planned, in its order.
    fn carry_out(&mut self) -> io::Result<Ending> {
        let plan = self.plan;
        if let Some(stuck) = self.say()? {
            return Ok(stuck);
        }
        if plan.is_half_closing {
            match self.stream.shutdown(Shutdown::Write) {
                Ok(()) => tell("then our FIN: that was all (half-close)"),
                Err(error) if is_reset(&error) => self.note_reset(),
                Err(error) => return Err(error),
            }
        }
        self.idle(plan.wait);
        if let Some(bytes) = plan.read_bytes {
            if let Some(ending) = self.read(bytes)? {
                return Ok(ending);
            }
        }
        self.idle(plan.stay);
        if let Some(end) = plan.end {
            return Ok(Ending::Here(end));
        }
        self.widen();
        Ok(self.read(u64::MAX)?.unwrap_or(Ending::Fin))
    }

    /// Says what is to be said, and uploads; the ending if that gets stuck.
    fn say(&mut self) -> io::Result<Option<Ending>> {
        let plan = self.plan;
        let said_bytes = plan.say.len() as u64;
        if said_bytes > 0 {
            let sent = self.send(&plan.say)?;
            tell(format_args!("said {}", counted(sent)));
            if sent < said_bytes && self.reset.is_none() {
                return Ok(Some(Ending::Stuck(sent)));
            }
        }
        let mut sent = 0;
        let zeros = [0; BUFFER_BYTES];
        while sent < plan.upload_bytes && self.reset.is_none() {
            let piece =
                zeros.len().min(usize::try_from(plan.upload_bytes - sent).unwrap_or(BUFFER_BYTES));
            let taken = self.send(&zeros[..piece])?;
            sent += taken;
            if taken < piece as u64 && self.reset.is_none() {
                return Ok(Some(Ending::Stuck(said_bytes + sent)));
            }
        }
        if plan.upload_bytes > 0 {
            tell(format_args!("uploaded {} after {}", counted(sent), self.at()));
        }
        Ok(None)
    }

    /// Sends bytes; how many found room before a reset or the time limit.
    fn send(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => break,
                Err(error) if is_reset(&error) => {
                    self.note_reset();
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(sent as u64)
    }

    /// Reads nothing for a while, but notices if the server resets the connection meanwhile.
    fn idle(&mut self, time: Duration) {
        if time.is_zero() || self.reset.is_some() {
            return;
        }
        if time >= LONG_PAUSE {
            tell(format_args!("reading nothing for {}", elapsed(time)));
        }
        self.pause(time);
        if self.reset.is_none() {
            tell(format_args!("read nothing until {}", self.at()));
        }
    }

    /// Sleeps, and looks meanwhile whether the server resets the connection: then it is over.
    fn pause(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.reset.is_some() {
                return;
            }
            thread::sleep(left.min(LOOK_INTERVAL));
            // To ask takes the error away, so that a later read would take the reset for a FIN.
            if let Ok(Some(_)) = SockRef::from(&self.stream).take_error() {
                self.note_reset();
            }
        }
    }

    fn note_reset(&mut self) {
        let at = self.started.elapsed();
        self.reset = Some(at);
        tell(format_args!("the server reset the connection (RST): seen after {}", elapsed(at)));
    }

    /// Reads until it has so many bytes, or to the end, which is then told.
    fn read(&mut self, bytes_max: u64) -> io::Result<Option<Ending>> {
        let begun = Instant::now();
        let begun_bytes = self.reply.bytes;
        let mut said_at = begun;
        let mut buffer = [0; BUFFER_BYTES];
        while self.reply.bytes < bytes_max {
            let left = usize::try_from(bytes_max - self.reply.bytes).unwrap_or(BUFFER_BYTES);
            let step = self.step_bytes().min(left);
            match self.stream.read(&mut buffer[..step]) {
                Ok(0) => return Ok(Some(self.reset.map_or(Ending::Fin, |_| Ending::Reset))),
                Ok(count) => self.took(&buffer[..count])?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Ok(Some(Ending::Silence)),
                Err(error) if is_reset(&error) => return Ok(Some(Ending::Reset)),
                Err(error) => return Err(error),
            }
            if said_at.elapsed() >= PROGRESS_INTERVAL && !self.plan.shows_times {
                said_at = Instant::now();
                tell(format_args!("{} after {}", counted(self.reply.bytes), self.at()));
            }
            if let Some(rate) = self.plan.slow_bytes_per_s {
                let taken = self.reply.bytes - begun_bytes;
                let due = begun + Duration::from_secs_f64(taken as f64 / rate as f64);
                self.pause(due.saturating_duration_since(Instant::now()));
            }
        }
        Ok(None)
    }

    fn step_bytes(&self) -> usize {
        let step = |rate: u64| (rate / SLOW_STEPS_PER_S).clamp(1, BUFFER_BYTES as u64) as usize;
        self.plan.slow_bytes_per_s.map_or(BUFFER_BYTES, step)
    }

    /// Makes the small buffer large again for a client who now reads as fast as it can: with a small
    /// one the kernels' timers would set the pace.
    fn widen(&self) {
        if self.plan.is_small && self.plan.slow_bytes_per_s.is_none() {
            // If it stays small, it only takes longer.
            let _ = SockRef::from(&self.stream).set_recv_buffer_size(BUFFER_BYTES);
        }
    }

    fn took(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.reply.bytes == 0 {
            tell(format_args!("first byte after {}", self.at()));
        }
        if self.plan.shows_times {
            tell(format_args!("{:>9}  {}", self.at(), counted(bytes.len() as u64)));
        }
        let reply = &mut self.reply;
        reply.bytes += bytes.len() as u64;
        let room = self.plan.hex_bytes.saturating_sub(reply.head.len());
        reply.head.extend_from_slice(&bytes[..room.min(bytes.len())]);
        match &mut reply.expected {
            Some(expected) => expected.take(bytes),
            None => Ok(()),
        }
    }

    /// Tells how it ended, and what came; whether that is as it should be.
    fn conclude(self, ending: Ending) -> io::Result<bool> {
        let at = self.at();
        let Reply { bytes, head, expected } = self.reply;
        let received = counted(bytes);
        let waited = elapsed(self.plan.timeout);
        match ending {
            Ending::Fin => {
                tell(format_args!("{received}, then the server's FIN (end of file) after {at}"));
            }
            Ending::Reset if self.reset.is_some() => {
                tell(format_args!("{received} had come before the reset; the rest is lost"));
            }
            Ending::Reset => {
                let lost = "what was under way is lost";
                tell(format_args!("{received}, then a reset (RST) after {at}: {lost}"));
            }
            Ending::Silence => {
                let open = "the connection is still open";
                tell(format_args!("{received}, then nothing for {waited}, and no end: {open}"));
            }
            Ending::Stuck(sent) => {
                let sent = counted(sent);
                tell(format_args!("stuck: {sent} found room, then none more for {waited}"));
                tell("nobody reads what we say");
            }
            Ending::Here(End::Close) => {
                tell(format_args!("{received}, then closed here after {at}"))
            }
            Ending::Here(End::Reset) => {
                // The next thing that happens to the socket is that it is dropped.
                SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
                tell(format_args!("{received}, then reset here (RST) after {at}"));
            }
        }
        drop(self.stream);
        write(hex(&head, bytes > head.len() as u64));
        let is_whole = match expected {
            Some(mut expected) => {
                let (said, is_whole) = expected.verdict()?;
                tell(said);
                is_whole
            }
            None => true,
        };
        Ok(is_whole && matches!(ending, Ending::Fin | Ending::Here(_)))
    }

    fn at(&self) -> String {
        elapsed(self.started.elapsed())
    }
}

/// Connects; whether the server has reset the connection already.
fn connect(plan: &Plan) -> io::Result<(TcpStream, bool)> {
    let socket = Socket::new(Domain::for_address(plan.addr), Type::STREAM, None)?;
    // Before it is connected: a socket that was reset may take no options any more.
    let timeout = Some(plan.timeout.max(Duration::from_millis(1)));
    socket.set_read_timeout(timeout)?;
    socket.set_write_timeout(timeout)?;
    if plan.is_small {
        socket.set_recv_buffer_size(SMALL_BUFFER_BYTES)?;
        #[cfg(unix)]
        socket.set_tcp_mss(SMALL_SEGMENT_BYTES)?;
        #[cfg(target_os = "linux")]
        if plan.addr.is_ipv4() && plan.addr.ip().is_loopback() {
            socket.bind(&std::net::SocketAddr::new(probe::address::unused(), 0).into())?;
        }
    }
    match socket.connect_timeout(&plan.addr.into(), CONNECT_TIMEOUT) {
        Ok(()) => Ok((socket.into(), false)),
        // Connected it was, since otherwise it would have been refused.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok((socket.into(), true)),
        Err(error) => Err(error),
    }
}

fn not_connected(plan: &Plan, error: &io::Error) -> String {
    let addr = plan.addr;
    match error.kind() {
        ErrorKind::ConnectionRefused => format!(
            "nobody listens on {addr}; start a server first (cargo run -p serve-tokio), or name \
             the address that it tells when it listens"
        ),
        ErrorKind::TimedOut => format!(
            "no answer from {addr} within {}; is the address right, and does a firewall stand \
             between?",
            elapsed(CONNECT_TIMEOUT)
        ),
        _ => format!("{addr} cannot be reached: {error}; name host and port of a server that runs"),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Whether the connection is gone; for one who writes a reset may look like a broken pipe.
fn is_reset(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(error.kind(), ConnectionReset | BrokenPipe | ConnectionAborted | NotConnected)
}

/// One line on stdout, at once.
fn tell(line: impl Display) {
    write(format_args!("{line}\n"));
}

/// Writes to stdout, which may be closed.
fn write(text: impl Display) {
    let mut stdout = io::stdout().lock();
    let _ = write!(stdout, "{text}").and_then(|()| stdout.flush());
}
