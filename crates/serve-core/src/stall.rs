//! Detects clients that no longer acknowledge data (clause 8 of the contract).
//!
//! A full send buffer does not prove that a client is stalled. Linux reports a socket as writable
//! only when about a third of its send buffer is free. With a slow client, this can take minutes.
//! Only acknowledgments show the client's progress.
//!
//! The socket option `TCP_USER_TIMEOUT` seems to suit this purpose, but on Linux 6.18 it has two
//! problems:
//!
//! - The option also disconnects slow clients that have a small window. The timer of the option
//!   starts at the first zero window, and continues to run while the client receives bytes.
//! - The timeout never expires for a client that keeps sending, because each of the client's
//!   segments postpones the window probe.

use std::io;
use std::time::{Duration, Instant};

use socket2::SockRef;

/// The number of times that a connection is checked within the stall timeout.
const CHECKS_PER_TIMEOUT: u32 = 8;

/// Indicates whether the operating system reports the number of bytes that have not been
/// acknowledged yet.
pub(crate) const REPORTS_ACKNOWLEDGMENTS: bool =
    cfg!(any(target_os = "linux", target_os = "android"));

/// A client's progress at the time of the last check.
#[derive(Debug)]
pub(crate) struct Progress {
    acknowledged: u64,
    changed_at: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { acknowledged: 0, changed_at: Instant::now() }
    }

    // ANCHOR: is_stalled
    /// Returns whether the client acknowledged no data within the timeout. `unacknowledged` is
    /// `None` if the operating system does not report this number. In that case, progress is
    /// measured in bytes that the kernel accepted, and a client is also considered stalled if the
    /// disk returns no data within the timeout.
    pub(crate) fn is_stalled(
        &mut self,
        sent: u64,
        unacknowledged: Option<u64>,
        timeout: Duration,
    ) -> bool {
        let acknowledged = sent.saturating_sub(unacknowledged.unwrap_or(0));
        let is_complete = unacknowledged == Some(0);
        if is_complete || acknowledged != self.acknowledged {
            *self = Self { acknowledged, changed_at: Instant::now() };
        }
        self.changed_at.elapsed() >= timeout
    }
    // ANCHOR_END: is_stalled
}

/// Returns the interval between two checks of a connection.
pub(crate) fn check_interval(stall_timeout: Duration) -> Duration {
    (stall_timeout / CHECKS_PER_TIMEOUT).max(Duration::from_millis(1))
}

/// Returns the number of bytes that the client has not acknowledged. A FIN counts as one byte.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn unacknowledged_bytes(socket: &SockRef<'_>) -> io::Result<u64> {
    use std::os::fd::AsRawFd;

    let mut bytes: libc::c_int = 0;
    #[expect(unsafe_code, reason = "no crate wraps this ioctl in a safe function")]
    // SAFETY: the descriptor is open as long as the socket is borrowed. SIOCOUTQ, which is another
    // name for TIOCOUTQ, is an ioctl of sockets and writes an int (tcp(7)).
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::try_from(bytes).unwrap_or(0))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn unacknowledged_bytes(_socket: &SockRef<'_>) -> io::Result<u64> {
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_connection_is_checked_eight_times_per_timeout_and_at_most_once_per_millisecond() {
        assert_eq!(check_interval(Duration::from_secs(1)), Duration::from_millis(125));
        assert_eq!(check_interval(Duration::from_millis(1)), Duration::from_millis(1));
    }

    #[test]
    fn a_client_that_acknowledged_everything_is_not_stalled() {
        let mut progress = Progress::new();
        assert!(!progress.is_stalled(10, Some(0), MINUTE));
        progress.changed_at -= MINUTE;
        assert!(!progress.is_stalled(10, Some(0), MINUTE));
    }

    #[test]
    fn without_acknowledgments_accepted_bytes_are_progress() {
        let mut progress = Progress::new();
        assert!(!progress.is_stalled(10, None, MINUTE));
        progress.changed_at -= MINUTE;
        assert!(!progress.is_stalled(11, None, MINUTE));
        progress.changed_at -= MINUTE;
        assert!(progress.is_stalled(11, None, MINUTE));
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn the_kernel_reports_unacknowledged_bytes() {
        use std::io::{Read, Write};
        use std::net::{TcpListener, TcpStream};

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(unacknowledged_bytes(&SockRef::from(&stream)).unwrap(), 0);
        stream.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(bytes) = stream.write(&[0; 65_536]) {
            sent += bytes as u64;
        }
        let unacknowledged = unacknowledged_bytes(&SockRef::from(&stream)).unwrap();
        assert!(
            (1..=sent).contains(&unacknowledged),
            "expected 1 to {sent} unacknowledged bytes, got {unacknowledged}"
        );

        let mut progress = Progress::new();
        let is_stalled = |progress: &mut Progress, timeout| {
            let unacknowledged = unacknowledged_bytes(&SockRef::from(&stream)).unwrap();
            progress.is_stalled(sent, Some(unacknowledged), timeout)
        };
        // The first check detects progress, because the client has already acknowledged some bytes.
        assert!(!is_stalled(&mut progress, Duration::MAX));
        assert!(is_stalled(&mut progress, Duration::ZERO));
        let mut received = vec![0; sent as usize];
        client.read_exact(&mut received).unwrap();
        assert!(!is_stalled(&mut progress, MINUTE));
    }
}
