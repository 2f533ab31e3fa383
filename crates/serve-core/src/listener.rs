//! The socket that clients connect to.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

#[cfg(target_os = "linux")]
use socket2::SockRef;
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Config;

/// The backlog, which is the maximum number of connections that wait for `accept`. 4096 has been
/// the default limit on Linux since version 5.4 (`net.core.somaxconn`). With std's backlog of 128,
/// the kernel would drop SYN segments if many clients connected at the same time (clause 1 of the
/// contract).
const BACKLOG: i32 = 4096;

// ANCHOR: limit_unsent_bytes
/// The maximum number of unsent bytes in a send buffer if memory is limited (128 KiB). Bytes in
/// transit do not count, so this limit has almost no effect on clients that read.
#[cfg(target_os = "linux")]
const UNSENT_BYTES_MAX: u32 = 128 * 1024;

/// Limits the unsent data in the send buffers of all connections that a listener accepts. Without
/// this limit, a send buffer can grow to 4 MiB (`net.ipv4.tcp_wmem`).
#[cfg(target_os = "linux")]
pub(crate) fn limit_unsent_bytes(listener: &TcpListener) -> io::Result<()> {
    SockRef::from(listener).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)
}
// ANCHOR_END: limit_unsent_bytes

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
