//! Tests that benchmarks fail with incorrect servers, and succeed with correct servers.

use std::any::Any;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io, thread};

use benches::suite::{BASELINE_MEMORY, CHUNK_SIZES, Mode, Target, file_bytes_for, noise_file};
use criterion::Criterion;
use harness::TempFolder;
use serve_core::{Approach, Server};

use crate::in_time;

/// A server that does not send the last byte of the file.
static ONE_TOO_FEW: Approach = Approach {
    name: "one-too-few",
    summary: "A server that does not send the last byte of the file.",
    has_workers: false,
    max_connections: 1,
    connection_bytes: 0,
    worker_descriptors: 0,
    run: run_one_too_few,
};

fn run_one_too_few(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    let reply = [b"HTTP/1.1\n\n", &*fs::read(&server.config.file)?].concat();
    let addr = listener.local_addr()?;
    thread::scope(|scope| {
        scope.spawn(|| {
            server.shutdown.wait();
            drop(TcpStream::connect(addr));
        });
        loop {
            let (mut stream, _) = listener.accept()?;
            if server.shutdown.is_requested() {
                return Ok(());
            }
            let _ = stream.write_all(&reply[..reply.len() - 1]);
            let _ = stream.shutdown(Shutdown::Write);
        }
    })
}

fn folder() -> TempFolder {
    TempFolder::within(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

/// Creates a Criterion instance with settings for benchmarks that take only a few milliseconds.
fn quick(results: &Path) -> Criterion {
    let criterion = Criterion::default().output_directory(results).without_plots();
    let criterion = criterion.sample_size(10).nresamples(1001);
    criterion.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_millis(10))
}

/// Runs a benchmark.
///
/// # Errors
///
/// Returns the message of the panic if the benchmark fails.
fn run_benchmark(mut target: Target, work: fn(&mut Target)) -> Result<(), String> {
    in_time(move || {
        let results = TempFolder::new().unwrap();
        let result = panic::catch_unwind(AssertUnwindSafe(|| {
            quick(results.path()).bench_function("b", |b| b.iter(|| work(&mut target)));
        }));
        result.map_err(|panic| message(&*panic))
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "no message".to_owned())
}

#[test]
fn chunk_sizes_match_their_names() {
    for (name, chunk_bytes) in CHUNK_SIZES {
        assert_eq!(harness::text::bytes(name), Ok(chunk_bytes as u64));
        let file_bytes = file_bytes_for(chunk_bytes);
        assert_eq!(file_bytes % chunk_bytes as u64, 0, "expected a complete last chunk");
    }
    assert_eq!(file_bytes_for(1), 16_384);
}

#[test]
fn a_server_that_sends_one_byte_too_few_fails_its_benchmark() {
    let works: [fn(&mut Target); 2] =
        [|target| _ = target.fetch(), |target| _ = target.fetch_by_many(4, 2)];
    let expected = [
        "expected 100010 bytes, got 100009",
        "4 of 4 replies are incorrect; connection 1: short: expected 100000 bytes, got 99999",
    ];
    for (work, expected) in works.into_iter().zip(expected) {
        let folder = folder();
        let path = noise_file(folder.path(), 100_000).unwrap();
        let target = Target::start_unverified(&ONE_TOO_FEW, &path, Mode::Copy, 65_536).unwrap();
        let failed = run_benchmark(target, work).unwrap_err();
        assert!(failed.contains(expected), "{failed}");
    }
}

#[test]
fn an_incorrect_server_does_not_start() {
    let path = noise_file(folder().path(), 100_000).unwrap();
    // The file no longer exists, because the temporary folder was dropped and therefore deleted.
    assert!(Target::start(&BASELINE_MEMORY, &path, Mode::Copy, 65_536).is_err());
    let folder = folder();
    let path = noise_file(folder.path(), 100_000).unwrap();
    let failed = in_time(move || {
        Target::start(&ONE_TOO_FEW, &path, Mode::Copy, 65_536).map(drop).unwrap_err().to_string()
    });
    assert!(failed.starts_with("one-too-few: 1 of 1 replies"), "{failed}");
}

#[test]
fn siblings_and_baselines_pass() {
    let folder = folder();
    let path = noise_file(folder.path(), file_bytes_for(1)).unwrap();
    for approach in approaches::ALL.into_iter().chain([&BASELINE_MEMORY]) {
        let target = Target::start(approach, &path, Mode::Copy, 4096).unwrap();
        assert_eq!(target.reply_bytes, file_bytes_for(1) + 10);
        run_benchmark(target, |target| _ = target.fetch()).unwrap();
    }
    let target = Target::start(approaches::ALL[0], &path, Mode::Copy, 4096).unwrap();
    run_benchmark(target, |target| {
        assert!(target.fetch() > Duration::ZERO);
        assert!(target.fetch_by_many(8, 4) > Duration::ZERO);
    })
    .unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn replies_are_correct_in_all_modes() {
    let folder = folder();
    let path = noise_file(folder.path(), 100_000).unwrap();
    for mode in [Mode::Copy, Mode::BlockingPool, Mode::ZeroCopy] {
        for approach in approaches::ALL {
            Target::start(approach, &path, mode, 1000).unwrap().fetch();
        }
    }
    Target::start(&benches::suite::BASELINE_SENDFILE, &path, Mode::ZeroCopy, 1000).unwrap().fetch();
}
