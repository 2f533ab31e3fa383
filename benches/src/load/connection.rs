//! Sends the request on one connection. Receives and verifies the reply.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use xxhash_rust::xxh3::Xxh3;

use super::failure::{Failure, Kind};
use super::plan::Plan;
use super::preamble::Preamble;
use super::socket;

/// The maximum number of bytes per read while the preamble is incomplete and the client discards
/// the file. With a small value, the kernel copies only a small part of the file together with the
/// preamble.
const PREAMBLE_READ_BYTES: usize = 4096;

/// The maximum number of consecutive reads from one connection. This limit ensures that all
/// connections make progress.
const READS_MAX: usize = 8;

/// The number of reads per second of a client with a limited read rate. A larger number would cost
/// more CPU time.
const SLOW_READS_PER_S: u64 = 10;

/// Indicates whether a read that does not fill the buffer has always read all available data. With
/// epoll, the client can then omit the next read, which would return `WouldBlock`.
const PARTIAL_READ_IS_LAST: bool = cfg!(target_os = "linux");

pub(super) struct Connection {
    pub stream: TcpStream,
    /// The index of the connection. The first connection has the index 0.
    pub number: u64,
    /// The planned start of the connection.
    pub due: Instant,
    /// The time of the last read that returned data, or the time at which the client connected if
    /// no read has returned data yet.
    pub last_active: Instant,
    /// The time from the planned start to the first byte of the reply.
    pub first_byte: Option<Duration>,
    /// The number of received bytes of the reply, including the preamble.
    pub received_bytes: u64,
    pub is_connected: bool,
    /// Indicates whether a read may return data.
    pub is_readable: bool,
    /// Indicates whether the server's FIN or RST has arrived.
    pub is_read_closed: bool,
    /// Indicates whether the connection is in the worker's queue.
    pub is_queued: bool,
    is_reset: bool,
    is_half_closed: bool,
    /// Indicates whether a flooding client has received the whole reply and the server's FIN.
    is_complete: bool,
    sent_bytes: usize,
    body_bytes: u64,
    preamble: Preamble,
    hash: Option<Xxh3>,
    /// The earliest time of the next read, if the read rate is limited.
    next_read: Instant,
}

/// The next action of the worker for a connection.
pub(super) enum Step {
    /// Waits for an event on the connection.
    Wait,
    /// Reads again after all other queued connections.
    Continue,
    /// Closes the connection and records the result.
    End(Result<(), Failure>),
}

impl Connection {
    pub fn start(plan: &Plan, number: u64, due: Instant) -> Result<Self, Failure> {
        let (stream, is_connected) =
            socket::connect(plan).map_err(|error| Failure::of_connect(&error))?;
        let now = Instant::now();
        let is_hashed = plan.expected.is_some_and(|expected| expected.xxh3.is_some())
            && plan.content.is_none()
            && !plan.is_discarding
            && plan.reset_after_bytes.is_none();
        Ok(Self {
            stream,
            number,
            due,
            last_active: now,
            first_byte: None,
            received_bytes: 0,
            is_connected,
            is_readable: false,
            is_read_closed: false,
            is_queued: false,
            is_reset: false,
            is_half_closed: false,
            is_complete: false,
            sent_bytes: 0,
            body_bytes: 0,
            preamble: Preamble::new(plan.preamble),
            hash: is_hashed.then(Xxh3::new),
            next_read: now,
        })
    }

