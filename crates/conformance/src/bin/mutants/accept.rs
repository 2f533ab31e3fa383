//! The listening socket and the accept loop.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use serve_core::ErrorKind;
use socket2::{Domain, Socket, Type};

use crate::connection::Connection;
use crate::handle::{STACK_BYTES, handle_connection};
use crate::log::lock;
use crate::mutant::Mutant;
use crate::options::Options;
use crate::server::Server;

/// The maximum length of the accept queue.
const BACKLOG: i32 = 4096;

/// The pause after an `accept` that failed, for example because no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens on a port of 127.0.0.1.
pub fn bind(options: &Options) -> io::Result<TcpListener> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // On Windows, the option would let two servers share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    let backlog = if options.mutant == Some(Mutant::SmallBacklog) { 5 } else { BACKLOG };
    socket.bind(&addr.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Accepts connections until the shutdown.
pub fn accept_loop(server: &Arc<Server>, listener: TcpListener) -> io::Result<()> {
    let limit = match server.options.mutant {
        Some(Mutant::PoolOfThreads) => 64,
        _ => server.options.max_connections as usize,
    };
    let mut last_id = 0;
    loop {
        // At the connection limit, new clients wait in the accept queue.
        let is_unlimited =
            matches!(server.options.mutant, Some(Mutant::DropsAtCap | Mutant::IgnoresCap));
        let is_stopping =
            || server.is_stopping.load(SeqCst) && !server.is_mutant(Mutant::ServesInGrace);
        server.wait_until(Duration::MAX, |connections| {
            is_unlimited || connections.len() < limit || is_stopping()
        });
        if is_stopping() {
            return Ok(());
        }
        let (stream, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if server.is_mutant(Mutant::QuestionMarkInAccept) => return Err(error),
            Err(error) if ErrorKind::of(&error) == ErrorKind::ConnectionReset => continue,
            Err(error) => {
                server.record_error(None, &error);
                if !server.is_mutant(Mutant::BusyAccept) {
                    thread::sleep(ACCEPT_PAUSE);
                }
                continue;
            }
        };
        if server.is_mutant(Mutant::DropsAtCap) && lock(&server.connections).len() >= limit {
            continue;
        }
        let Some(connection) = Connection::open(server, last_id + 1, peer, stream) else {
            return Ok(());
        };
        last_id += 1;
        match server.options.mutant {
            Some(Mutant::Sequential) => handle_connection(connection),
            _ => {
                let work = move || handle_connection(connection);
                if let Err(error) = thread::Builder::new().stack_size(STACK_BYTES).spawn(work) {
                    // Dropping the closure closed the connection. A later spawn may succeed.
                    server.record_error(None, &error);
                    thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
    }
}
