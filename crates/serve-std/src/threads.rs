//! Functions and types that manage threads, because std has no runtime. They start and end threads,
//! and read in one thread while another thread writes.

use std::cell::{Cell, OnceCell};
use std::io::{self, ErrorKind};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use serve_core::{Connection, no_thread};
use socket2::SockRef;

use crate::drain;

/// The stack size of a thread, in bytes (128 KiB). A stack occupies memory only for the pages that
/// are used. However, with std's default of 2 MiB, a thousand connections would exhaust the address
/// space of a 32-bit machine.
const STACK_BYTES: usize = 128 * 1024;

/// The time that a connection writes before its reader thread starts. If the kernel accepts the
/// whole reply within this time, no second thread is necessary. In that case, the first thread
/// reads the client's data after the reply.
const READER_DELAY: Duration = Duration::from_millis(10);

/// The minimum pause before a connection tries again to start its reader thread. An attempt takes
/// less than 0.1 ms of CPU time.
const READER_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Starts a thread with a small stack. The scope joins the thread. Tools such as `top -H` show the
/// name of the thread.
pub(crate) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
    thread.spawn_scoped(scope, work).map_err(no_thread)
}

/// Returns whether a call ended because of its timeout or a signal, so that the caller must repeat
/// the call. Unix and Windows report the timeout of a call as different errors. On Unix, `TimedOut`
/// means that the client's machine did not answer.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    match error.kind() {
        ErrorKind::Interrupted | ErrorKind::WouldBlock => true,
        ErrorKind::TimedOut => cfg!(windows),
        _ => false,
    }
}

/// Configures a socket so that dropping it resets the connection.
pub(crate) fn reset_on_close(stream: &TcpStream) {
    // The call fails if the connection is already closed. In that case, a reset is not necessary.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Returns a function that ends a blocking `accept`. The function needs neither the network nor a
/// new file descriptor, because both may be unavailable.
#[cfg(target_os = "linux")]
pub(crate) fn accept_waker(listener: &TcpListener) -> io::Result<impl FnOnce() + use<>> {
    let listener = listener.try_clone()?;
    Ok(move || drop(SockRef::from(&listener).shutdown(Shutdown::Both)))
}

/// Returns a function that ends a blocking `accept`. Systems other than Linux do not support
/// `shutdown` on a listener, so the function connects to the listener.
#[cfg(not(target_os = "linux"))]
pub(crate) fn accept_waker(listener: &TcpListener) -> io::Result<impl FnOnce() + use<>> {
    use socket2::{Domain, Socket, Type};
    use std::net::{Ipv4Addr, Ipv6Addr};

    let mut addr = listener.local_addr()?;
    if addr.ip().is_unspecified() {
        // A listener on all addresses also accepts connections to the loopback address.
        match addr.is_ipv4() {
            true => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
            false => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
        }
    }
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    Ok(move || drop(socket.connect_timeout(&addr.into(), Duration::from_secs(1))))
}

/// The second thread of a connection, which drains the socket while the first thread writes. The
/// thread starts only if writing takes longer than [`READER_DELAY`]. Dropping this value ends the
/// thread.
pub(crate) struct ReaderThread<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    conn: &'scope Connection,
    stream: &'scope TcpStream,
    due_at: Cell<Instant>,
    /// The receiver for the result of the thread. The cell is empty until the thread starts.
    result: OnceCell<Receiver<io::Result<bool>>>,
}

impl<'scope, 'env> ReaderThread<'scope, 'env> {
    pub(crate) fn new(
        scope: &'scope Scope<'scope, 'env>,
        conn: &'scope Connection,
        stream: &'scope TcpStream,
    ) -> io::Result<Self> {
        stream.set_write_timeout(Some(READER_DELAY))?;
        let due_at = Cell::new(Instant::now() + READER_DELAY);
        Ok(Self { scope, conn, stream, due_at, result: OnceCell::new() })
    }

    /// Starts the thread if writing takes longer than [`READER_DELAY`]. If the thread cannot be
    /// started, the connection continues without it. Call this method before each write.
    pub(crate) fn start_if_due(&self) -> io::Result<()> {
        if self.result.get().is_some() || Instant::now() < self.due_at.get() {
            return Ok(());
        }
        let (conn, stream) = (self.conn, self.stream);
        stream.set_write_timeout(Some(conn.stall_check_interval()))?;
        let (sender, receiver) = mpsc::channel();
        match spawn(self.scope, "reader", move || sender.send(drain(conn, stream, None))) {
            Ok(_) => drop(self.result.set(receiver)),
            Err(_) => self.due_at.set(Instant::now() + READER_RETRY_PAUSE),
        }
        Ok(())
    }

    /// Returns the cause of an error from a write. The kernel reports the error of a socket only
    /// once. If the reader thread received this error, a write fails with `BrokenPipe`. In that
    /// case, this method waits until the reader thread has ended. The thread ends soon, because the
    /// socket cannot receive any more data either.
    pub(crate) fn cause_of(&self, error: io::Error) -> io::Error {
        match self.result.get() {
            Some(result) if error.kind() == ErrorKind::BrokenPipe => {
                result.recv().ok().and_then(Result::err).unwrap_or(error)
            }
            _ => error,
        }
    }

    /// Drains the socket until EOF, but at most for `limit`. Returns whether EOF was read. If the
    /// reader thread has been started, the reader thread drains the socket. If not, the calling
    /// thread drains the socket.
    pub(crate) fn drain(&self, limit: Duration) -> io::Result<bool> {
        match self.result.get() {
            // If the reader thread panicked, the channel is closed, and the scope panics, too.
            Some(result) => result
                .recv_timeout(limit)
                .unwrap_or_else(|error| Ok(error == RecvTimeoutError::Disconnected)),
            None => drain(self.conn, self.stream, Instant::now().checked_add(limit)),
        }
    }
}

impl Drop for ReaderThread<'_, '_> {
    fn drop(&mut self) {
        if self.result.get().is_some() {
            // If the reader thread is still reading, this call wakes the thread.
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }
}

/// The sockets of all open connections. A thread cannot be canceled, but its socket can be shut
/// down.
#[derive(Default)]
pub(crate) struct OpenStreams(Mutex<Vec<Weak<TcpStream>>>);

impl OpenStreams {
    pub(crate) fn add(&self, stream: TcpStream) -> Arc<TcpStream> {
        let stream = Arc::new(stream);
        let mut streams = self.lock();
        // Before the list grows, remove the closed sockets.
        if streams.len() == streams.capacity() {
            streams.retain(|stream| stream.strong_count() > 0);
        }
        streams.push(Arc::downgrade(&stream));
        stream
    }

    // ANCHOR: shut_down
    pub(crate) fn shut_down(&self) {
        for stream in self.lock().iter().filter_map(Weak::upgrade) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
    // ANCHOR_END: shut_down

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<TcpStream>>> {
        // The list is always valid, even after a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
