//! The socket that clients connect to, and what can be done with it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

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
        match bind_to(addr) {
            Ok(listener) => return Ok(listener),
            Err(error) => last_error = Some(error),
        }
    }
    Err(last_error.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable)))
}

fn bind_to(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // As std does: a restarted server may have its port again while old connections fade away.
    // On Windows the option would let two servers share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

// ANCHOR: reset
/// When it is dropped, the socket closes by a RST: all that is under way is thrown away, and the
/// other side learns it.
pub fn reset_on_close<'s>(socket: impl Into<SockRef<'s>>) {
    // It may be gone already; then there is nothing left to reset.
    let _ = socket.into().set_linger(Some(Duration::ZERO));
}
// ANCHOR_END: reset

// ANCHOR: send_more
/// A write after which more is to come at once, so that what is short need not leave alone.
pub(crate) fn send_more(socket: &SockRef<'_>, bytes: &[u8]) -> io::Result<usize> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return socket.send_with_flags(bytes, libc::MSG_MORE | libc::MSG_NOSIGNAL);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    return socket.send(bytes);
}
// ANCHOR_END: send_more

/// Ends a blocking `accept`, by giving it what it waits for: `shutdown` does it on Linux alone. The
/// socket is made beforehand, since later there may be no descriptor left.
#[derive(Debug)]
pub struct AcceptWaker {
    socket: Socket,
    addr: SocketAddr,
}

impl AcceptWaker {
    /// For this listener.
    ///
    /// # Errors
    ///
    /// When no descriptor is left.
    pub fn new(listener: &TcpListener) -> io::Result<Self> {
        let mut addr = listener.local_addr()?;
        // Where the listener has all addresses, this machine's own is among them.
        match addr.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        Ok(Self { socket, addr })
    }

    /// Makes `accept` return once more. If it does not wait, this may be refused or time out.
    pub fn wake(self) {
        let _ = self.socket.connect_timeout(&self.addr.into(), Duration::from_secs(1));
    }
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
}
