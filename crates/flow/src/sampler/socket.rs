//! A TCP socket of this machine, as the kernel describes it.

use std::net::SocketAddr;

/// The state of a socket (see `net/tcp_states.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpState(pub u8);

impl TcpState {
    pub const ESTABLISHED: Self = Self(1);
    pub const FIN_WAIT1: Self = Self(4);
    pub const FIN_WAIT2: Self = Self(5);
    pub const TIME_WAIT: Self = Self(6);
    pub const CLOSE_WAIT: Self = Self(8);
    pub const LAST_ACK: Self = Self(9);
    pub const CLOSING: Self = Self(11);

    /// Returns whether the process shut down the write half of the socket. The FIN may still wait
    /// in the send buffer.
    pub fn has_sent_fin(self) -> bool {
        [Self::FIN_WAIT1, Self::FIN_WAIT2, Self::TIME_WAIT, Self::LAST_ACK, Self::CLOSING]
            .contains(&self)
    }

    /// Returns whether the socket received a FIN.
    pub fn has_received_fin(self) -> bool {
        [Self::TIME_WAIT, Self::CLOSE_WAIT, Self::LAST_ACK, Self::CLOSING].contains(&self)
    }
}

/// A TCP socket. All numbers of bytes are the kernel's values, in which a FIN counts as one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub state: TcpState,
    /// The bytes that the process has not read (`Recv-Q` of `ss`).
    pub receive_queue: u64,
    /// The bytes that the peer has not acknowledged (`Send-Q` of `ss`).
    pub send_queue: u64,
    /// `None` if no process has the socket open, and the kernel only waits for the peer's FIN.
    pub info: Option<Info>,
}

/// A part of the kernel's `tcp_info`. While the kernel copies these values, the socket is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    pub state: TcpState,
    /// The bytes that the socket has received in order.
    pub received: u64,
    /// The bytes in the send queue that were never sent.
    pub unsent: u64,
    /// The bytes of data that the socket has sent, without any FIN.
    pub sent: u64,
    /// The bytes that the socket has sent again.
    pub sent_again: u64,
}

impl Socket {
    /// Returns the bytes of data that the process wrote.
    ///
    /// While no data flows, the result equals the acknowledged bytes plus the send queue, without the
    /// FIN. While data flows, that sum would be incorrect, because the kernel reads its two parts at
    /// different moments.
    pub fn written(&self) -> Option<u64> {
        let info = self.info?;
        // The FIN is the last byte of the queue, until it is sent.
        let fin = u64::from(info.state.has_sent_fin());
        Some((info.sent + info.unsent.saturating_sub(fin)).saturating_sub(info.sent_again))
    }

    /// Returns the bytes of data that the socket received.
    pub fn received(&self) -> Option<u64> {
        let info = self.info?;
        Some(info.received.saturating_sub(info.state.has_received_fin().into()))
    }

    /// Returns the bytes of data that the process read.
    pub fn read(&self) -> Option<u64> {
        // The FIN is the last byte of the queue, until the process reads the end of file.
        let fin = u64::from(self.state.has_received_fin());
        Some(self.received()?.saturating_sub(self.receive_queue.saturating_sub(fin)))
    }
}
