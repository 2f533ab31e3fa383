//! The socket that clients connect to.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Config;

/// How many connections may wait to be accepted. Linux has 4096 as its own limit since 5.4
/// (`net.core.somaxconn`); std's 128 drops connections under a burst (clause 1).
const BACKLOG: i32 = 4096;

/// Binds and listens as the configuration says. A name may have several addresses: the first that
/// can be bound is taken.
///
/// # Errors
///
/// When the name is unknown, or no address can be bound: the last one's error.
pub fn bind(config: &Config) -> io::Result<TcpListener> {
    let mut last_error = None;
    for addr in (config.host.as_str(), config.port).to_socket_addrs()? {
        match bind_to(addr, config) {
            Ok(listener) => return Ok(listener),
            Err(error) => last_error = Some(error),
        }
    }
    Err(last_error.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable)))
}

fn bind_to(addr: SocketAddr, config: &Config) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // As std does: a restarted server may have its port again while old connections fade away.
    // On Windows the option would let two servers share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it, so it costs nothing per connection: a client that acknowledges
    // nothing for so long is cut off by the kernel (clause 8).
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(config.stall_timeout))?;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = config; // there `Server::write_timeout` does it
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_0_picks_a_free_port_which_is_then_in_use() {
        let mut config = Config::new("unused");
        config.host = "127.0.0.1".to_owned();
        config.port = 0;
        let listener = bind(&config).unwrap();
        config.port = listener.local_addr().unwrap().port();
        assert_ne!(config.port, 0);
        assert_eq!(bind(&config).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
