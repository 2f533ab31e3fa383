//! Finds the two sockets of each connection.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Target;
use super::socket::Socket;

/// The index of the server and the address of the client, which identify a connection.
pub type Key = (usize, SocketAddr);

/// The sockets of a connection.
#[derive(Debug, Default)]
pub struct Ends {
    pub server: Option<Socket>,
    pub client: Option<Socket>,
}

/// Assigns sockets to the connections of the servers.
pub fn by_connection(sockets: Vec<Socket>, targets: &[Target]) -> HashMap<Key, Ends> {
    // The clients of this program have other loopback addresses. Their ports may be those of servers.
    let is_localhost = |ip: IpAddr| ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST;
    let server_at = |addr: SocketAddr| {
        let is_server = |target: &Target| target.addr.is_some_and(|it| it.port() == addr.port());
        is_localhost(addr.ip()).then(|| targets.iter().position(is_server)).flatten()
    };
    let mut ends: HashMap<Key, Ends> = HashMap::new();
    for socket in sockets {
        if let Some(server) = server_at(socket.local) {
            ends.entry((server, socket.peer)).or_default().server = Some(socket);
        } else if let Some(server) = server_at(socket.peer) {
            ends.entry((server, socket.local)).or_default().client = Some(socket);
        }
    }
    ends
}
