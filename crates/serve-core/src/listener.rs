//! The socket that clients connect to.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Config;

/// The backlog, which is the maximum number of connections that wait for `accept`. 4096 is the
/// default limit of Linux since version 5.4 (`net.core.somaxconn`). With std's backlog of 128, the
/// kernel would drop SYN segments in a burst of clients (clause 1 of the contract).
const BACKLOG: i32 = 4096;

/// Binds the configured address and listens. If a host name has several addresses, the first one
/// that can be bound is used.
///
/// # Errors
///
/// Returns an error if the host name is unknown, or the error of the last address if no address can
/// be bound.
pub fn bind(config: &Config) -> io::Result<TcpListener> {
    let mut last_error = None;
    for addr in (config.host.as_str(), config.port).to_socket_addrs()? {
        match bind_to(addr) {
            Ok(listener) => return Ok(listener),
            Err(error) => last_error = Some(error),
        }
    }
    Err(last_error.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable)))
}

fn bind_to(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // std also sets this option. With the option, the server can bind its port after a restart
    // while old connections are in `TIME_WAIT`. On Windows, the option would let two servers share
    // the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
