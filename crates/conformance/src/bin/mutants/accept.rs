//! The accept loop, and the sockets that the shutdown closes.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use serve_core::{Permit, Server};
use socket2::SockRef;

use crate::handle::{STACK_BYTES, handle_connection};
use crate::mutant::{self, Mutant};
use crate::reply::Client;

/// The sockets of all connections. A socket is closed when the threads that use it have ended.
#[derive(Default)]
pub struct Sockets(Mutex<Vec<Weak<TcpStream>>>);

impl Sockets {
    /// Locks the list and removes the sockets that are closed.
    fn open(&self) -> MutexGuard<'_, Vec<Weak<TcpStream>>> {
        let mut sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.retain(|socket| socket.strong_count() > 0);
        sockets
    }

    /// Returns the number of open connections.
    pub fn count(&self) -> usize {
        self.open().len()
    }

    /// Shuts down all sockets to wake the threads that use them.
    pub fn shut_down(&self) {
        for stream in self.open().iter().filter_map(Weak::upgrade) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Accepts connections until the shutdown. `limit` is the connection limit.
pub fn accept_loop(
    listener: TcpListener,
    server: &Arc<Server>,
    sockets: &Sockets,
    limit: usize,
) -> io::Result<()> {
    // At the connection limit, new clients wait in the accept queue.
    while let Some(permit) = server.acquire_blocking() {
        let served = match listener.accept() {
            Ok((stream, _)) if server.shutdown.is_requested() => {
                // The shutdown has already started. With a linger time of zero, dropping the stream
                // resets the connection.
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                continue;
            }
            Ok(_) if Mutant::DropsAtLimit.is_active() && sockets.count() >= limit => continue,
            Ok((stream, peer)) => serve(permit, stream, peer, sockets),
            Err(error) if Mutant::AcceptErrorEndsLoop.is_active() => return Err(error),
            Err(error) => Err(error),
        };
        if let Some(pause) = served.err().and_then(|error| server.accept_failed(&error)) {
            match mutant::active() {
                Some(Mutant::BusyAccept) => {}
                Some(Mutant::LongAcceptPause) => {
                    server.shutdown.wait_timeout(Duration::from_secs(60));
                }
                _ => server.shutdown.wait_timeout(pause),
            }
        }
    }
    Ok(())
}

/// Serves a client in a new thread.
fn serve(permit: Permit, stream: TcpStream, peer: SocketAddr, sockets: &Sockets) -> io::Result<()> {
    let stream = Arc::new(stream);
    sockets.open().push(Arc::downgrade(&stream));
    let client = Client::new(stream, permit.connected(peer));
    if Mutant::Sequential.is_active() {
        handle_connection(client);
        return Ok(());
    }
    let work = move || handle_connection(client);
    // If the system cannot start a thread, the closure is dropped, which closes the connection. The
    // system may be able to start a thread for a later client.
    thread::Builder::new().stack_size(STACK_BYTES).spawn(work).map(drop)
}
