//! System calls that send data to a socket.
//!
//! Each function makes one system call, and repeats the call if a signal interrupts it. An async
//! sibling calls the function through the readiness API of its runtime.

use std::fs::File;
use std::io;
use std::sync::OnceLock;

use socket2::SockRef;

use crate::system_call::retry_interrupted;

/// The maximum number of bytes that one `sendfile` call copies (1 MiB). This maximum limits the
/// time for which one call occupies a worker thread, regardless of the chunk size.
#[cfg(target_os = "linux")]
const SENDFILE_BYTES_MAX: usize = 1 << 20;

/// A hook with which a test forces partial writes. The function receives the number of offered
/// bytes. It returns the number of bytes that the kernel may accept, or an error such as
/// `WouldBlock`. The hook applies to all sends of the process, so a test that sets the hook needs a
/// separate process.
#[doc(hidden)]
pub static SEND_LIMIT: OnceLock<fn(usize) -> io::Result<usize>> = OnceLock::new();

fn limited(bytes: usize) -> io::Result<usize> {
    SEND_LIMIT.get().map_or(Ok(bytes), |limit| limit(bytes))
}

/// Sends bytes to a socket (`send`), and returns the number of bytes that the kernel accepted.
///
/// # Errors
///
/// Returns an error from `send`. On a non-blocking socket, `WouldBlock` means that the send buffer
/// is full.
pub fn send<'s>(to: impl Into<SockRef<'s>>, bytes: &[u8]) -> io::Result<usize> {
    let to = to.into();
    retry_interrupted(|| to.send(&bytes[..limited(bytes.len())?]))
}

// ANCHOR: send_more
/// Sends bytes and announces that more data follows immediately (`MSG_MORE` on Linux), so that the
/// bytes share a TCP segment with that data. Returns the number of bytes that the kernel accepted,
/// which is 0 if the send buffer is full.
pub(crate) fn send_more(to: &SockRef<'_>, bytes: &[u8]) -> io::Result<usize> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const FLAGS: i32 = libc::MSG_MORE | libc::MSG_NOSIGNAL;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const FLAGS: i32 = 0;
    if bytes.is_empty() {
        return Ok(0);
    }
    let send = || to.send_with_flags(&bytes[..limited(bytes.len())?], FLAGS);
    match retry_interrupted(send) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}
// ANCHOR_END: send_more

// ANCHOR: sendfile
/// Copies up to `bytes` bytes in the kernel, from the file's current position to a socket. Returns
/// the number of bytes copied. The file's position advances by this number.
#[cfg(target_os = "linux")]
pub(crate) fn sendfile(to: &SockRef<'_>, from: &File, bytes: usize) -> io::Result<usize> {
    let bytes = bytes.min(SENDFILE_BYTES_MAX);
    retry_interrupted(|| Ok(rustix::fs::sendfile(&**to, from, None, limited(bytes)?)?))
}
// ANCHOR_END: sendfile

#[cfg(not(target_os = "linux"))]
pub(crate) fn sendfile(_to: &SockRef<'_>, _from: &File, _bytes: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}
