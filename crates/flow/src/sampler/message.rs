//! The messages of `sock_diag` (see sock_diag(7) and `linux/inet_diag.h`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::socket::{Info, Socket, TcpState};

/// The address families, which have the same numbers on all architectures.
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const IPPROTO_TCP: u8 = 6;

/// The number of the attribute that contains the `tcp_info` of a socket.
const INET_DIAG_INFO: u16 = 2;
/// The number of the attribute that contains a filter.
const INET_DIAG_REQ_BYTECODE: u16 = 1;
/// The operations of a filter.
const INET_DIAG_BC_JMP: u8 = 1;
const INET_DIAG_BC_S_COND: u8 = 7;
const INET_DIAG_BC_D_COND: u8 = 8;

/// The lengths of `nlmsghdr`, `inet_diag_msg` and `rtattr`, in bytes.
const HEADER_BYTES: usize = 16;
const SOCKET_BYTES: usize = 72;
const ATTRIBUTE_BYTES: usize = 4;

/// The states in which a socket has an open connection. `TIME_WAIT` is excluded, because the kernel
/// keeps a socket in this state for 60 s after its connection ended.
const OPEN_STATES: u32 = 1 << TcpState::ESTABLISHED.0
    | 1 << TcpState::FIN_WAIT1.0
    | 1 << TcpState::FIN_WAIT2.0
    | 1 << TcpState::CLOSE_WAIT.0
    | 1 << TcpState::LAST_ACK.0
    | 1 << TcpState::CLOSING.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// A part of the kernel's answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    Socket(Socket),
    /// No further message follows.
    Done,
    /// The number of an error (see errno(3)).
    Error(i32),
}

/// Returns a request for all open TCP sockets of this family with one of these ports at either end.
pub fn dump_request(sequence: u32, family: Family, ports: &[u16]) -> Vec<u8> {
    let mut request = header(sequence, NLM_F_REQUEST | NLM_F_DUMP, family, OPEN_STATES);
    request.extend([0; 48]);
    let filter = filter(ports);
    request.extend(u16_bytes(ATTRIBUTE_BYTES + filter.len()));
    request.extend(INET_DIAG_REQ_BYTECODE.to_ne_bytes());
    request.extend(filter);
    with_length(request)
}

/// Returns a request for the TCP socket with these addresses, in any state.
pub fn socket_request(sequence: u32, local: SocketAddr, peer: SocketAddr) -> Vec<u8> {
    let family = if local.is_ipv4() { Family::V4 } else { Family::V6 };
    let mut request = header(sequence, NLM_F_REQUEST, family, u32::MAX);
    request.extend(local.port().to_be_bytes());
    request.extend(peer.port().to_be_bytes());
    request.extend(ip_bytes(local.ip()));
    request.extend(ip_bytes(peer.ip()));
    // The interface is not specified, and neither is the cookie of the socket.
    request.extend([0; 4]);
    request.extend([0xff; 8]);
    with_length(request)
}

/// Calls a function with each message of the answer to a request.
pub fn for_each(mut datagram: &[u8], sequence: u32, mut found: impl FnMut(Message)) {
    while let Some(length) = u32_at(datagram, 0) {
        let Some(message) = datagram.get(..length as usize) else { return };
        let Some(content) = message.get(HEADER_BYTES..) else { return };
        if u32_at(message, 8) == Some(sequence) {
            let message = match u16_at(message, 4) {
                Some(SOCK_DIAG_BY_FAMILY) => socket(content).map(Message::Socket),
                Some(NLMSG_DONE) => Some(done(content)),
                Some(NLMSG_ERROR) => i32_at(content, 0).map(|number| Message::Error(-number)),
                _ => None,
            };
            message.into_iter().for_each(&mut found);
        }
        datagram = datagram.get(aligned(length as usize)..).unwrap_or_default();
    }
}

/// Returns the error that ended a dump, if there is one.
fn done(content: &[u8]) -> Message {
    match i32_at(content, 0) {
        Some(number) if number < 0 => Message::Error(-number),
        _ => Message::Done,
    }
}

