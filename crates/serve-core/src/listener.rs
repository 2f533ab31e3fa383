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

    fn loopback() -> Config {
        let mut config = Config::new("unused");
        config.host = "127.0.0.1".to_owned();
        config.port = 0;
        config
    }

    #[test]
    fn port_0_picks_a_free_port_which_is_then_in_use() {
        let mut config = loopback();
        let listener = bind(&config).unwrap();
        config.port = listener.local_addr().unwrap().port();
        assert_ne!(config.port, 0);
        assert_eq!(bind(&config).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    /// Elsewhere the system's own limit is far below: 128 on macOS, 200 on Windows.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_burst_fits_into_the_backlog() {
        use std::net::TcpStream;
        use std::time::Duration;

        rlimit::increase_nofile_limit(2048).unwrap();
        let listener = bind(&loopback()).unwrap();
        let addr = listener.local_addr().unwrap();
        // Nobody accepts. A SYN that was dropped would be sent again after a second.
        let connect = |_| TcpStream::connect_timeout(&addr, Duration::from_millis(900)).unwrap();
        let burst: Vec<TcpStream> = (0..1024).map(connect).collect();
        assert_eq!(burst.len(), 1024);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn accepted_sockets_inherit_the_stall_timeout() {
        let config = loopback();
        let listener = bind(&config).unwrap();
        let addr = listener.local_addr().unwrap();
        let _client = std::net::TcpStream::connect(addr).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let timeout = socket2::SockRef::from(&accepted).tcp_user_timeout().unwrap();
        assert_eq!(timeout, Some(config.stall_timeout));
    }
}
