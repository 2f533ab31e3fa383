//! The socket that clients connect to.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Config;

/// The backlog, which is the maximum number of connections that wait for `accept`. 4096 has been
/// the default limit on Linux since version 5.4 (`net.core.somaxconn`). With std's backlog of 128,
/// the kernel would drop SYN segments if many clients connected at the same time (clause 1 of the
/// contract).
const BACKLOG: i32 = 4096;

/// Binds a listener to the configured address. If a host name has several addresses, the listener
/// uses the first address that can be bound.
///
/// # Errors
///
/// Returns an error if the host name is unknown. If no address can be bound, returns the error for
/// the last address.
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
    // Like std, this function sets `SO_REUSEADDR` only on Unix. With this option, the server can
    // bind its port after a restart while old connections are in `TIME_WAIT`. On Windows, this
    // option would let two servers share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
