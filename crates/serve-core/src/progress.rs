//! Whether a client still takes what it is sent (clause 8 of the contract).
//!
//! That the kernel takes nothing more says little: it calls a socket writable only when about a third
//! of its send buffer is free, and a slow client may need minutes for that. What counts is whether the
//! client acknowledges. `TCP_USER_TIMEOUT` would seem made for it, but it cuts off slow clients with a
//! small window (its clock starts at the first zero window and goes on while bytes trickle), and it
//! never looks at one that floods us (each of its segments puts the probe off); both seen on Linux
//! 6.18.

use std::io;
use std::time::{Duration, Instant};

use socket2::SockRef;

/// How many times within the stall timeout a client is looked at.
const LOOKS: u32 = 8;

/// Whether the system tells how many bytes are not acknowledged yet.
pub(crate) const SEES_ACKNOWLEDGEMENTS: bool =
    cfg!(any(target_os = "linux", target_os = "android"));

/// How far a client had come when it was last looked at.
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
    /// Whether nothing more of `sent` was acknowledged within the timeout. Where nobody tells how
    /// much is `unacknowledged`, what the kernel took has to stand for it; then a disk that gives
    /// nothing for so long looks the same.
    pub(crate) fn is_stalled(
        &mut self,
        sent: u64,
        unacknowledged: Option<u64>,
        timeout: Duration,
    ) -> bool {
        let acknowledged = sent.saturating_sub(unacknowledged.unwrap_or(0));
        let has_all = unacknowledged == Some(0);
        if has_all || acknowledged != self.acknowledged {
            *self = Self { acknowledged, changed_at: Instant::now() };
        }
        self.changed_at.elapsed() >= timeout
    }
    // ANCHOR_END: is_stalled
}

/// How long after one look at a client the next one is due.
pub(crate) fn look_after(stall_timeout: Duration) -> Duration {
    (stall_timeout / LOOKS).max(Duration::from_millis(1))
}

/// How many bytes the other side has not acknowledged; our FIN is one of them.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn unacknowledged_bytes(socket: &SockRef<'_>) -> io::Result<u64> {
    use std::os::fd::AsRawFd;

    let mut bytes: libc::c_int = 0;
    #[expect(unsafe_code, reason = "no crate offers this one question as a safe call")]
    // SAFETY: the descriptor is open as long as the socket is borrowed. SIOCOUTQ, which is another
    // name for TIOCOUTQ, is an opcode of sockets and writes an int (tcp(7)).
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if answer == -1 {
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
    fn a_client_is_looked_at_eight_times_but_no_timer_spins() {
        assert_eq!(look_after(Duration::from_secs(1)), Duration::from_millis(125));
        assert_eq!(look_after(Duration::from_millis(1)), Duration::from_millis(1));
    }

    #[test]
    fn who_has_everything_is_not_stalled() {
        let mut progress = Progress::new();
        assert!(!progress.is_stalled(10, Some(0), MINUTE));
        progress.changed_at -= MINUTE;
        assert!(!progress.is_stalled(10, Some(0), MINUTE));
    }

    #[test]
    fn unseen_the_kernel_stands_for_the_client() {
        let mut progress = Progress::new();
        assert!(!progress.is_stalled(10, None, MINUTE));
        progress.changed_at -= MINUTE;
        assert!(!progress.is_stalled(11, None, MINUTE));
        progress.changed_at -= MINUTE;
        assert!(progress.is_stalled(11, None, MINUTE));
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn what_the_peer_has_not_acknowledged_is_seen() {
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
        let waiting = unacknowledged_bytes(&SockRef::from(&stream)).unwrap();
        assert!((1..=sent).contains(&waiting), "{waiting} of {sent}");

        let mut progress = Progress::new();
        let is_stalled = |progress: &mut Progress, timeout| {
            let unacknowledged = unacknowledged_bytes(&SockRef::from(&stream)).unwrap();
            progress.is_stalled(sent, Some(unacknowledged), timeout)
        };
        // The first look sees progress: some was acknowledged since the client came.
        assert!(!is_stalled(&mut progress, Duration::MAX));
        assert!(is_stalled(&mut progress, Duration::ZERO));
        let mut taken = vec![0; sent as usize];
        client.read_exact(&mut taken).unwrap();
        assert!(!is_stalled(&mut progress, MINUTE));
    }
}
