//! What a runtime would do for us: who accepts next, who hears a client that is sent to, and how
//! clients are cut off.

use std::cell::OnceCell;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use serve_core::{Client, Server, reset_on_close};

use crate::drain_client;

/// A thread's stack, in bytes. Untouched pages cost nothing, but std's own 2 MiB would use up the
/// address space of a 32-bit machine with a thousand clients.
const STACK_BYTES: usize = 128 * 1024;

/// How long a client is sent to before it gets a second thread, which hears it meanwhile. One that
/// takes everything sooner is heard afterwards, and a thread's start is saved.
const UNHEARD_MAX: Duration = Duration::from_millis(10);

// ANCHOR: spawn
/// Starts a thread with a small stack, which the scope waits for.
pub(crate) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work)
}
// ANCHOR_END: spawn

/// Whether a call came back because its time was over, which Unix and Windows say differently, or
/// because of a signal.
pub(crate) fn is_over(error: &io::Error) -> bool {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// The threads' turns at `accept`: one waits for a client, the others for their turn.
pub(crate) struct Turns {
    /// None once the server was shut down.
    listener: Mutex<Option<TcpListener>>,
    waiting: AtomicUsize,
}

impl Turns {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self { listener: Mutex::new(Some(listener)), waiting: AtomicUsize::new(0) }
    }

    /// How many threads wait for a turn, or in theirs for a client.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    // ANCHOR: turn
    /// The next client; `None` once the server was shut down.
    pub(crate) fn accept(&self, server: &Arc<Server>) -> Option<(Client, TcpStream)> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut turn = lock(&self.listener);
        let accepted = turn.as_ref().and_then(|listener| accept_from(listener, server));
        if accepted.is_none() {
            // Closes the listener: who is still in the backlog is reset.
            *turn = None;
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        accepted
    }
    // ANCHOR_END: turn
}

fn accept_from(listener: &TcpListener, server: &Arc<Server>) -> Option<(Client, TcpStream)> {
    let slot = server.wait_for_slot()?;
    loop {
        match listener.accept() {
            // It may be the one that was to wake us.
            Ok((stream, _)) if server.shutdown.is_requested() => {
                reset_on_close(&stream);
                return None;
            }
            Ok((stream, peer)) => return Some((slot.connected(peer), stream)),
            Err(_) if server.shutdown.is_requested() => return None,
            Err(error) => {
                if let Some(pause) = server.accept_failed(&error) {
                    server.shutdown.wait_timeout(pause);
                }
            }
        }
    }
}

/// Who hears a client while it is sent to: nobody at first, then a second thread.
pub(crate) struct Ear<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    client: &'env Client,
    stream: &'env TcpStream,
    since: Instant,
    thread: OnceCell<ScopedJoinHandle<'scope, io::Result<()>>>,
}

impl<'scope, 'env> Ear<'scope, 'env> {
    pub(crate) fn new(
        scope: &'scope Scope<'scope, 'env>,
        client: &'env Client,
        stream: &'env TcpStream,
    ) -> io::Result<Self> {
        stream.set_write_timeout(Some(UNHEARD_MAX))?;
        Ok(Self { scope, client, stream, since: Instant::now(), thread: OnceCell::new() })
    }

    // ANCHOR: hear_while
    /// Writes, and neither leaves the client unheard for long nor waits for one that has stalled.
    pub(crate) fn hear_while(
        &self,
        mut write: impl FnMut() -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            if self.thread.get().is_none() && self.since.elapsed() >= UNHEARD_MAX {
                self.open()?;
            }
            match write() {
                Err(error) if is_over(&error) => self.client.check_progress(self.stream)?,
                done => return done,
            }
        }
    }

    fn open(&self) -> io::Result<()> {
        let (client, stream) = (self.client, self.stream);
        stream.set_write_timeout(Some(client.patience()))?;
        let hearing = spawn(self.scope, move || drain_client(client, stream, None))?;
        self.thread.get_or_init(|| hearing);
        Ok(())
    }
    // ANCHOR_END: hear_while

    // ANCHOR: close
    /// Ends the second thread, and tells how hearing the client ended.
    pub(crate) fn close(self) -> io::Result<()> {
        let Some(hearing) = self.thread.into_inner() else { return Ok(()) };
        // Wakes it if it still reads.
        let _ = self.stream.shutdown(Shutdown::Both);
        hearing.join().unwrap_or(Ok(()))
    }
    // ANCHOR_END: close
}

/// Who is connected. A thread cannot be cancelled, but a socket can be shut down under it.
#[derive(Default)]
pub(crate) struct Streams(Mutex<Vec<Weak<TcpStream>>>);

impl Streams {
    pub(crate) fn add(&self, stream: TcpStream) -> Arc<TcpStream> {
        let stream = Arc::new(stream);
        let mut streams = lock(&self.0);
        // Before the list grows, those who left make room.
        if streams.len() == streams.capacity() {
            streams.retain(|stream| stream.strong_count() > 0);
        }
        streams.push(Arc::downgrade(&stream));
        stream
    }

    // ANCHOR: shut_down
    pub(crate) fn shut_down(&self) {
        for stream in lock(&self.0).iter().filter_map(Weak::upgrade) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
    // ANCHOR_END: shut_down
}

/// What these locks guard is whole at every moment, also after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