/// Returns `nlmsghdr` and the first 8 bytes of `inet_diag_req_v2`.
fn header(sequence: u32, flags: u16, family: Family, states: u32) -> Vec<u8> {
    let family = match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    };
    let extensions: u8 = 1 << (INET_DIAG_INFO - 1);
    let mut request = vec![0; 4];
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(flags.to_ne_bytes());
    request.extend(sequence.to_ne_bytes());
    request.extend([0; 4]);
    request.extend([family, IPPROTO_TCP, extensions, 0]);
    request.extend(states.to_ne_bytes());
    request
}

fn with_length(mut request: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(request.len()).expect("a request is short");
    request[..4].copy_from_slice(&length.to_ne_bytes());
    request
}

/// Returns a filter that accepts the sockets with one of these ports at either end.
///
/// The filter is a list of conditions. An operation consists of its code, the distance to the next
/// operation if the condition is true, and the distance if the condition is false. The kernel
/// accepts a socket if the last distance leads exactly to the end of the filter, and it rejects the
/// socket if the distance leads beyond the end.
fn filter(ports: &[u16]) -> Vec<u8> {
    /// The length of an operation, and of an operation with its condition.
    const JUMP_BYTES: usize = 4;
    const CONDITION_BYTES: usize = 12;
    let codes = [INET_DIAG_BC_S_COND, INET_DIAG_BC_D_COND];
    let conditions = ports.iter().flat_map(|port| codes.map(|code| (code, *port)));
    let length = 2 * ports.len() * (CONDITION_BYTES + JUMP_BYTES) - JUMP_BYTES;
    let mut filter = Vec::with_capacity(length);
    for (code, port) in conditions {
        // If the condition is true, the next operation is the jump to the end.
        filter.extend([code, CONDITION_BYTES as u8]);
        filter.extend(u16_bytes(CONDITION_BYTES + JUMP_BYTES));
        // The condition consists of a family, the length of a prefix, and a port. 0 stands for any
        // family and any address.
        filter.extend([0; 4]);
        filter.extend(i32::from(port).to_ne_bytes());
        if filter.len() < length {
            let rest = length - filter.len();
            filter.extend([INET_DIAG_BC_JMP, JUMP_BYTES as u8]);
            filter.extend(u16_bytes(rest));
        }
    }
    filter
}

/// Parses `inet_diag_msg` and its attributes.
fn socket(content: &[u8]) -> Option<Socket> {
    let address = |port_at: usize, ip_at: usize| {
        let port = u16::from_be_bytes(bytes_at(content, port_at)?);
        let ip = match content[0] {
            AF_INET => IpAddr::from(Ipv4Addr::from(bytes_at(content, ip_at)?)),
            _ => IpAddr::from(Ipv6Addr::from(bytes_at::<16>(content, ip_at)?)),
        };
        Some(SocketAddr::new(ip.to_canonical(), port))
    };
    let mut attributes = content.get(SOCKET_BYTES..)?;
    let mut socket = Socket {
        local: address(4, 8)?,
        peer: address(6, 24)?,
        state: TcpState(content[1]),
        receive_queue: u32_at(content, 56)?.into(),
        send_queue: u32_at(content, 60)?.into(),
        info: None,
    };
    while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
        let Some(value) = attributes.get(ATTRIBUTE_BYTES..length.into()) else { break };
        if kind == INET_DIAG_INFO {
            socket.info = info(value);
        }
        attributes = attributes.get(aligned(length.into())..).unwrap_or_default();
    }
    Some(socket)
}

/// Parses `tcp_info`. Its length depends on the version of the kernel: `tcpi_bytes_sent` was added
/// in Linux 4.19.
fn info(value: &[u8]) -> Option<Info> {
    Some(Info {
        state: TcpState(*value.first()?),
        received: u64_at(value, 128)?,
        unsent: u32_at(value, 144)?.into(),
        sent: u64_at(value, 200)?,
        sent_again: u64_at(value, 208)?,
    })
}

fn ip_bytes(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&ip.octets());
            bytes
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// Returns the length of a message or an attribute with the padding at its end. The result is at
/// least 4, so that a message with an incorrect length does not cause an endless loop.
fn aligned(length: usize) -> usize {
    length.max(1).next_multiple_of(4)
}

fn u16_bytes(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("a request is short").to_ne_bytes()
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes_at(bytes, at).map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_ne_bytes)
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes_at(bytes, at).map(i32::from_ne_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes_at(bytes, at).map(u64::from_ne_bytes)
}
