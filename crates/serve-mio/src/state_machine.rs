//! The state machine of one connection.
//!
//! In the other siblings, the state of a connection is the position in the code, and the local
//! variables. Here, each [`State`] corresponds to one wait in those siblings, and its fields are the
//! variables that must outlive the wait. [`StateMachine::serve`] corresponds to `Future::poll`.
//!
//! Readiness is only a hint that a call may succeed. The kernel reports that a socket became ready,
//! but does not repeat this report while the socket is still ready (edge-triggered). Therefore, the
//! state machine remembers the readiness until a call shows that the socket is not ready.

use std::io::{self, ErrorKind, Read};
use std::mem;
use std::net::Shutdown;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::time::Instant;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Token};
use serve_core::{
    Body, ChunkReader, Chunks, Connection, DRAIN_BUFFER_BYTES, Linger, Reply, TimeSlice, send,
};

use crate::timers::deadline_after;

/// A call that may wait for a disk. The result is the next state of the connection.
pub(crate) type BlockingCall = Box<dyn FnOnce() -> io::Result<State> + Send>;

// ANCHOR: state
/// The next step of a connection, and the variables that the step needs.
pub(crate) enum State {
    /// Opens the file, if this needs no disk access.
    Open,
    /// Sends the bytes that do not depend on the file, because the disk may not answer.
    SendFixedBytes { sent: usize },
    /// Sends the preamble.
    SendPreamble { reply: Reply, sent: usize },
    /// Sends the file through a buffer of this thread.
    SendCopied { chunks: ChunkReader, chunk: Chunk },
    /// Lets the kernel copy the file to the socket.
    SendZeroCopy { body: Body, chunks: Chunks, chunk: Chunk, remaining: usize },
    /// Waits until a thread of the pool has opened or read the file.
    Blocked,
    /// Waits for the client's FIN and for its acknowledgments.
    Linger(Linger<Arc<Connection>>),
}
// ANCHOR_END: state

/// A chunk that is being sent. The default value stands for the state before the first chunk. Its
/// length is 0, and a chunk of this length is never logged.
#[derive(Clone, Copy, Default)]
pub(crate) struct Chunk {
    bytes: usize,
    /// The time of the first write, or `None` if chunks are not logged.
    started: Option<Instant>,
}

/// The next state, which can run immediately, or the reason why the connection must return to the
/// event loop.
type Step = ControlFlow<Progress, State>;

/// The result of [`StateMachine::serve`] for the event loop.
pub(crate) enum Progress {
    /// The connection waits for an event on its socket, for its deadline, or for the pool.
    Waits,
    /// The time slice has expired, and the socket is still ready.
    Yields,
    /// The connection waits for the result of this call.
    Blocks(BlockingCall),
    Ended,
}

pub(crate) struct StateMachine {
    // Fields are dropped from first to last. Dropping the last reference to the `Connection` logs
    // `disconnected`, so the socket is the first field.
    pub(crate) stream: TcpStream,
    pub(crate) state: State,
    pub(crate) conn: Arc<Connection>,
    pub(crate) token: Token,
    /// The time at which the connection must be served even if its socket is not ready.
    pub(crate) deadline: Instant,
    /// Indicates whether the connection is in the queue of the event loop.
    pub(crate) is_queued: bool,
    time_slice: TimeSlice,
    is_readable: bool,
    is_writable: bool,
    /// Indicates whether the client's FIN has arrived. The data before the FIN may be unread.
    has_received_fin: bool,
    /// Indicates whether all data before the client's FIN has been read.
    is_half_closed: bool,
}

impl StateMachine {
    pub(crate) fn new(stream: TcpStream, conn: Connection, token: Token) -> Self {
        Self {
            stream,
            state: State::Open,
            token,
            deadline: deadline_after(conn.stall_check_interval()),
            conn: Arc::new(conn),
            is_queued: false,
            time_slice: TimeSlice::new(),
            is_readable: false,
            // The send buffer of a new connection is empty.
            is_writable: true,
            has_received_fin: false,
            is_half_closed: false,
        }
    }

    /// The events that the connection needs after its first call of [`serve`](Self::serve).
    pub(crate) fn interest(&self) -> Interest {
        match self.state {
            State::Linger(_) => Interest::READABLE,
            _ => Interest::READABLE | Interest::WRITABLE,
        }
    }

