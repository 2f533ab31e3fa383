//! Tests that a failed allocation of a chunk buffer ends only the affected connection.
//!
//! This is a separate program, because its allocator can refuse allocations.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serve_core::{Config, ErrorKind, EventKind, EventLog, Preamble, Server, bind};

/// The chunk size, in bytes. No other code allocates exactly this number of bytes.
const CHUNK_BYTES: usize = 54_321;

/// The maximum time that one operation may take. Even on a slow machine, every operation takes less
/// time.
const DEADLINE: Duration = Duration::from_secs(20);

static IS_EXHAUSTED: AtomicBool = AtomicBool::new(false);

/// An allocator that refuses to allocate a chunk buffer while [`IS_EXHAUSTED`] is set.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

#[expect(unsafe_code, reason = "the trait is unsafe, and no crate provides such an allocator")]
// SAFETY: the methods pass their arguments to the system's allocator. A null pointer reports that
// an allocation failed.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() == CHUNK_BYTES && IS_EXHAUSTED.load(Ordering::Relaxed) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller fulfills the requirements of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `alloc` returned the pointer for the same layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[test]
fn a_failed_allocation_ends_only_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.bin");
    let content = vec![b'x'; 2 * CHUNK_BYTES];
    fs::write(&path, &content).unwrap();
    for approach in approaches::ALL {
        for reads_page_cache in [true, false] {
            let case = format!("{}, reads_page_cache: {reads_page_cache}", approach.name);
            let mut config = Config::new(&path);
            config.host = "127.0.0.1".to_owned();
            config.port = 0;
            config.preamble = Preamble::None;
            config.chunk_bytes = CHUNK_BYTES;
            let listener = bind(&config).unwrap();
            let addr = listener.local_addr().unwrap();
            let mut server = Server::new(config, EventLog::memory());
            server.reads_page_cache &= reads_page_cache;
            let server = Arc::new(server);
            let running = Arc::clone(&server);
            let running = thread::spawn(move || (approach.run)(listener, running));
            let receive = || {
                let mut stream = TcpStream::connect(addr).unwrap();
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                let mut received = Vec::new();
                stream.read_to_end(&mut received).unwrap();
                received.len()
            };

            IS_EXHAUSTED.store(true, Ordering::Relaxed);
            assert_eq!(receive(), 0, "{case}");
            IS_EXHAUSTED.store(false, Ordering::Relaxed);
            let kinds = server.log.events().into_iter().filter_map(|event| match event.kind {
                EventKind::Error { kind, .. } => Some(kind),
                _ => None,
            });
            assert_eq!(kinds.collect::<Vec<_>>(), [ErrorKind::NoMemory], "{case}");
            assert_eq!(receive(), content.len(), "{case}");
            server.shut_down();
            running.join().unwrap().unwrap();
        }
    }
}
