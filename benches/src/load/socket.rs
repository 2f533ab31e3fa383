//! Sockets, as a plan wants them.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::plan::Plan;

/// Whether a read that fills less than its buffer has read all there was. With epoll it has, so the
/// read that would only say so can be saved; Windows wants to be asked until it says so.
pub(super) const SHORT_READ_IS_ALL: bool = cfg!(target_os = "linux");

/// Twice what Linux has by itself (`net.ipv4.tcp_rmem`).
const OPEN_BUFFER_BYTES: usize = 256 * 1024;

/// Begins to connect; true if it is connected already, as it often is within one machine.
pub(super) fn connect(plan: &Plan) -> io::Result<(TcpStream, bool)> {
    let socket = new_socket(Domain::for_address(plan.addr))?;
    if let Some(bytes) = plan.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    #[cfg(unix)]
    if let Some(bytes) = plan.max_segment_bytes {
        socket.set_tcp_mss(bytes)?;
    }
    if let Some(source) = plan.source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    let is_connected = match socket.connect(&plan.addr.into()) {
        Ok(()) => true,
        Err(error) if is_under_way(&error) => false,
        Err(error) => return Err(error),
    };
    Ok((TcpStream::from_std(socket.into()), is_connected))
}

#[cfg(target_os = "linux")]
fn new_socket(domain: Domain) -> io::Result<Socket> {
    // One system call instead of three.
    Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))
}

#[cfg(not(target_os = "linux"))]
fn new_socket(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(unix)]
fn is_under_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS)
}

#[cfg(not(unix))]
fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Whether a connection that was under way is made. An event alone does not say it: it may be meant
/// for the socket that had the same place before.
pub(super) fn is_connected(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) if is_under_way(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Lets the kernel throw bytes away; how many that were.
#[cfg(target_os = "linux")]
pub(super) fn discard(stream: &TcpStream, room: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    SockRef::from(stream).recv_with_flags(room, libc::MSG_TRUNC)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn discard(_: &TcpStream, _: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A client that was held may have more room now: through a small window, thousands of them would
/// take minutes to read what they are sent.
pub(super) fn open_window(stream: &TcpStream) {
    // With the little room it reads the same, only later.
    let _ = SockRef::from(stream).set_recv_buffer_size(OPEN_BUFFER_BYTES);
}

/// Closes with a RST.
pub(super) fn reset(stream: TcpStream) {
    // It may be gone already; then there is nothing left to reset.
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}
