//! Reads the values of sockets, threads and processes, and reports the values that have changed.
//!
//! Only Linux provides these values. On other systems, the sampler reports what the clients and the
//! servers' logs report.

mod ends;
mod file_offset;
mod threads;
mod tracker;

#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux provides sockets"))]
mod socket;

#[cfg(target_os = "linux")]
mod message;
#[cfg(target_os = "linux")]
mod sock_diag;

#[cfg(not(target_os = "linux"))]
mod no_sock_diag;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use ends::by_connection;
#[cfg(not(target_os = "linux"))]
use no_sock_diag::SockDiag;
#[cfg(target_os = "linux")]
use sock_diag::SockDiag;
use socket::Socket;
use threads::Threads;
use tracker::{Sources, Tracker};

use crate::connections::Connections;
use crate::hub::Hub;
use crate::servers::{Progress, Servers};
use crate::trace::Line;

/// The time from the start of a sample to the start of the next one, if samples are cheap.
pub const INTERVAL: Duration = Duration::from_millis(100);

/// The inverse of the maximum share of a core that the sampler uses.
const MAX_CORE_SHARE: u32 = 10;

/// A server that is sampled.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// `None` if the server does not run.
    pub addr: Option<SocketAddr>,
    /// The server's processes.
    pub pids: Vec<u32>,
    /// The length of a complete reply in bytes, if it is known.
    pub reply_bytes: Option<u64>,
}

/// Returns the servers to sample.
#[must_use]
pub fn targets(hub: &Hub, servers: &Servers) -> Vec<Target> {
    let file_bytes = hub.header().file_bytes;
    let target = |server| Target {
        addr: servers.addr(server),
        pids: servers.pids(server),
        reply_bytes: servers.preamble_bytes(server).map(|preamble| preamble + file_bytes),
    };
    (0..servers.len()).map(target).collect()
}

/// Samples all servers until the sender of `stop` is dropped.
pub fn run(hub: &Hub, connections: Arc<Connections>, servers: &Servers, stop: &Receiver<()>) {
    let mut sampler = Sampler::new(connections);
    loop {
        let (started, cpu_time) = (Instant::now(), thread_cpu_time());
        let progress = |server, client| servers.progress(server, client);
        hub.push(sampler.sample(hub, &targets(hub, servers), &progress));
        let cost = thread_cpu_time().saturating_sub(cpu_time);
        let pause = INTERVAL.max(cost * MAX_CORE_SHARE).saturating_sub(started.elapsed());
        if stop.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// The values of all servers in the previous sample.
#[derive(Debug)]
pub struct Sampler {
    tracker: Tracker,
    threads: Vec<Threads>,
    sock_diag: Option<SockDiag>,
    /// Whether a note reported that sockets or threads cannot be read.
    has_reported_sockets: bool,
    has_reported_threads: bool,
}

impl Sampler {
    /// Creates a sampler that reports all values in the first sample.
    #[must_use]
    pub fn new(connections: Arc<Connections>) -> Self {
        Self {
            tracker: Tracker::new(connections),
            threads: Vec::new(),
            sock_diag: None,
            has_reported_sockets: false,
            has_reported_threads: false,
        }
    }

    /// Takes one sample, and returns the values that have changed since the previous sample.
    /// `progress` returns what the log reported about a connection, or `None` if the server has no
    /// log.
    pub fn sample(
        &mut self,
        hub: &Hub,
        targets: &[Target],
        progress: &dyn Fn(usize, SocketAddr) -> Option<Progress>,
    ) -> Vec<Line> {
        let mut lines = Vec::new();
        let counted = self.tracker.count();
        let at_us = hub.now_us();
        let sockets = self.sockets(targets);
        if let Err(error) = &sockets {
            if !self.has_reported_sockets {
                self.has_reported_sockets = true;
                let rest = "The view shows only what the clients and the logs report.";
                lines.push(note(at_us, format!("cannot list sockets: {error}. {rest}")));
            }
        }
        let ends = sockets.ok().map(|sockets| by_connection(sockets, targets));
        let sock_diag = RefCell::new(self.sock_diag.as_mut());
        let is_in_time_wait =
            |local, peer| sock_diag.borrow_mut().as_mut()?.is_in_time_wait(local, peer).ok();
        let is_in_time_wait = &is_in_time_wait;
        let file_bytes = hub.header().file_bytes;
        let file_offset =
            |server: usize| file_offset::file_offset(&targets.get(server)?.pids, file_bytes);
        let file_offset = &file_offset;
        let sources =
            Sources { at_us, targets, ends, progress, file_offset, file_bytes, is_in_time_wait };
        lines.extend(self.tracker.sample(counted, sources));
        lines.extend(self.sample_threads(hub, targets));
        lines
    }

    /// Returns the sockets of all servers. After an error, the next call opens a new netlink
    /// socket.
    fn sockets(&mut self, targets: &[Target]) -> io::Result<Vec<Socket>> {
        let addrs = targets.iter().filter_map(|target| target.addr);
        let ports: Vec<u16> = addrs.map(|addr| addr.port()).collect();
        let mut sock_diag = match self.sock_diag.take() {
            Some(sock_diag) => sock_diag,
            None => SockDiag::open()?,
        };
        let sockets = sock_diag.dump(&ports)?;
        self.sock_diag = Some(sock_diag);
        Ok(sockets)
    }

    fn sample_threads(&mut self, hub: &Hub, targets: &[Target]) -> Vec<Line> {
        self.threads.resize_with(targets.len(), Threads::default);
        let mut lines = Vec::new();
        for (server, (threads, target)) in self.threads.iter_mut().zip(targets).enumerate() {
            let at_us = hub.now_us();
            lines.extend(threads.sample(server, &target.pids, at_us));
            if let Some(problem) = threads.take_problem().filter(|_| !self.has_reported_threads) {
                self.has_reported_threads = true;
                let message = format!("cannot read the system calls of threads: {problem}");
                lines.push(note(at_us, message));
            }
        }
        lines
    }
}

fn note(at_us: u64, message: String) -> Line {
    Line::Note { at_us, message }
}

/// Returns the CPU time of the current thread. On systems that do not provide it, returns the time
/// since the first call, which is at least as long.
fn thread_cpu_time() -> Duration {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
    #[cfg(not(target_os = "linux"))]
    {
        static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        START.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket::TcpState;

    #[test]
    fn a_client_with_the_port_of_a_server_is_a_client() {
        let addr = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let (server, client) = (addr("127.0.0.1:4000"), addr("127.9.8.7:4000"));
        let target = Target { addr: Some(server), pids: Vec::new(), reply_bytes: None };
        let socket = |local, peer| {
            let state = TcpState::ESTABLISHED;
            Socket { local, peer, state, receive_queue: 0, send_queue: 0, info: None }
        };
        let sockets = vec![socket(server, client), socket(client, server)];
        let ends = by_connection(sockets, &[target]);
        assert_eq!(ends.keys().collect::<Vec<_>>(), [&(0, client)]);
        assert!(ends[&(0, client)].server.is_some() && ends[&(0, client)].client.is_some());
    }
}
