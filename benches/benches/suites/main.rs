//! Measures the times that clients observe. The benchmarks differ in the file size, the chunk size
//! and the number of clients.
//!
//! `cargo bench -p benches -- --list` lists the benchmarks. `cargo bench -p benches -- tokio` runs
//! the benchmarks whose names contain `tokio`. docs/METHODOLOGY.md explains why the comparison is
//! fair and what the results do not show.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use benches::suite::{BASELINE_MEMORY, CHUNK_SIZES, Mode, Target, file_bytes_for, noise_file};
use criterion::measurement::WallTime;
use criterion::{Bencher, BenchmarkId, Criterion, Throughput};
use harness::TempFolder;
use serve_core::Approach;

/// The default chunk size of copy mode, in bytes.
const COPY_CHUNK_BYTES: usize = 64 * 1024;

/// The default chunk size of zero-copy mode, in bytes.
#[cfg(target_os = "linux")]
const ZERO_COPY_CHUNK_BYTES: usize = 1024 * 1024;

/// The file sizes. Each entry contains the name of the size in the ids of benchmarks, and the
/// number of bytes.
const FILE_SIZES: [(&str, u64); 3] =
    [("64KiB", 64 * 1024), ("1MiB", 1024 * 1024), ("64MiB", 64 * 1024 * 1024)];

/// The numbers of concurrent clients in the benchmarks `clients/APPROACH/N`.
const CLIENTS: [u64; 3] = [1, 16, 256];

/// The length of the file, in bytes, in the benchmarks that measure only the time to the first
/// byte.
const CONNECT_FILE_BYTES: u64 = 1024;

struct Benchmark {
    group: &'static str,
    id: BenchmarkId,
    approach: &'static Approach,
    mode: Mode,
    chunk_bytes: usize,
    file: File,
    work: Work,
}

/// The file that the server sends.
#[derive(Clone, Copy)]
enum File {
    Bytes(u64),
    Picture,
}

/// The part of the client's work that is timed.
#[derive(Clone, Copy)]
enum Work {
    /// The work of one client from `connect` to the end of the reply.
    Fetch,
    /// The work of several concurrent clients from the first `connect` to the end of the last
    /// reply. The value is the number of clients.
    FetchByMany(u64),
    /// The work of one client from `connect` to the first byte of the reply.
    FirstByte,
}

fn main() {
    // Command-line arguments override these values. For example, the recipe `just bench-quick` sets
    // shorter times.
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = TempFolder::within(folder).unwrap_or_else(|error| {
        panic!("cannot create a folder in `{}`: {error}", folder.display())
    });
    // If the argument `--test` is set, Criterion prints the progress.
    let shows_progress = std::env::args().all(|arg| arg != "--test");
    let start = Instant::now();
    let benchmarks = benchmarks();
    for (at, benchmark) in benchmarks.iter().enumerate() {
        let mut group = criterion.benchmark_group(benchmark.group);
        group.throughput(benchmark.throughput());
        // Criterion calls this closure once for the warm-up and once per sample. If the command
        // line does not select the benchmark, Criterion does not call the closure, and no server is
        // started. All calls use the same server.
        let mut target = None;
        group.bench_function(benchmark.id.clone(), |bencher| {
            let target = target.get_or_insert_with(|| {
                if shows_progress {
                    let (number, total, s) = (at + 1, benchmarks.len(), start.elapsed().as_secs());
                    // Ignore the error if stderr is closed, because the benchmark does not need
                    // stderr.
                    let _ = writeln!(io::stderr(), "\n[{number}/{total}, {s} s]");
                }
                benchmark.start(folder.path()).unwrap_or_else(|error| panic!("{error}"))
            });
            benchmark.work.time(target, bencher);
        });
        group.finish();
    }
    criterion.final_summary();
}

/// Returns all benchmarks. The servers of all benchmarks have the same number of worker threads,
/// because async-std has one executor per process, and the first server determines the number of
/// the executor's threads.
fn benchmarks() -> Vec<Benchmark> {
    let siblings = approaches::ALL;
    let mut benchmarks = Vec::new();
    for (size, bytes) in FILE_SIZES {
        for approach in siblings.into_iter().chain([&BASELINE_MEMORY]) {
            benchmarks.push(Benchmark::new("throughput", approach, size, File::Bytes(bytes)));
        }
    }
    #[cfg(target_os = "linux")]
    for (size, bytes) in FILE_SIZES {
        for approach in siblings.into_iter().chain([&benches::suite::BASELINE_SENDFILE]) {
            benchmarks.push(Benchmark {
                mode: Mode::ZeroCopy,
                chunk_bytes: ZERO_COPY_CHUNK_BYTES,
                ..Benchmark::new("zero_copy", approach, size, File::Bytes(bytes))
            });
        }
    }
    let of_chunk_size = |approach, (size, chunk_bytes)| {
        let file = File::Bytes(file_bytes_for(chunk_bytes));
        Benchmark { chunk_bytes, ..Benchmark::new("chunk_size", approach, size, file) }
    };
    for size in CHUNK_SIZES {
        benchmarks.extend(siblings.map(|approach| of_chunk_size(approach, size)));
    }
    // On systems other than Linux, each read of a file is a call on the blocking pool. The
    // following benchmarks measure the cost of these calls on Linux. Only approaches with a runtime
    // have a blocking pool.
    if cfg!(target_os = "linux") {
        for approach in siblings.into_iter().filter(|approach| approach.has_workers) {
            benchmarks.push(Benchmark {
                id: BenchmarkId::new(format!("{}-by-pool", approach.name), CHUNK_SIZES[0].0),
                mode: Mode::BlockingPool,
                ..of_chunk_size(approach, CHUNK_SIZES[0])
            });
        }
    }
    for clients in CLIENTS {
        benchmarks.extend(siblings.map(|approach| Benchmark {
            work: Work::FetchByMany(clients),
            ..Benchmark::new("clients", approach, &clients.to_string(), File::Picture)
        }));
    }
    benchmarks.extend(siblings.map(|approach| Benchmark {
        id: BenchmarkId::from_parameter(approach.name),
        work: Work::FirstByte,
        ..Benchmark::new("connect", approach, "", File::Bytes(CONNECT_FILE_BYTES))
    }));
    benchmarks
}

impl Benchmark {
    /// Creates a benchmark for one client in copy mode.
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
