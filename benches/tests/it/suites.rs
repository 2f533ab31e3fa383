//! The suites' own parts: that a server which is wrong fails a bench, and one that is right does not.

use std::any::Any;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io, thread};

use benches::suite::{FLOOR_MEMORY, Files, Target, Way, file_bytes_for};
use criterion::Criterion;
use serve_core::{Approach, Server};

use crate::in_time;

/// A server that leaves out the last byte.
static ONE_TOO_FEW: Approach = Approach {
    name: "one-too-few",
    summary: "A server that leaves out the last byte.",
    has_workers: false,
    max_connections: 1,
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

fn files() -> Files {
    Files::within(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

/// Criterion as the suites use it, but in no time.
fn quick(results: &Path) -> Criterion {
    let criterion = Criterion::default().output_directory(results).without_plots();
    let criterion = criterion.sample_size(10).nresamples(1001);
    criterion.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_millis(10))
}

/// Runs a bench, and returns the words with which it failed.
fn bench(mut target: Target, work: fn(&mut Target)) -> Result<(), String> {
    in_time(move || {
        let results = tempfile::tempdir().unwrap();
        let benched = panic::catch_unwind(AssertUnwindSafe(|| {
            quick(results.path()).bench_function("b", |b| b.iter(|| work(&mut target)));
        }));
        benched.map_err(|panic| words(&*panic))
    })
}

fn words(panic: &(dyn Any + Send)) -> String {
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "no words".to_owned())
}

#[test]
fn a_server_that_sends_one_byte_too_few_fails_its_bench() {
    let works: [fn(&mut Target); 3] = [
        |target| target.fetch(),
        |target| _ = target.fetch_timing_first(),
        |target| _ = target.fetch_by_many(4, 2),
    ];
    let expected = [
        "a client got 100009 bytes instead of 100010",
        "a client got 100009 bytes instead of 100010",
        "4 of 4 clients did not get what they should: connection 1: short: 99999 of 100000 bytes",
    ];
    for (work, expected) in works.into_iter().zip(expected) {
        let mut files = files();
        let path = files.of(100_000).unwrap();
        let target = Target::start_unseen(&ONE_TOO_FEW, &path, Way::Copied, 65_536).unwrap();
        let failed = bench(target, work).unwrap_err();
        assert!(failed.contains(expected), "{failed}");
    }
}

#[test]
fn such_a_server_is_not_even_started() {
    let path = files().of(100_000).unwrap();
    // The folder is gone.
    assert!(Target::start(&FLOOR_MEMORY, &path, Way::Copied, 65_536).is_err());
    let mut files = files();
    let path = files.of(100_000).unwrap();
    let failed = in_time(move || {
        Target::start(&ONE_TOO_FEW, &path, Way::Copied, 65_536).map(|_| ()).unwrap_err()
    });
    assert!(failed.starts_with("one-too-few: 1 of 1 clients"), "{failed}");
}

#[test]
fn servers_and_floors_that_are_right_pass() {
    let mut files = files();
    let path = files.of(file_bytes_for(1)).unwrap();
    for approach in approaches::ALL.into_iter().chain([&FLOOR_MEMORY]) {
        let target = Target::start(approach, &path, Way::Copied, 4096).unwrap();
        assert_eq!(target.reply_bytes(), file_bytes_for(1) + 10);
        bench(target, |target| target.fetch()).unwrap();
    }
    let target = Target::start(approaches::ALL[0], &path, Way::Copied, 4096).unwrap();
    bench(target, |target| {
        assert!(target.fetch_timing_first() > Duration::ZERO);
        assert!(target.fetch_by_many(8, 4) > Duration::ZERO);
    })
    .unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn all_ways_to_send_are_right() {
    let mut files = files();
    let path = files.of(100_000).unwrap();
    for way in [Way::Copied, Way::ByPool, Way::ZeroCopy] {
        for approach in approaches::ALL {
            Target::start(approach, &path, way, 1000).unwrap().fetch();
        }
    }
    Target::start(&benches::suite::FLOOR_SENDFILE, &path, Way::ZeroCopy, 1000).unwrap().fetch();
}
