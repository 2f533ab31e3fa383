//! The suites: what a client observes, by file size, chunk size and number of clients.
//!
//! `cargo bench -p benches -- --list` lists the benches, and `-- tokio` runs some of them.
//! docs/METHODOLOGY.md explains why the comparison is fair, and what it does not show.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use benches::suite::{BASELINE_MEMORY, CHUNK_SIZES, Mode, Target, file_bytes_for, noise_file};
use criterion::measurement::WallTime;
use criterion::{Bencher, BenchmarkId, Criterion, Throughput};
use harness::TempFolder;
use serve_core::Approach;

/// The default chunk size of copy mode.
const COPY_CHUNK_BYTES: usize = 64 * 1024;

/// The default chunk size of zero-copy mode.
#[cfg(target_os = "linux")]
const ZERO_COPY_CHUNK_BYTES: usize = 1024 * 1024;

const FILE_SIZES: [(&str, u64); 3] =
    [("64KiB", 64 * 1024), ("1MiB", 1024 * 1024), ("64MiB", 64 * 1024 * 1024)];

/// Numbers of clients at the same time.
const CLIENTS: [u64; 3] = [1, 16, 256];

/// The length of the file if only the first byte is timed.
const CONNECT_FILE_BYTES: u64 = 1024;

struct Bench {
    group: &'static str,
    id: BenchmarkId,
    approach: &'static Approach,
    mode: Mode,
    chunk_bytes: usize,
    file: File,
    work: Work,
}

/// The file to serve.
#[derive(Clone, Copy)]
enum File {
    Bytes(u64),
    Picture,
}

/// What is timed.
#[derive(Clone, Copy)]
enum Work {
    /// One client, from `connect` to the end of the reply.
    Fetch,
    /// This number of clients at the same time.
    FetchByMany(u64),
    /// One client, from `connect` to the first byte.
    FirstByte,
}

fn main() {
    // The command line may override these values, as `just bench-quick` does.
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = TempFolder::within(folder)
        .unwrap_or_else(|error| panic!("cannot create a folder in {}: {error}", folder.display()));
    // With --test, Criterion reports the progress.
    let shows_progress = std::env::args().all(|arg| arg != "--test");
    let start = Instant::now();
    let benches = benches();
    for (at, bench) in benches.iter().enumerate() {
        let mut group = criterion.benchmark_group(bench.group);
        group.throughput(bench.throughput());
        // Criterion calls this closure once for the warm-up and once per sample, or never if the
        // command line does not select the bench. All calls use the same server.
        let mut target = None;
        group.bench_function(bench.id.clone(), |bencher| {
            let target = target.get_or_insert_with(|| {
                if shows_progress {
                    let (number, total, s) = (at + 1, benches.len(), start.elapsed().as_secs());
                    // A closed stderr is not an error.
                    let _ = writeln!(io::stderr(), "\n[{number}/{total}, {s} s]");
                }
                bench.start(folder.path()).unwrap_or_else(|error| panic!("{error}"))
            });
            bench.work.time(target, bencher);
        });
        group.finish();
    }
    criterion.final_summary();
}

/// Returns all benches. They have the same number of worker threads, because the executor of
/// async-std belongs to the process: its first server determines the number.
fn benches() -> Vec<Bench> {
    let siblings = approaches::ALL;
    let mut benches = Vec::new();
    for (size, bytes) in FILE_SIZES {
        for approach in siblings.into_iter().chain([&BASELINE_MEMORY]) {
            benches.push(Bench::new("throughput", approach, size, File::Bytes(bytes)));
        }
    }
    #[cfg(target_os = "linux")]
    for (size, bytes) in FILE_SIZES {
        for approach in siblings.into_iter().chain([&benches::suite::BASELINE_SENDFILE]) {
            benches.push(Bench {
                mode: Mode::ZeroCopy,
                chunk_bytes: ZERO_COPY_CHUNK_BYTES,
                ..Bench::new("zero_copy", approach, size, File::Bytes(bytes))
            });
        }
    }
    let of_chunk_size = |approach, (size, chunk_bytes)| {
        let file = File::Bytes(file_bytes_for(chunk_bytes));
        Bench { chunk_bytes, ..Bench::new("chunk_size", approach, size, file) }
    };
    for size in CHUNK_SIZES {
        benches.extend(siblings.map(|approach| of_chunk_size(approach, size)));
    }
    // On Linux, the page cache hides the cost of single bytes on other systems. Only an approach
    // with a runtime has a blocking pool.
    if cfg!(target_os = "linux") {
        for approach in siblings.into_iter().filter(|approach| approach.has_workers) {
            benches.push(Bench {
                id: BenchmarkId::new(format!("{}-by-pool", approach.name), CHUNK_SIZES[0].0),
                mode: Mode::BlockingPool,
                ..of_chunk_size(approach, CHUNK_SIZES[0])
            });
        }
    }
    for clients in CLIENTS {
        benches.extend(siblings.map(|approach| Bench {
            work: Work::FetchByMany(clients),
            ..Bench::new("clients", approach, &clients.to_string(), File::Picture)
        }));
    }
    benches.extend(siblings.map(|approach| Bench {
        id: BenchmarkId::from_parameter(approach.name),
        work: Work::FirstByte,
        ..Bench::new("connect", approach, "", File::Bytes(CONNECT_FILE_BYTES))
    }));
    benches
}

impl Bench {
    /// Creates a bench for one client in copy mode.
    fn new(group: &'static str, approach: &'static Approach, parameter: &str, file: File) -> Self {
        Self {
            group,
            id: BenchmarkId::new(approach.name, parameter),
            approach,
            mode: Mode::Copy,
            chunk_bytes: COPY_CHUNK_BYTES,
            file,
            work: Work::Fetch,
        }
    }

    fn throughput(&self) -> Throughput {
        match (self.work, self.file) {
            (Work::Fetch, File::Bytes(bytes)) => Throughput::Bytes(bytes),
            (Work::FetchByMany(clients), _) => Throughput::Elements(clients),
            _ => Throughput::Elements(1),
        }
    }

    fn start(&self, folder: &Path) -> io::Result<Target> {
        let path = match self.file {
            File::Bytes(bytes) => noise_file(folder, bytes)?,
            File::Picture => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../assets/river.webp"),
        };
        Target::start(self.approach, &path, self.mode, self.chunk_bytes)
    }
}

impl Work {
    fn time(self, target: &mut Target, bencher: &mut Bencher<'_, WallTime>) {
        match self {
            Self::Fetch => bencher.iter(|| target.fetch()),
            Self::FetchByMany(clients) => bencher
                .iter_custom(|iterations| target.fetch_by_many(iterations * clients, clients)),
            Self::FirstByte => {
                bencher.iter_custom(|iterations| (0..iterations).map(|_| target.fetch()).sum());
            }
        }
    }
}