    /// Records the readiness that an event reports. After an error, both a read and a write return
    /// this error.
    pub(crate) fn record_readiness(&mut self, event: &Event) {
        let has_ended = event.is_error() || event.is_read_closed();
        self.is_readable |= !self.is_half_closed && (event.is_readable() || has_ended);
        self.is_writable |= event.is_writable() || event.is_error() || event.is_write_closed();
        // After a reset, a read must return the error.
        self.has_received_fin |= event.is_read_closed() && !event.is_error();
    }

    // ANCHOR: serve
    /// Runs the connection until it has to wait, or until its time slice has expired.
    pub(crate) fn serve(&mut self) -> io::Result<Progress> {
        if self.is_readable {
            self.drain()?;
        }
        self.check_stall()?;
        self.time_slice = TimeSlice::new();
        let mut state = mem::replace(&mut self.state, State::Blocked);
        loop {
            match self.send_file(state)? {
                Continue(next) => state = next,
                Break(progress) => return Ok(progress),
            }
        }
    }
    // ANCHOR_END: serve

    /// Keeps a state, because the socket is not ready or the time slice has expired.
    fn wait(&mut self, state: State) -> Step {
        let is_sending = !matches!(state, State::Blocked | State::Linger(_));
        self.state = state;
        Break(match self.is_readable || is_sending && self.is_writable {
            true => Progress::Yields,
            false => Progress::Waits,
        })
    }

    /// Checks whether the client still acknowledges data, once per interval until the end of the
    /// reply. While the pool reads the file, the connection does not wait for the client.
    fn check_stall(&mut self) -> io::Result<()> {
        let is_lingering = matches!(self.state, State::Linger(_));
        if is_lingering || Instant::now() < self.deadline {
            return Ok(());
        }
        self.deadline = deadline_after(self.conn.stall_check_interval());
        match self.state {
            State::Blocked => Ok(()),
            _ => self.conn.check_stall(&self.stream),
        }
    }

    fn send_file(&mut self, state: State) -> io::Result<Step> {
        match state {
            State::Open => Ok(Continue(match Reply::open_cached(self.conn.server()) {
                Some(reply) => State::SendPreamble { reply, sent: 0 },
                None => State::SendFixedBytes { sent: 0 },
            })),
            State::SendFixedBytes { mut sent } => {
                let bytes = self.conn.config().preamble.fixed_bytes();
                sent += self.write_bytes(&bytes[sent..])?;
                if sent < bytes.len() {
                    return Ok(self.wait(State::SendFixedBytes { sent }));
                }
                let server = Arc::clone(self.conn.server());
                let open = move || Ok(State::SendPreamble { reply: Reply::open(&server), sent: 0 });
                Ok(Break(Progress::Blocks(Box::new(open))))
            }
            State::SendPreamble { reply, mut sent } => {
                if sent == 0 {
                    sent = self.conn.record_sent(reply.send_preamble(&self.stream)?);
                }
                sent += self.write_bytes(&reply.preamble[sent..])?;
                if sent < reply.preamble.len() {
                    return Ok(self.wait(State::SendPreamble { reply, sent }));
                }
                self.send_body(reply.body)
            }
            State::SendCopied { chunks, chunk } => self.send_copied(chunks, chunk),
            State::SendZeroCopy { body, chunks, chunk, remaining } => {
                self.send_zero_copy(body, chunks, chunk, remaining)
            }
            State::Blocked => Ok(self.wait(State::Blocked)),
            State::Linger(linger) => self.linger(linger),
        }
    }

    fn send_body(&self, body: io::Result<Body>) -> io::Result<Step> {
        let (server, chunk) = (self.conn.server(), Chunk::default());
        Ok(Continue(match body {
            Ok(body) if server.config.zero_copy && body.file.is_local() => {
                let chunks = body.chunks(&server.config);
                State::SendZeroCopy { body, chunks, chunk, remaining: 0 }
            }
            Ok(body) => State::SendCopied { chunks: ChunkReader::new(body, server), chunk },
            Err(error) => {
                self.conn.record_file_failed(&error)?;
                return self.end_reply();
            }
        }))
    }

