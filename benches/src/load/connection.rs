//! One connection: what it says, what it hears, and whether that is right.

use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use xxhash_rust::xxh3::Xxh3;

use super::error::{Error, Kind};
use super::plan::Plan;
use super::preamble::Preamble;
use super::socket::{self, SHORT_READ_IS_ALL};

/// What is read at once while the preamble may go on: bytes of the file that come with it are
/// copied even where the rest is thrown away.
const PREAMBLE_READ_BYTES: usize = 4096;

/// Reads in a row, before others have their turn.
const READS_IN_A_ROW: usize = 8;

/// A slow client reads so often; the more often, the more it costs.
const SLOW_READS_PER_S: f64 = 10.0;

/// One connection.
pub(super) struct Connection {
    pub stream: TcpStream,
    /// Which one it is, counted from 0.
    pub number: u64,
    /// When it should have begun.
    pub due: Instant,
    /// When something last came, or it began.
    pub last: Instant,
    /// From when it was due to its first byte.
    pub first_byte: Option<Duration>,
    /// All that was taken, preamble included.
    pub taken_bytes: u64,
    pub is_connected: bool,
    /// There may be something to read.
    pub is_readable: bool,
    /// The server's FIN, or worse, has come.
    pub is_read_closed: bool,
    /// It has its turn soon.
    pub is_listed: bool,
    /// It counts as held.
    pub is_settled: bool,
    is_broken: bool,
    said_bytes: usize,
    body_bytes: u64,
    preamble: Preamble,
    hash: Option<Xxh3>,
    pace: Option<Pace>,
}

/// Where all connections of a thread are read into.
pub(super) struct Room {
    pub read: Vec<u8>,
    /// Never written: pages that are not touched cost nothing.
    pub discarded: Vec<u8>,
}

/// How it goes on with a connection.
pub(super) enum Step {
    /// When something comes.
    Wait,
    /// Soon, when others have had their turn.
    More,
    /// Not at all.
    Ended(Result<(), Error>),
}

impl Connection {
    pub fn new(
        plan: &Plan,
        (stream, is_connected): (TcpStream, bool),
        number: u64,
        due: Instant,
        now: Instant,
    ) -> Self {
        let is_hashed = plan.expected.is_some_and(|expected| expected.xxh3.is_some())
            && !plan.is_discarding
            && plan.reset_after_bytes.is_none();
        Self {
            stream,
            number,
            due,
            last: now,
            first_byte: None,
            taken_bytes: 0,
            is_connected,
            is_readable: false,
            is_read_closed: false,
            is_listed: false,
            is_settled: false,
            is_broken: false,
            said_bytes: 0,
            body_bytes: 0,
            preamble: Preamble::new(plan.preamble),
            hash: is_hashed.then(Xxh3::new),
            pace: plan.slow_bytes_per_s.map(|rate| Pace::new(rate, now)),
        }
    }

    /// Says the request, or as much of it as there is room for; true if there is more.
    pub fn say(&mut self, plan: &Plan) -> bool {
        while self.said_bytes < plan.request.len() {
            match self.stream.write(&plan.request[self.said_bytes..]) {
                Ok(count) => self.said_bytes += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.broke(plan),
            }
        }
        false
    }

    /// Says the request before anybody said that the connection is made: within one machine it is,
    /// as soon as `connect` has returned, and a first word that is taken costs less than to ask.
    pub fn say_at_once(&mut self, plan: &Plan) -> Result<(), Error> {
        if self.is_connected || plan.request.is_empty() {
            return Ok(());
        }
        match self.stream.write(&plan.request) {
            Ok(count) => {
                self.is_connected = true;
                self.said_bytes = count;
                Ok(())
            }
            Err(error) if is_for_later(&error) || error.kind() == ErrorKind::NotConnected => Ok(()),
            Err(error) if is_break(&error) => {
                self.is_connected = true;
                self.broke(plan);
                Ok(())
            }
            Err(error) => Err(Error::of_connecting(&error)),
        }
    }

    /// A write met the server's RST. What came before it can still be read, but what ends that looks
    /// like a FIN: the kernel tells an error once.
    fn broke(&mut self, plan: &Plan) {
        self.is_broken = true;
        self.said_bytes = plan.request.len();
    }

