//! Tests of the socket that clients connect to.

use std::io;
#[cfg(target_os = "linux")]
use std::net::TcpStream;
#[cfg(target_os = "linux")]
use std::time::Duration;

use serve_core::{Config, bind};

fn loopback() -> Config {
    let mut config = Config::new("unused");
    config.host = "127.0.0.1".to_owned();
    config.port = 0;
    config
}

#[test]
fn port_0_selects_a_free_port_which_is_then_in_use() {
    let mut config = loopback();
    let listener = bind(&config).unwrap();
    config.port = listener.local_addr().unwrap().port();
    assert_ne!(config.port, 0);
    assert_eq!(bind(&config).unwrap_err().kind(), io::ErrorKind::AddrInUse);
}

/// This test runs only on Linux. On other systems, the maximum backlog is much smaller (128 on
/// macOS, 200 on Windows).
#[cfg(target_os = "linux")]
#[test]
fn a_burst_of_1024_clients_fits_into_the_backlog() {
    rlimit::increase_nofile_limit(2048).unwrap();
    let listener = bind(&loopback()).unwrap();
    let addr = listener.local_addr().unwrap();
    // No thread calls `accept`. If the kernel dropped a SYN, the client would send the SYN again
    // after a second. By that time, the timeout would have expired.
    let connect = |_| TcpStream::connect_timeout(&addr, Duration::from_millis(900)).unwrap();
    let burst: Vec<TcpStream> = (0..1024).map(connect).collect();
    assert_eq!(burst.len(), 1024);
}
