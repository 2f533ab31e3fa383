//! Creates the sockets of the clients, reads from them and closes them.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::plan::Plan;

/// The size in bytes of the receive buffer that a non-reading client requests when it starts to
/// read. The value is twice the default of `net.ipv4.tcp_rmem` on Linux.
const RECEIVE_BUFFER_BYTES: usize = 256 * 1024;

/// The flag with which Linux discards the data instead of copying it. On other systems, the flag is
/// empty, and the kernel copies the data.
#[cfg(target_os = "linux")]
const DISCARD: i32 = libc::MSG_TRUNC;
#[cfg(not(target_os = "linux"))]
const DISCARD: i32 = 0;

/// Starts to connect to the server. Returns the socket, and whether the connection is already
/// established.
pub(super) fn connect(plan: &Plan) -> io::Result<(TcpStream, bool)> {
    let domain = Domain::for_address(plan.addr);
    // On Linux, `socket` sets `O_NONBLOCK` and `FD_CLOEXEC` without additional system calls.
    #[cfg(target_os = "linux")]
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    #[cfg(not(target_os = "linux"))]
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    #[cfg(not(target_os = "linux"))]
    socket.set_nonblocking(true)?;
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
        Err(error) if is_in_progress(&error) => false,
        Err(error) => return Err(error),
    };
    Ok((TcpStream::from_std(socket.into()), is_connected))
}

fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(libc::EINPROGRESS);
    #[cfg(not(unix))]
    return error.kind() == io::ErrorKind::WouldBlock;
}

/// Returns whether the connection is established. An event does not prove that the connection is
/// established, because the event may belong to an earlier socket with the same token.
pub(super) fn is_connected(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) if is_in_progress(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads into the spare capacity of a buffer. Returns the number of received bytes. On Linux, the
/// kernel discards the data ([`DISCARD`]), so that nothing is written to the buffer.
pub(crate) fn discard<'s, S>(stream: &'s S, spare: &mut [MaybeUninit<u8>]) -> io::Result<usize>
where
    SockRef<'s>: From<&'s S>,
{
    SockRef::from(stream).recv_with_flags(spare, DISCARD)
}

/// Enlarges the receive buffer of a client that starts to read. With small windows, thousands of
/// clients would need minutes to receive their replies.
pub(super) fn enlarge_receive_buffer(stream: &TcpStream) {
    // Ignore an error, because the client receives all bytes even with a small buffer, but more
    // slowly.
    let _ = SockRef::from(stream).set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
}

/// Closes the connection with a TCP RST.
pub(super) fn reset(stream: TcpStream) {
    // Ignore an error, because this call fails if the server has already reset the connection.
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}