    /// What became of a connection that was under way.
    pub fn connected(&mut self) -> Step {
        match socket::is_connected(&self.stream) {
            Ok(is_connected) => {
                self.is_connected = is_connected;
                Step::Wait
            }
            Err(error) => Step::Ended(Err(Error::of_connecting(&error))),
        }
    }

    /// Whether a client that is held has something to read, which stays unread.
    pub fn look(&mut self) -> Step {
        match self.stream.peek(&mut [0]) {
            Ok(count) => {
                if count > 0 {
                    self.record_first_byte();
                }
                self.is_settled = true;
                Step::Wait
            }
            Err(error) if is_for_later(&error) => Step::Wait,
            Err(error) => Step::Ended(Err(Error::of_reading(&error, 0))),
        }
    }

    /// Reads what there is, but lets others have their turn.
    pub fn hear(&mut self, plan: &Plan, room: &mut Room, now: Instant) -> Step {
        for _ in 0..READS_IN_A_ROW {
            let Some(max_bytes) = self.max_bytes(plan, now) else { return Step::Wait };
            if max_bytes == 0 {
                return Step::Ended(Ok(()));
            }
            match self.read(plan, room, max_bytes) {
                Ok((0, _)) => return Step::Ended(self.verdict(plan)),
                Ok((count, asked)) => {
                    self.last = now;
                    if let Err(error) = self.check_length(plan) {
                        return Step::Ended(Err(error));
                    }
                    if SHORT_READ_IS_ALL && count < asked && !self.is_read_closed {
                        self.is_readable = false;
                        break;
                    }
                }
                Err(None) => {
                    self.is_readable = false;
                    break;
                }
                Err(Some(error)) => return Step::Ended(Err(error)),
            }
        }
        match self.max_bytes(plan, now) {
            Some(0) => Step::Ended(Ok(())),
            Some(_) if self.is_readable => Step::More,
            _ => Step::Wait,
        }
    }

    /// Returns the maximum number of bytes to read now: 0 if the connection is to be reset, `None`
    /// if it is too early to read.
    fn max_bytes(&mut self, plan: &Plan, now: Instant) -> Option<u64> {
        let left = plan.reset_after_bytes.map_or(u64::MAX, |bytes| bytes - self.taken_bytes);
        if left == 0 {
            return Some(0);
        }
        match &mut self.pace {
            None => Some(left),
            Some(pace) => pace.allowed_bytes(now).map(|bytes| bytes.min(left)),
        }
    }

    /// Reads once. Returns the number of bytes read and the number of bytes asked for. The error is
    /// `None` if the socket is not readable yet.
    fn read(
        &mut self,
        plan: &Plan,
        room: &mut Room,
        max_bytes: u64,
    ) -> Result<(usize, usize), Option<Error>> {
        let max = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        if plan.is_discarding && self.preamble.is_over() {
            let asked = max.min(room.discarded.capacity());
            let unread: &mut [MaybeUninit<u8>] = &mut room.discarded.spare_capacity_mut()[..asked];
            let result = socket::discard(&self.stream, unread);
            let count = result.map_err(|error| self.error_of(&error))?;
            self.count(count);
            self.body_bytes += count as u64;
            return Ok((count, asked));
        }
        let most = if plan.is_discarding { PREAMBLE_READ_BYTES } else { room.read.len() };
        let asked = max.min(most);
        let result = self.stream.read(&mut room.read[..asked]);
        let count = result.map_err(|error| self.error_of(&error))?;
        if count > 0 {
            self.count(count);
            let of_preamble = self.preamble.take(&room.read[..count]).map_err(Some)?;
            let body = &room.read[of_preamble..count];
            self.body_bytes += body.len() as u64;
            if let Some(hash) = &mut self.hash {
                hash.update(body);
            }
        }
        Ok((count, asked))
    }

    fn count(&mut self, count: usize) {
        if count > 0 {
            self.record_first_byte();
            self.taken_bytes += count as u64;
            if let Some(pace) = &mut self.pace {
                pace.take(count);
            }
        }
    }

    /// Records the time of the first byte, unless it is already known.
    fn record_first_byte(&mut self) {
        if self.first_byte.is_none() {
            self.first_byte = Some(self.due.elapsed());
        }
    }

