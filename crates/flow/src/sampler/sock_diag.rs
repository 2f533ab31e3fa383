//! Asks the kernel for its TCP sockets, with netlink (see sock_diag(7)).
//!
//! The crates `netlink-sys` and `netlink-packet-sock-diag` provide no filters and reject the
//! `tcp_info` of older kernels. Therefore, this program builds and parses the few messages that it
//! needs.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
    sockopt,
};

use super::message::{self, Family, Message};
use super::socket::{Socket, TcpState};

/// The kernel uses datagrams of at most 32 KiB for a dump.
const BUFFER_BYTES: usize = 32 << 10;

/// The maximum time to wait for an answer. The kernel usually answers during the call.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A netlink socket.
#[derive(Debug)]
pub struct SockDiag {
    socket: OwnedFd,
    buffer: Vec<u8>,
    /// The number of the last request. Answers contain the number of their request.
    sequence: u32,
}

impl SockDiag {
    /// Opens a netlink socket.
    ///
    /// # Errors
    ///
    /// Fails if the system does not have or does not permit netlink.
    pub fn open() -> io::Result<Self> {
        let protocol = Some(netlink::SOCK_DIAG);
        let (family, flags) = (AddressFamily::NETLINK, SocketFlags::CLOEXEC);
        let socket = socket_with(family, SocketType::DGRAM, flags, protocol)?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(TIMEOUT))?;
        Ok(Self { socket, buffer: vec![0; BUFFER_BYTES], sequence: 0 })
    }

    /// Returns all open TCP sockets with one of these ports at either end.
    ///
    /// The kernel creates the list in several steps. Therefore, the list may omit a socket or
    /// contain it twice if other sockets are opened or closed meanwhile.
    ///
    /// # Errors
    ///
    /// Fails if the kernel does not answer, or does not permit the request.
    pub fn dump(&mut self, ports: &[u16]) -> io::Result<Vec<Socket>> {
        let mut sockets = Vec::new();
        if ports.is_empty() {
            return Ok(sockets);
        }
        for family in [Family::V4, Family::V6] {
            self.sequence += 1;
            self.send(&message::dump_request(self.sequence, family, ports))?;
            while self.receive(&mut sockets)? {}
        }
        Ok(sockets)
    }

    /// Returns whether the kernel knows a socket of a connection that ended with a FIN from both
    /// ends. After a reset, the kernel does not keep a socket.
    ///
    /// # Errors
    ///
    /// Fails if the kernel does not answer, or does not permit the request.
    pub fn is_in_time_wait(&mut self, local: SocketAddr, peer: SocketAddr) -> io::Result<bool> {
        self.sequence += 1;
        self.send(&message::socket_request(self.sequence, local, peer))?;
        let mut sockets = Vec::new();
        match self.receive(&mut sockets) {
            // `ENOENT`: there is no socket with these addresses.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
            // The kernel may answer with the listening socket of the server.
            Ok(_) => Ok(sockets.iter().any(|socket| {
                socket.state == TcpState::TIME_WAIT && (socket.local, socket.peer) == (local, peer)
            })),
        }
    }

    fn send(&self, request: &[u8]) -> io::Result<()> {
        // The socket is not connected, and the default destination is the kernel.
        rustix::io::retry_on_intr(|| send(&self.socket, request, SendFlags::empty()))?;
        Ok(())
    }

    /// Receives one datagram. Returns whether further datagrams follow if the request was a dump.
    fn receive(&mut self, sockets: &mut Vec<Socket>) -> io::Result<bool> {
        let Self { socket, buffer, sequence } = self;
        let (length, _) =
            rustix::io::retry_on_intr(|| recv(&*socket, &mut buffer[..], RecvFlags::empty()))?;
        let mut result = Ok(true);
        message::for_each(&buffer[..length], *sequence, |message| match message {
            Message::Socket(socket) => sockets.push(socket),
            Message::Done => result = Ok(false),
            Message::Error(number) => result = Err(io::Error::from_raw_os_error(number)),
        });
        result
    }
}