    fn end_file(&self, bytes: u64) -> io::Result<Step> {
        self.conn.record_file_ended(bytes);
        self.end_reply()
    }

    fn end_reply(&self) -> io::Result<Step> {
        self.stream.shutdown(Shutdown::Write)?;
        Ok(Continue(State::Linger(Linger::new(Arc::clone(&self.conn)))))
    }

    fn send_copied(&mut self, mut chunks: ChunkReader, mut chunk: Chunk) -> io::Result<Step> {
        loop {
            while chunks.remaining() > 0 {
                if !self.is_writable || self.time_slice.is_expired() {
                    return Ok(self.wait(State::SendCopied { chunks, chunk }));
                }
                // The rest of a piece that the kernel did not accept is dropped, and read again
                // after the wait.
                let Some(mut piece) = chunks.try_read_cached()? else {
                    let fetch = move || Ok(State::SendCopied { chunks: chunks.fetch()?, chunk });
                    return Ok(Break(Progress::Blocks(Box::new(fetch))));
                };
                let sent = self.write_bytes(&piece)?;
                piece.advance(sent);
            }
            self.conn.record_chunk(chunk.bytes, chunk.started);
            let Some(bytes) = chunks.next_chunk() else {
                return self.end_file(chunks.sent_bytes());
            };
            chunk = Chunk { bytes, started: self.conn.chunk_started() };
        }
    }

    /// Writes bytes until the send buffer is full. Returns the number of bytes that the kernel
    /// accepted.
    fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = 0;
        while self.is_writable && sent < bytes.len() {
            match self.stream.try_io(|| send(&self.stream, &bytes[sent..])) {
                Ok(accepted) => sent += self.conn.record_sent(accepted),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_writable = false,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    fn send_zero_copy(
        &mut self,
        body: Body,
        mut chunks: Chunks,
        mut chunk: Chunk,
        mut remaining: usize,
    ) -> io::Result<Step> {
        loop {
            while remaining > 0 {
                // ANCHOR: zero_copy_call
                if !self.is_writable || self.time_slice.is_expired() {
                    return Ok(self.wait(State::SendZeroCopy { body, chunks, chunk, remaining }));
                }
                match body.sendfile(&self.stream, remaining) {
                    Ok(sent) => remaining -= self.conn.record_sent(sent),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_writable = false,
                    Err(error) => return Err(error),
                }
                // ANCHOR_END: zero_copy_call
            }
            self.conn.record_chunk(chunk.bytes, chunk.started);
            let Some(bytes) = chunks.next() else { return self.end_file(body.bytes) };
            chunk = Chunk { bytes, started: self.conn.chunk_started() };
            remaining = bytes;
        }
    }

    /// Reads and discards the client's data until no data is left, or until the time slice has
    /// expired. After the client's FIN, the socket is not read again, because each read would
    /// return 0 bytes.
    ///
    /// A read that does not fill the buffer does not show that the client sends no more data.
    /// However, if the FIN arrived before the read, no data can follow, so the read that would
    /// return 0 bytes is omitted.
    fn drain(&mut self) -> io::Result<()> {
        let mut buffer = [0; DRAIN_BUFFER_BYTES];
        let mut time_slice = TimeSlice::new();
        while self.is_readable && !time_slice.is_expired() {
            match self.stream.read(&mut buffer) {
                Ok(received) => {
                    self.conn.record_received(&buffer[..received]);
                    let is_short = received < buffer.len();
                    self.is_half_closed = received == 0 || self.has_received_fin && is_short;
                    self.is_readable = !self.is_half_closed;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn linger(&mut self, mut linger: Linger<Arc<Connection>>) -> io::Result<Step> {
        let is_expired = Instant::now() >= self.deadline;
        let has_ended = match self.is_half_closed {
            // A client that half-closed may still be reading.
            true => linger.is_acknowledged(&self.stream)?,
            false => is_expired && linger.is_expired(&self.stream)?,
        };
        if has_ended {
            return Ok(Break(Progress::Ended));
        }
        // Data from the client must not postpone the deadline.
        let deadline = deadline_after(linger.wait());
        self.deadline = if is_expired { deadline } else { deadline.min(self.deadline) };
        Ok(self.wait(State::Linger(linger)))
    }
}
