//! The lingering close, which ends a connection after its reply (clause 7 of the contract).

use std::borrow::Borrow;
use std::io;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::connection::Connection;
use crate::stall;

/// The minimum time until a connection's acknowledgments are checked for the first time. Most
/// clients close their connections earlier, so that these connections need no check. Linux delays
/// an acknowledgment by at least 40 ms.
const FIRST_CHECK: Duration = Duration::from_millis(50);

/// The lingering close of a connection. The linger timeout starts when the client has acknowledged
/// everything, because a client that is still reading would lose the rest of the reply. Until then,
/// the stall timeout applies.
///
/// If the operating system does not report acknowledgments, the linger timeout starts immediately.
///
/// The type `C` refers to the connection. A task or a thread borrows the connection, and a state
/// machine, which must own its values, shares the connection (`Arc`).
#[derive(Debug)]
pub struct Linger<C> {
    conn: C,
    started: Instant,
    /// The time at which a check found that the client had acknowledged everything.
    acknowledged_at: Option<Instant>,
}

impl<C: Borrow<Connection>> Linger<C> {
    /// Starts the lingering close. Call this function after the write half has been shut down.
    #[must_use]
    pub fn new(conn: C) -> Self {
        let started = Instant::now();
        let reports_acknowledgments = conn.borrow().server().reports_acknowledgments;
        let acknowledged_at = (!reports_acknowledgments).then_some(started);
        Self { conn, started, acknowledged_at }
    }

    // ANCHOR: linger
    /// Returns the time to wait before the next call of [`is_expired`](Self::is_expired) or
    /// [`is_acknowledged`](Self::is_acknowledged). Until the client has acknowledged everything,
    /// the intervals between two checks become longer, up to the stall check interval.
    #[must_use]
    pub fn wait(&self) -> Duration {
        let conn = self.conn.borrow();
        match self.acknowledged_at {
            Some(at) => conn.config().linger_timeout.saturating_sub(at.elapsed()),
            None => self.started.elapsed().max(FIRST_CHECK).min(conn.stall_check_interval()),
        }
    }

    /// Returns whether the client has acknowledged everything, including the server's FIN. Before
    /// that, closing the socket could lose a part of the reply, even after the client's FIN.
    ///
    /// # Errors
    ///
    /// Returns an error if the client stalled or reset the connection.
    pub fn is_acknowledged<'s>(&mut self, socket: impl Into<SockRef<'s>>) -> io::Result<bool> {
        if self.acknowledged_at.is_some() {
            return Ok(true);
        }
        let socket = socket.into();
        let unacknowledged = stall::unacknowledged_bytes(&socket)?;
        if unacknowledged == 0 {
            self.acknowledged_at = Some(Instant::now());
            return Ok(true);
        }
        // After the client's FIN, `read` returns 0 bytes even if the client reset the connection.
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        self.conn.borrow().check_progress(Some(unacknowledged))?;
        Ok(false)
    }
    // ANCHOR_END: linger

    /// Returns whether the linger timeout has expired before the client's FIN, which is not an
    /// error.
    ///
    /// # Errors
    ///
    /// Returns an error if the client stalled or reset the connection.
    pub fn is_expired<'s>(&mut self, socket: impl Into<SockRef<'s>>) -> io::Result<bool> {
        let is_expired = self.is_acknowledged(socket)? && self.wait().is_zero();
        if is_expired {
            self.conn.borrow().record_linger_expired();
        }
        Ok(is_expired)
    }
}
