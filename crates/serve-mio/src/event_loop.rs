//! The event loop of a worker thread.
//!
//! `poll` waits until at least one socket became ready, a deadline has passed, or another thread
//! wakes the loop. The loop then runs each connection that can make progress. A connection must not
//! block the thread, and must return after its time slice, because all other connections of the
//! loop wait meanwhile.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{self, Context, Wake, Waker};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use serve_core::{Connection, Permit, Server, TimeSlice};
use slab::Slab;

use crate::pool::Pool;
use crate::state_machine::{BlockingCall, Progress, State, StateMachine};
use crate::timers::{AcceptPause, Timers};

/// The maximum number of events that one call of `poll` returns. The kernel keeps further events
/// for the next call. Tokio's default is the same value.
const EVENTS_MAX: usize = 1024;

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// The number of low bits of a token that contain the index of the connection in the slab. The
/// high bits contain the number of the connection. On a 32-bit system, this number repeats after
/// 65,536 connections. An event needs no larger number, because the loop handles all events before
/// it accepts the next connection.
const INDEX_BITS: u32 = usize::BITS / 2;

/// The maximum number of connections of a loop. The indexes of these connections fit in the low bits
/// of a token, and differ from the low bits of `LISTENER` and `WAKER`.
const CONNECTIONS_MAX: usize = (1 << INDEX_BITS) - 2;

/// A future that returns a permit, at the connection limit after a connection has ended.
type Acquiring<'s> = Pin<Box<dyn Future<Output = Permit> + Send + 's>>;

/// The result of a call on the blocking pool, for the connection with this token and this number.
/// The token does not suffice, because a call can hang until the number in the token repeats.
type Completion = (Token, u64, io::Result<State>);

/// An event loop with its connections. No other thread accesses the connections.
pub(crate) struct EventLoop<'s> {
    poll: Poll,
    /// Ends the wait in `poll`.
    pub(crate) waker: Waker,
    server: &'s Arc<Server>,
    pool: &'s Pool,
    pause: &'s AcceptPause,
    /// The listener, or `None` after the shutdown has been requested.
    listener: Option<TcpListener>,
    /// Indicates whether connections may wait in the accept queue.
    is_acceptable: bool,
    acquiring: Option<Acquiring<'s>>,
    connections: Slab<StateMachine>,
    /// The connections that can make progress.
    queue: VecDeque<Token>,
    timers: Timers,
    sender: Sender<Completion>,
    completions: Receiver<Completion>,
}

impl<'s> EventLoop<'s> {
    pub(crate) fn new(
        listener: &std::net::TcpListener,
        server: &'s Arc<Server>,
        pool: &'s Pool,
        pause: &'s AcceptPause,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::from_std(listener.try_clone()?);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = PollWaker(mio::Waker::new(poll.registry(), WAKER)?);
        let (sender, completions) = mpsc::channel();
        Ok(Self {
            poll,
            waker: Arc::new(waker).into(),
            server,
            pool,
            pause,
            listener: Some(listener),
            is_acceptable: false,
            acquiring: None,
            connections: Slab::new(),
            queue: VecDeque::new(),
            timers: Timers::default(),
            sender,
            completions,
        })
    }