    /// Sends the request until the kernel accepts no more data. Then half-closes the connection if
    /// the plan requires this. Returns whether the whole request was sent.
    ///
    /// On loopback, the connection is established as soon as `connect` returns. A successful write
    /// proves that the connection is established. No additional system call is necessary.
    pub fn send_request(&mut self, plan: &Plan) -> Result<bool, Failure> {
        while self.sent_bytes < plan.request.len() {
            match self.stream.write(&plan.request[self.sent_bytes..]) {
                Ok(count) => {
                    self.is_connected = true;
                    self.sent_bytes += count;
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::NotConnected => return Ok(false),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => self.record_reset(plan),
                    _ if self.is_connected => self.record_reset(plan),
                    _ => return Err(Failure::of_connect(&error)),
                },
            }
        }
        if plan.is_half_closing && self.is_connected && !self.is_half_closed {
            self.is_half_closed = true;
            // Ignore an error, because this call fails if the server has reset the connection. In
            // this case, the next read reports the reset.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        Ok(true)
    }

    /// Sends bytes of a flooding client, at most until the kernel accepts no more data. If the
    /// server has reset the connection after the whole reply, the connection ends as expected.
    pub fn flood(&mut self, plan: &Plan, bytes: &[u8]) -> Step {
        match self.stream.write(bytes) {
            Err(error) if !is_temporary(&error) => match self.is_complete {
                true => return Step::End(Ok(())),
                false => self.record_reset(plan),
            },
            _ => {}
        }
        Step::Wait
    }

    /// Records that a write failed because the server reset the connection. The client can still
    /// read data that arrived earlier. The kernel reports the reset only once. Later reads return
    /// this data and then 0 bytes, as after a FIN.
    fn record_reset(&mut self, plan: &Plan) {
        self.is_connected = true;
        self.is_reset = true;
        self.sent_bytes = plan.request.len();
    }

    pub fn check_connected(&mut self) -> Result<(), Failure> {
        self.is_connected =
            socket::is_connected(&self.stream).map_err(|error| Failure::of_connect(&error))?;
        Ok(())
    }

    /// Checks whether a non-reading client has received the first byte of its reply. Does not
    /// remove the byte from the receive buffer.
    pub fn check_first_byte(&mut self, plan: &Plan) -> Step {
        if !self.is_readable || self.first_byte.is_some() {
            return Step::Wait;
        }
        match self.stream.peek(&mut [0]) {
            Ok(0) => Step::End(self.check_reply(plan)),
            Ok(_) => {
                self.first_byte = Some(self.due.elapsed());
                Step::Wait
            }
            Err(error) if is_temporary(&error) => Step::Wait,
            Err(error) => Step::End(Err(Failure::of_read(&error, 0))),
        }
    }

    /// Reads the data that has arrived, with at most [`READS_MAX`] reads.
    pub fn receive(&mut self, plan: &Plan, buffer: &mut Vec<u8>, now: Instant) -> Step {
        if self.is_complete {
            return Step::Wait;
        }
        for _ in 0..READS_MAX {
            match self.max_bytes(plan, now) {
                Some(0) => return Step::End(Ok(())),
                Some(max_bytes) if self.is_readable => {
                    match self.read(plan, buffer, max_bytes, now) {
                        Ok(None) => self.is_readable = false,
                        Ok(Some(0)) => {
                            let result = self.check_reply(plan);
                            self.is_complete = plan.flood_bytes_per_s.is_some() && result.is_ok();
                            return if self.is_complete { Step::Wait } else { Step::End(result) };
                        }
                        Ok(Some(_)) => {}
                        Err(failure) => return Step::End(Err(failure)),
                    }
                }
                _ => return Step::Wait,
            }
        }
        Step::Continue
    }

    /// Returns the maximum number of bytes to read now. Returns 0 if the client must reset the
    /// connection now. Returns `None` if the read rate is limited and the client must wait.
    fn max_bytes(&self, plan: &Plan, now: Instant) -> Option<u64> {
        let remaining = plan.reset_after_bytes.map_or(u64::MAX, |max| max - self.received_bytes);
        match plan.slow_bytes_per_s {
            Some(_) if remaining > 0 && now < self.next_read => None,
            Some(bytes_per_s) => Some(remaining.min((bytes_per_s / SLOW_READS_PER_S).max(1))),
            None => Some(remaining),
        }
    }

    /// Reads once. Returns the number of received bytes (0 at EOF), or `None` if no data is
    /// available.
    fn read(
        &mut self,
        plan: &Plan,
        buffer: &mut Vec<u8>,
        max_bytes: u64,
        now: Instant,
    ) -> Result<Option<usize>, Failure> {
        let max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        let is_discarding = plan.is_discarding && self.preamble.is_complete();
        let (result, asked_bytes) = if is_discarding {
            let spare = buffer.spare_capacity_mut();
            let bytes = max_bytes.min(spare.len());
            (socket::discard(&self.stream, &mut spare[..bytes]), bytes)
        } else {
            let most = if plan.is_discarding { PREAMBLE_READ_BYTES } else { buffer.len() };
            let bytes = max_bytes.min(most);
            (self.stream.read(&mut buffer[..bytes]), bytes)
        };
        let count = match result {
            Ok(count) => count,
            Err(error) if is_temporary(&error) => return Ok(None),
            Err(error) => return Err(Failure::of_read(&error, self.received_bytes)),
        };
        if count == 0 {
            return Ok(Some(0));
        }
        self.record_received(plan, count, now);
        if is_discarding {
            self.body_bytes += count as u64;
        } else {
            let body = self.preamble.strip(&buffer[..count])?;
            self.check_content(plan, body)?;
            self.body_bytes += body.len() as u64;
            if let Some(hash) = &mut self.hash {
                hash.update(body);
            }
        }
        if PARTIAL_READ_IS_LAST && count < asked_bytes && !self.is_read_closed {
            self.is_readable = false;
        }
        self.check_length(plan)?;
        Ok(Some(count))
    }

    fn record_received(&mut self, plan: &Plan, count: usize, now: Instant) {
        self.last_active = now;
        self.first_byte.get_or_insert_with(|| self.due.elapsed());
        self.received_bytes += count as u64;
        if let Some(bytes_per_s) = plan.slow_bytes_per_s {
            let pause = Duration::from_secs_f64(count as f64 / bytes_per_s as f64);
            // If data arrives late, the client may make the next read without a pause. `max`
            // prevents the client from making further reads without a pause.
            self.next_read = now.max(self.next_read + pause);
        }
    }

    /// Compares the next bytes of the reply with the file. Ignores bytes beyond the end of the file,
    /// because `check_length` reports these bytes.
    fn check_content(&self, plan: &Plan, body: &[u8]) -> Result<(), Failure> {
        let Some(content) = &plan.content else { return Ok(()) };
        let start = usize::try_from(self.body_bytes).unwrap_or(usize::MAX).min(content.len());
        let expected = &content[start..];
        let count = body.len().min(expected.len());
        if body[..count] == expected[..count] {
            return Ok(());
        }
        let is_different = |(actual, expected): (&u8, &u8)| actual != expected;
        let offset = body.iter().zip(expected).position(is_different).unwrap_or(count);
        let message = format!("byte {} of the file is incorrect", start + offset);
        Err(Failure::new(Kind::Content, message))
    }

    /// Checks the length during the reply, so that the client does not read an endless reply. Fails
    /// if the received part is longer than the file.
    fn check_length(&self, plan: &Plan) -> Result<(), Failure> {
        match plan.expected {
            Some(expected) if self.body_bytes > expected.bytes => Err(Failure::new(
                Kind::Long,
                format!("expected {} bytes, got at least {}", expected.bytes, self.body_bytes),
            )),
            _ => Ok(()),
        }
    }

    /// Checks the reply after the server's FIN.
    fn check_reply(&self, plan: &Plan) -> Result<(), Failure> {
        let received_bytes = self.received_bytes;
        if self.is_reset {
            let message = format!("the server reset the connection after {received_bytes} bytes");
            return Err(Failure::new(Kind::Reset, message));
        }
        let short = |message: String| Err(Failure::new(Kind::Short, message));
        if !self.preamble.is_complete() {
            return short(format!("expected a complete preamble, got {received_bytes} bytes"));
        }
        if let Some(bytes) = plan.reset_after_bytes {
            return short(format!("expected at least {bytes} bytes, got {received_bytes}"));
        }
        let Some(expected) = plan.expected else { return Ok(()) };
        if self.body_bytes < expected.bytes {
            return short(format!("expected {} bytes, got {}", expected.bytes, self.body_bytes));
        }
        match self.hash.as_ref().map(Xxh3::digest) {
            Some(hash) if Some(hash) != expected.xxh3 => Err(Failure::new(
                Kind::Hash,
                "the length is correct, but the content differs from the file",
            )),
            _ => Ok(()),
        }
    }
}

fn is_temporary(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
