//! Chunks cost no allocation (clause 3: a connection has its buffer, and that is all). A program of
//! its own, and one test in it, since every allocation in the process is counted.
//!
//! Only on Linux: elsewhere each chunk of an async sibling is a task in a pool, which is allocated.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

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

/// What does not come from chunks, but from a connection that takes longer: a timer, say, or a list
/// that grows once.
const ALLOWED: usize = 100;

#[test]
fn chunks_need_no_allocation() {
    for approach in approaches::ALL {
        for zero_copy in [false, true] {
            // The first connection also pays for what a server allocates once.
            allocations_of(approach, zero_copy, FEW_CHUNKS);
            let few = allocations_of(approach, zero_copy, FEW_CHUNKS);
            let many = allocations_of(approach, zero_copy, MANY_CHUNKS);
            let more = many.saturating_sub(few);
            let name = approach.name;
            assert!(more <= ALLOWED, "{name}, zero-copy {zero_copy}: {few}, then {many}");
        }
    }
}

/// How many there are while one client takes a file of so many chunks.
fn allocations_of(approach: &Approach, zero_copy: bool, chunks: u64) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.bin");
    File::create(&path).unwrap().set_len(chunks * CHUNK_BYTES).unwrap();
    // What a sparse file has not is not in the page cache either, until it was read once.
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
    let serving = thread::spawn(move || run(listener, running));
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
    serving.join().unwrap().unwrap();
    allocations
}