    /// Returns the error of a failed `read`, or `None` if the socket is only not readable yet.
    fn error_of(&self, error: &std::io::Error) -> Option<Error> {
        match is_for_later(error) {
            true => None,
            false => Some(Error::of_reading(error, self.taken_bytes)),
        }
    }

    /// Returns an error as soon as the reply is too long, so that an endless reply is not read
    /// further.
    fn check_length(&self, plan: &Plan) -> Result<(), Error> {
        match plan.expected {
            Some(expected) if self.body_bytes > expected.bytes => Err(Error::new(
                Kind::Long,
                format!("{} bytes or more instead of {}", self.body_bytes, expected.bytes),
            )),
            _ => Ok(()),
        }
    }

    /// What is to be said at the server's FIN.
    fn verdict(&self, plan: &Plan) -> Result<(), Error> {
        if self.is_broken {
            let words =
                format!("the server reset the connection, after {} bytes", self.taken_bytes);
            return Err(Error::new(Kind::Reset, words));
        }
        let short = |words: String| Err(Error::new(Kind::Short, words));
        if !self.preamble.is_over() {
            return match self.taken_bytes {
                0 => short("the server's FIN, and nothing before".to_owned()),
                bytes => short(format!("the server's FIN after {bytes} bytes of preamble")),
            };
        }
        if let Some(bytes) = plan.reset_after_bytes {
            let taken = self.taken_bytes;
            return short(format!(
                "the server's FIN after {taken} bytes, before {bytes} were taken"
            ));
        }
        let Some(expected) = plan.expected else { return Ok(()) };
        if self.body_bytes < expected.bytes {
            let of = format!("{} of {} bytes", self.body_bytes, expected.bytes);
            return short(format!("{of}, then the server's FIN"));
        }
        let digest = self.hash.as_ref().map(Xxh3::digest);
        if digest.is_some() && digest != expected.xxh3 {
            return Err(Error::new(Kind::Hash, "every byte came, but not all are right"));
        }
        Ok(())
    }
}

/// What a slow client may take.
struct Pace {
    bytes_per_s: f64,
    allowed_bytes: f64,
    at: Instant,
}

impl Pace {
    fn new(bytes_per_s: u64, now: Instant) -> Self {
        let bytes_per_s = bytes_per_s as f64;
        let mut pace = Self { bytes_per_s, allowed_bytes: 0.0, at: now };
        pace.allowed_bytes = pace.step_bytes();
        pace
    }

    /// What is taken at a time.
    fn step_bytes(&self) -> f64 {
        (self.bytes_per_s / SLOW_READS_PER_S).max(1.0)
    }

    /// What may be taken now. What was not taken for a while is not taken all at once later.
    fn allowed_bytes(&mut self, now: Instant) -> Option<u64> {
        let step = self.step_bytes();
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * self.bytes_per_s;
        self.allowed_bytes = (self.allowed_bytes + earned).min(2.0 * step);
        self.at = self.at.max(now);
        (self.allowed_bytes >= step).then_some(self.allowed_bytes as u64)
    }

    fn take(&mut self, count: usize) {
        self.allowed_bytes -= count as f64;
    }
}

fn is_for_later(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn is_break(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_client_takes_no_more_than_it_may() {
        let began = Instant::now();
        let mut pace = Pace::new(1000, began);
        let mut taken = 0;
        // Looked at often, for ten seconds, of which it slept three.
        for ms in (0..10_000).step_by(7).filter(|ms| !(4000..7000).contains(ms)) {
            if let Some(bytes) = pace.allowed_bytes(began + Duration::from_millis(ms)) {
                pace.take(usize::try_from(bytes).unwrap());
                taken += bytes;
            }
        }
        assert!((6_900..=7_300).contains(&taken), "{taken}");
    }

    #[test]
    fn the_slowest_client_takes_a_byte_a_second() {
        let began = Instant::now();
        let mut pace = Pace::new(1, began);
        assert_eq!(pace.allowed_bytes(began), Some(1));
        pace.take(1);
        assert_eq!(pace.allowed_bytes(began + Duration::from_millis(900)), None);
        assert_eq!(pace.allowed_bytes(began + Duration::from_millis(1100)), Some(1));
    }
}
