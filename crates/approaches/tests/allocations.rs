//! Tests that the server does not allocate memory to send a chunk. Clause 3 of the contract limits
//! the memory per connection. This is a separate program with a single test, because the test
//! counts all allocations of the process.
//!
//! The test runs only on Linux. On other systems, an async sibling allocates a task of the blocking
//! pool for each chunk.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::System;
use std::fs::File;
use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serve_core::{Approach, Config, EventLog, Server, bind};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CHUNK_BYTES: u64 = 4096;
const FEW_CHUNKS: u64 = 100;
const MANY_CHUNKS: u64 = 5000;

/// The maximum number of additional allocations for a longer file. These allocations depend on the
/// duration of the connection, not on the number of chunks. Examples are a timer and a list that
/// grows once.
const ADDITIONAL_ALLOCATIONS_MAX: usize = 100;

#[test]
fn chunks_need_no_allocation() {
    for approach in approaches::ALL {
        for zero_copy in [false, true] {
            // During the first connection, the process makes the allocations that occur only once.
            allocations_of(approach, zero_copy, FEW_CHUNKS);
            let few = allocations_of(approach, zero_copy, FEW_CHUNKS);
            let many = allocations_of(approach, zero_copy, MANY_CHUNKS);
            let additional = many.saturating_sub(few);
            let name = approach.name;
            assert!(
                additional <= ADDITIONAL_ALLOCATIONS_MAX,
                "{name}, zero-copy {zero_copy}: expected at most {ADDITIONAL_ALLOCATIONS_MAX} \
                 additional allocations, got {additional}: {few} for {FEW_CHUNKS} chunks, {many} for \
                 {MANY_CHUNKS}"
            );
        }
    }
}

/// Returns the number of allocations that the process makes while one client receives a file of
/// `chunks` chunks.
fn allocations_of(approach: &Approach, zero_copy: bool, chunks: u64) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.bin");
    File::create(&path).unwrap().set_len(chunks * CHUNK_BYTES).unwrap();
    // Read the file before the measurement, because the holes of a sparse file are not in the page
    // cache until they have been read.
    std::io::copy(&mut File::open(&path).unwrap(), &mut std::io::sink()).unwrap();
    let mut config = Config::new(path);
    config.host = "127.0.0.1".to_owned();
    config.port = 0;
    config.chunk_bytes = CHUNK_BYTES as usize;
    config.zero_copy = zero_copy;
    let listener = bind(&config).unwrap();
    let addr = listener.local_addr().unwrap();
    let server = Arc::new(Server::new(config, EventLog::off()));
    let (run, running) = (approach.run, Arc::clone(&server));
    let server_thread = thread::spawn(move || run(listener, running));
    let mut buffer = vec![0; 65_536];
    let mut bytes = 0;

    let before = ALLOCATOR.stats().allocations;
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            read => bytes += read as u64,
        }
    }
    let allocations = ALLOCATOR.stats().allocations - before;

    assert_eq!(bytes, 10 + chunks * CHUNK_BYTES);
    drop(stream);
    server.shut_down();
    server_thread.join().unwrap().unwrap();
    allocations
}
