//! Finds free ports and the sockets that use a port.

use std::collections::VecDeque;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};

/// The result of the search for a socket that listens on a port of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listening {
    /// A socket listens on the port. Clients can connect to the socket at this address.
    At(IpAddr),
    /// No socket listens on the port.
    No,
    /// This system provides no list of listening sockets.
    Unknown,
}

/// Finds a free port. The port is below the ports that systems assign to clients (from 32768 on
/// Linux, from 49152 on other systems), so that the system cannot assign the port to a client
/// before the server listens.
///
/// A server may need seconds until it listens. Meanwhile, a UDP socket at the same port reserves the
/// port, so that other programs that call this function find other ports.
///
/// # Errors
///
/// Fails if no port is free.
pub fn free() -> io::Result<u16> {
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Start at a port that depends on the process id, so that concurrent programs find different
    // ports.
    let start = (std::process::id() * 331 % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        let Ok(reservation) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) else { continue };
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            keep(reservation);
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no port is free"))
}

/// Keeps the most recent reservations. Older servers have already ended or are listening.
fn keep(reservation: UdpSocket) {
    const RESERVATIONS_MAX: usize = 64;
    static RESERVATIONS: Mutex<VecDeque<UdpSocket>> = Mutex::new(VecDeque::new());
    let mut reservations = RESERVATIONS.lock().unwrap_or_else(PoisonError::into_inner);
    reservations.push_back(reservation);
    if reservations.len() > RESERVATIONS_MAX {
        reservations.pop_front();
    }
}

/// Returns a random address in 127.0.0.0/8 that has probably not been used before. Linux stores
/// metrics of the connections between two addresses (`ip tcp_metrics`). Because of these metrics,
/// Linux may accept several times as much data at a time on later connections. On systems other
/// than Linux, usually only the address 127.0.0.1 is available.
#[must_use]
pub fn unused_loopback() -> IpAddr {
    // Use a hasher as the source of randomness, because the hashers of std have random keys.
    let [second, third, fourth, ..] = RandomState::new().hash_one(()).to_ne_bytes();
    Ipv4Addr::new(127, second.max(1), third, fourth.clamp(1, 254)).into()
}

/// Finds a socket that listens on this port. Does not connect to the socket.
#[must_use]
pub fn listening(port: u16) -> Listening {
    let Some(sockets) = listening_sockets() else { return Listening::Unknown };
    let ips = sockets.iter().filter(|it| it.port == port).map(|it| it.ip);
    let mut ips: Vec<IpAddr> = ips.filter_map(|ip| local(ip, port)).collect();
    ips.sort();
    ips.first().map_or(Listening::No, |&ip| Listening::At(ip))
}

/// Returns the loopback address at which clients can connect to a socket with this local address,
/// or `None` if no loopback address reaches the socket.
fn local(ip: IpAddr, port: u16) -> Option<IpAddr> {
    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    match ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Some(V4),
        // If `IPV6_V6ONLY` is set, the socket does not accept IPv4 connections, and the port is
        // free for IPv4.
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            let is_v6_only = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
            Some(if is_v6_only { V6 } else { V4 })
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(Ipv4Addr::LOCALHOST) => Some(V4),
            Some(_) => None,
            None => v6.is_loopback().then_some(V6),
        },
        IpAddr::V4(_) => (ip == V4).then_some(V4),
    }
}

/// Returns the port and the inode of each listening socket. Returns an empty list on systems other
/// than Linux.
pub(crate) fn listeners() -> Vec<(u16, u64)> {
    let sockets = listening_sockets().unwrap_or_default();
    sockets.iter().map(|it| (it.port, it.inode)).collect()
}

/// Returns whether a socket listens on this port at any address. Returns false on systems other
/// than Linux.
#[must_use]
pub fn is_taken(port: u16) -> bool {
    listeners().iter().any(|listener| listener.0 == port)
}

/// Returns the number of a server's connections in the state FIN_WAIT1. In this state, the server
/// has written the whole reply and shut down the write half, but the client has not yet
/// acknowledged all data.
#[must_use]
pub fn unacknowledged(port: u16) -> usize {
    const FIN_WAIT1: u8 = 4;
    let sockets = sockets_while(|_| true).unwrap_or_default();
    sockets.iter().filter(|it| it.port == port && it.state == FIN_WAIT1).count()
}

/// A line of `/proc/net/tcp`, which describes a TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    ip: IpAddr,
    port: u16,
    state: u8,
    inode: u64,
}

impl Socket {
    fn is_listening(&self) -> bool {
        const LISTEN: u8 = 10;
        self.state == LISTEN
    }
}

/// Returns all TCP sockets of this machine that listen, or `None` if the system does not provide
/// this information. The kernel lists these sockets first (Documentation/networking/proc_net_tcp.rst
/// in the source code of Linux). The complete list can contain thousands of sockets.
fn listening_sockets() -> Option<Vec<Socket>> {
    sockets_while(Socket::is_listening)
}

/// Returns the TCP sockets of this machine, up to the first socket for which the condition is false.
/// Returns `None` if the system does not provide this information.
fn sockets_while(condition: impl Fn(&Socket) -> bool) -> Option<Vec<Socket>> {
    let v4 = File::open("/proc/net/tcp").ok()?;
    // The file `/proc/net/tcp6` does not exist on systems without IPv6.
    let v6 = File::open("/proc/net/tcp6").ok();
    let sockets = [v4].into_iter().chain(v6).flat_map(|file| {
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        lines.filter_map(|line| parse(&line)).take_while(&condition)
    });
    Some(sockets.collect())
}

/// Parses a line with the fields `sl`, `local_address`, `rem_address`, `st`, `tx:rx`, `tr:tm`,
/// `retrnsmt`, `uid`, `timeout` and `inode`.
fn parse(line: &str) -> Option<Socket> {
    let mut fields = line.split_whitespace().skip(1);
    let (ip, port) = fields.next()?.split_once(':')?;
    let state = u8::from_str_radix(fields.nth(1)?, 16).ok()?;
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Socket { ip: parse_ip(ip)?, port: u16::from_str_radix(port, 16).ok()?, state, inode })
}

/// Parses an address. The text contains 32-bit words in hexadecimal, in the byte order of the
/// machine.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let words = text.as_bytes().chunks(8).map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        _ => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_line_of_the_table_is_parsed() {
        let line = "   0: 0100007F:0FA0 0200007F:8000 04 00000001:00000000 01:00000014 00000000  \
                    1000        0 4711 3 0000000000000000 21 4 30 10 -1";
        let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
        assert_eq!(parse(line), Some(Socket { ip, port: 4000, state: 4, inode: 4711 }));
        assert_eq!(parse("  sl  local_address rem_address   st tx_queue rx_queue"), None);
        let mapped = parse_ip("0000000000000000FFFF00000100007F").unwrap();
        assert_eq!(local(mapped, 1), Some(ip));
        assert_eq!(local(Ipv4Addr::new(10, 0, 0, 1).into(), 1), None);
    }
}
