//! The suites: what a client sees of each sibling, by file size, chunk size and number of clients.
//!
//! `cargo bench -p benches -- --list` names them all, `-- tokio` runs some. docs/METHODOLOGY.md tells
//! how they were made fair, and what they cannot tell.

mod run;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use benches::suite::{CHUNK_SIZES, FLOOR_MEMORY, Way, file_bytes_for};
use criterion::{Criterion, Throughput};
use run::{Bench, Suites};
use serve_core::Approach;

/// The chunk size where nothing else is asked for: the default.
const COPY_CHUNK_BYTES: usize = 64 * 1024;
/// The same in zero-copy.
#[cfg(target_os = "linux")]
const ZERO_COPY_CHUNK_BYTES: usize = 1024 * 1024;

const FILE_SIZES: [(&str, u64); 3] =
    [("64KiB", 64 * 1024), ("1MiB", 1024 * 1024), ("64MiB", 64 * 1024 * 1024)];

/// Clients at once.
const CLIENTS: [u64; 3] = [1, 16, 256];

/// What a client gets whose first byte is timed: little, since the rest is not.
const CONNECT_FILE_BYTES: u64 = 1024;

fn main() -> ExitCode {
    // The suites' own defaults; the command line may say otherwise (`just bench-quick` does).
    let criterion = Criterion::default()
        .without_plots()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let ended = Suites::new(criterion, Path::new(env!("CARGO_TARGET_TMPDIR")));
    match ended.and_then(all) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            run::say(&format!("suites: {message}\n"));
            ExitCode::FAILURE
        }
    }
}

fn all(mut suites: Suites) -> Result<(), String> {
    // The async-std executor is the process's and stays as its first server wanted it: all servers
    // here want the same number of workers.
    let mut benches = Vec::new();
    throughput(&mut benches);
    #[cfg(target_os = "linux")]
    zero_copy(&mut benches);
    chunk_size(&mut benches);
    clients(&mut benches);
    connect(&mut benches);
    suites.run(benches)?;
    suites.finish();
    Ok(())
}

fn siblings() -> impl Iterator<Item = &'static Approach> {
    approaches::ALL.into_iter()
}

fn throughput(benches: &mut Vec<Bench>) {
    for (size, file_bytes) in FILE_SIZES {
        for approach in siblings().chain([&FLOOR_MEMORY]) {
            benches.push(Bench {
                group: "throughput",
                function: approach.name.to_owned(),
                parameter: Some(size.to_owned()),
                throughput: Throughput::Bytes(file_bytes),
                chunk_bytes: COPY_CHUNK_BYTES,
                file_bytes: Some(file_bytes),
                way: Way::Copied,
                work: run::Work::Fetch,
                approach,
            });
        }
    }
}

#[cfg(target_os = "linux")]
fn zero_copy(benches: &mut Vec<Bench>) {
    for (size, file_bytes) in FILE_SIZES {
        for approach in siblings().chain([&benches::suite::FLOOR_SENDFILE]) {
            benches.push(Bench {
                group: "zero_copy",
                function: approach.name.to_owned(),
                parameter: Some(size.to_owned()),
                throughput: Throughput::Bytes(file_bytes),
                chunk_bytes: ZERO_COPY_CHUNK_BYTES,
                file_bytes: Some(file_bytes),
                way: Way::ZeroCopy,
                work: run::Work::Fetch,
                approach,
            });
        }
    }
}

fn chunk_size(benches: &mut Vec<Bench>) {
    let bench = |approach: &'static Approach, way, (size, chunk_bytes): (&str, usize)| Bench {
        group: "chunk_size",
        function: match way {
            Way::ByPool => format!("{}-by-pool", approach.name),
            _ => approach.name.to_owned(),
        },
        parameter: Some(size.to_owned()),
        throughput: Throughput::Bytes(file_bytes_for(chunk_bytes)),
        chunk_bytes,
        file_bytes: Some(file_bytes_for(chunk_bytes)),
        way,
        work: run::Work::Fetch,
        approach,
    };
    for size in CHUNK_SIZES {
        benches.extend(siblings().map(|approach| bench(approach, Way::Copied, size)));
    }
    // Where the page cache can be asked, it hides what one byte costs elsewhere. Who has no executor
    // has no pool either.
    if cfg!(target_os = "linux") {
        let by_pool = siblings().filter(|approach| approach.has_workers);
        benches.extend(by_pool.map(|approach| bench(approach, Way::ByPool, CHUNK_SIZES[0])));
    }
}

fn clients(benches: &mut Vec<Bench>) {
    for at_once in CLIENTS {
        benches.extend(siblings().map(|approach| Bench {
            group: "clients",
            function: approach.name.to_owned(),
            parameter: Some(at_once.to_string()),
            throughput: Throughput::Elements(at_once),
            chunk_bytes: COPY_CHUNK_BYTES,
            file_bytes: None,
            way: Way::Copied,
            work: run::Work::FetchByMany(at_once),
            approach,
        }));
    }
}

fn connect(benches: &mut Vec<Bench>) {
    benches.extend(siblings().map(|approach| Bench {
        group: "connect",
        function: approach.name.to_owned(),
        parameter: None,
        throughput: Throughput::Elements(1),
        chunk_bytes: COPY_CHUNK_BYTES,
        file_bytes: Some(CONNECT_FILE_BYTES),
        way: Way::Copied,
        work: run::Work::FirstByte,
        approach,
    }));
}
