//! The wait for a writable socket.

use std::io::{self, ErrorKind};

use compio::runtime::fd::PollFd;
use compio::time::timeout;
use rustix::event::{self, PollFlags, Timespec, epoll, poll};
use serve_core::Connection;
use socket2::Socket;

/// Repeats a write until it does not return `WouldBlock`. Before each repetition, waits until the
/// send buffer has space, and checks whether the client still acknowledges data.
pub(crate) async fn write_with<T>(
    conn: &Connection,
    stream: &PollFd<Socket>,
    mut write: impl FnMut(&Socket) -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match write(stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => return result,
        }
        match timeout(conn.stall_check_interval(), write_ready(stream)).await {
            Ok(result) => result?,
            Err(_elapsed) => conn.check_stall(&**stream)?,
        }
    }
}

// ANCHOR: write_ready
/// Waits until the send buffer has space.
///
/// After the client's FIN, every poll operation of io_uring completes immediately (`POLLRDHUP`),
/// even if the send buffer is full. An epoll instance ignores the FIN, and is itself a descriptor
/// that becomes readable.
async fn write_ready(stream: &PollFd<Socket>) -> io::Result<()> {
    stream.write_ready().await?;
    let mut writable = [event::PollFd::new(stream, PollFlags::OUT)];
    if poll(&mut writable, Some(&Timespec::default()))? == 0 {
        let events = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&events, stream, epoll::EventData::new_u64(0), epoll::EventFlags::OUT)?;
        PollFd::new(events)?.read_ready().await?;
    }
    Ok(())
}
// ANCHOR_END: write_ready