    // ANCHOR: run
    /// Runs until the server disconnects all clients.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.server.is_disconnecting() {
            if self.server.shutdown.is_requested() {
                self.close_listener();
            }
            let accept_wait = self.accept_loop();
            for _ in 0..self.queue.len() {
                let Some(token) = self.queue.pop_front() else { break };
                self.handle_connection(token);
            }
            let queue_wait = (!self.queue.is_empty()).then_some(Duration::ZERO);
            let waits = [accept_wait, queue_wait, self.timers.wait()];
            let wait = waits.into_iter().flatten().min();
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result.expect("the kernel accepts the arguments of `poll`"),
            }
            self.collect_work(&events);
        }
    }
    // ANCHOR_END: run

    /// Adds the connections that can make progress to the queue.
    fn collect_work(&mut self, events: &Events) {
        for event in events {
            match event.token() {
                LISTENER => self.is_acceptable = true,
                WAKER => {}
                token => self.enqueue(token, |it| it.record_readiness(event)),
            }
        }
        let now = Instant::now();
        while let Some(token) = self.timers.pop_expired(now) {
            self.enqueue(token, |_| {});
        }
        while let Ok((token, id, result)) = self.completions.try_recv() {
            match result {
                _ if find(&mut self.connections, token).is_none_or(|it| it.conn.id() != id) => {}
                Ok(state) => self.enqueue(token, |it| it.state = state),
                Err(error) => self.close(token, Err(error)),
            }
        }
    }

    /// Accepts connections until the accept queue is empty, or until the time slice has expired.
    /// Returns the time after which this function must be called again even without an event.
    fn accept_loop(&mut self) -> Option<Duration> {
        let mut time_slice = TimeSlice::new();
        while self.is_acceptable && self.connections.len() < CONNECTIONS_MAX {
            if time_slice.is_expired() {
                return Some(Duration::ZERO);
            }
            if let Some(remaining) = self.pause.remaining() {
                return Some(remaining);
            }
            let (Some(permit), Some(listener)) = (self.acquire(), &self.listener) else {
                self.pause.set(None);
                return None;
            };
            match listener.accept() {
                Ok((stream, peer)) => {
                    self.pause.set(None);
                    self.start_connection(stream, permit.connected(peer));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.pause.set(None);
                    self.is_acceptable = false;
                }
                Err(error) => self.pause.set(self.server.accept_failed(&error)),
            }
        }
        None
    }

    /// Returns a permit, or `None` at the connection limit. In that case, the end of a connection
    /// wakes the loop.
    fn acquire(&mut self) -> Option<Permit> {
        let acquiring = self.acquiring.get_or_insert_with(|| Box::pin(self.server.acquire()));
        match acquiring.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            task::Poll::Ready(permit) => {
                self.acquiring = None;
                Some(permit)
            }
            task::Poll::Pending => None,
        }
    }

    /// Serves a new connection immediately, and then registers its socket. If the file is small,
    /// the loop then calls `epoll_ctl` only once for most connections, and these connections never
    /// wait for a writable socket.
    fn start_connection(&mut self, stream: TcpStream, conn: Connection) {
        let entry = self.connections.vacant_entry();
        let token = Token((conn.id() as usize) << INDEX_BITS | entry.key());
        entry.insert(StateMachine::new(stream, conn, token));
        self.handle_connection(token);
        let Some(it) = find(&mut self.connections, token) else { return };
        let interest = it.interest();
        if let Err(error) = self.poll.registry().register(&mut it.stream, token, interest) {
            self.close(token, Err(error));
        }
    }

    fn close_listener(&mut self) {
        self.is_acceptable = false;
        self.acquiring = None;
        if let Some(mut listener) = self.listener.take() {
            // The kernel removes a closed listener only when all of its duplicates are closed.
            let _ = self.poll.registry().deregister(&mut listener);
        }
    }

    fn enqueue(&mut self, token: Token, change: impl FnOnce(&mut StateMachine)) {
        // The connection may have ended before this event.
        let Some(it) = find(&mut self.connections, token) else { return };
        change(it);
        if !it.is_queued {
            it.is_queued = true;
            self.queue.push_back(token);
        }
    }

    fn handle_connection(&mut self, token: Token) {
        let Some(it) = find(&mut self.connections, token) else { return };
        it.is_queued = false;
        let (id, deadline) = (it.conn.id(), it.deadline);
        let result = it.serve();
        self.timers.set(token, deadline, it.deadline);
        match result {
            Ok(Progress::Waits) => {}
            Ok(Progress::Yields) => self.enqueue(token, |_| {}),
            Ok(Progress::Blocks(call)) => {
                self.spawn_blocking(token, id, call);
                // The socket may have more data to drain.
                self.enqueue(token, |_| {});
            }
            Ok(Progress::Ended) => self.close(token, Ok(())),
            Err(error) => self.close(token, Err(error)),
        }
    }

    fn spawn_blocking(&self, token: Token, id: u64, call: BlockingCall) {
        let (sender, waker) = (self.sender.clone(), self.waker.clone());
        self.pool.spawn(move || {
            // `send` fails if the loop has ended. In that case, the state is dropped.
            let _ = sender.send((token, id, call()));
            waker.wake();
        });
    }

    /// Removes a connection, which closes its socket and then logs `disconnected`.
    fn close(&mut self, token: Token, result: io::Result<()>) {
        let Some(it) = find(&mut self.connections, token) else { return };
        it.conn.finish(result, &it.stream);
        self.timers.remove(token, it.deadline);
        self.connections.remove(index(token));
    }
}

// ANCHOR: find
/// Returns the connection with this token. A later connection with the same index in the slab has
/// another number, so an event for a connection that has ended finds no connection.
fn find(connections: &mut Slab<StateMachine>, token: Token) -> Option<&mut StateMachine> {
    connections.get_mut(index(token)).filter(|it| it.token == token)
}
// ANCHOR_END: find

fn index(token: Token) -> usize {
    token.0 & ((1 << INDEX_BITS) - 1)
}

/// Wakes an event loop. With this type, everything that can wake a task can wake the loop.
struct PollWaker(mio::Waker);

impl Wake for PollWaker {
    fn wake(self: Arc<Self>) {
        // mio handles a full counter, which is the only error that the kernel documents.
        let _ = self.0.wake();
    }
}
