//! Tests the measurement of resource usage.

use std::thread;
use std::time::{Duration, Instant};

use harness::usage::*;

#[test]
fn the_usage_of_this_process_is_measured() {
    let this = [std::process::id()];
    assert!(threads(&this).unwrap() >= 2);
    assert!(descriptors(&this).unwrap() >= 3);
    assert!(anonymous_memory_bytes(&this).unwrap() > 4096);
    assert!(memory_bytes(&this).unwrap() <= peak_memory_bytes(&this).unwrap());
    assert!(cpu_time(&this).unwrap() > Duration::ZERO);
    assert!(cpu_time_and_wait(&this).unwrap() >= cpu_time(&this).unwrap());
    assert!(context_switches(&this).is_some());
    assert!(tcp_memory_pressure().unwrap() >= 0.0);
    // The main thread of the test program starts all tests, and then waits for them.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !waiting_calls(&this).unwrap().contains("futex") {
        assert!(Instant::now() < deadline, "expected a thread in `futex`, got none");
        thread::yield_now();
    }
    assert!(read_calls(&this).unwrap() > 0);
    assert_eq!(threads(&[]), None);
}

#[test]
fn a_process_that_listens_is_recognized() {
    let this = [std::process::id()];
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    assert!(listens(&this));
    assert!(!listens(&[1]));
    drop(listener);
}
