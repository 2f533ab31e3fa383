//! Tests the search for free ports and for listening sockets.

use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use harness::port::{Listening, free, listening};

#[test]
fn a_listening_socket_is_found() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let expected = match cfg!(target_os = "linux") {
        true => Listening::At(Ipv4Addr::LOCALHOST.into()),
        false => Listening::Unknown,
    };
    assert_eq!(listening(port), expected);
    drop(listener);
    // A process that another test starts may inherit the socket for a short time.
    let deadline = Instant::now() + Duration::from_secs(10);
    while listening(port) == Listening::At(Ipv4Addr::LOCALHOST.into()) {
        assert!(Instant::now() < deadline, "expected no listening socket on port {port}, got one");
        thread::yield_now();
    }
}

#[test]
fn free_ports_differ() {
    let ports: Vec<u16> = (0..3).map(|_| free().unwrap()).collect();
    assert!(ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2]);
    assert!(ports.iter().all(|port| (10_000..30_000).contains(port)));
}
