//! Carries out the benches, and tells how far it is.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use benches::suite::{Files, Target, Way};
use criterion::measurement::WallTime;
use criterion::{Bencher, BenchmarkId, Criterion, Throughput};
use serve_core::Approach;

/// One bench: what is served how, and what is timed.
pub struct Bench {
    pub group: &'static str,
    pub function: String,
    pub parameter: Option<String>,
    pub throughput: Throughput,
    pub approach: &'static Approach,
    pub way: Way,
    pub chunk_bytes: usize,
    /// The length of the file; none is the river.
    pub file_bytes: Option<u64>,
    pub work: Work,
}

/// What is timed.
#[derive(Clone, Copy)]
pub enum Work {
    /// One client, from its connection to the end of the reply.
    Fetch,
    /// So many at once.
    FetchByMany(u64),
    /// One client, from its connection to the first byte.
    FirstByte,
}

/// Where benches are carried out.
pub struct Suites {
    criterion: Criterion,
    files: Files,
    began: Instant,
    is_quiet: bool,
}

impl Suites {
    /// The files that are served will be within this folder.
    pub fn new(criterion: Criterion, folder: &Path) -> Result<Self, String> {
        let files = Files::within(folder);
        let files = files.map_err(|error| format!("no files in {}: {error}", folder.display()))?;
        // Criterion says it in its own words then.
        let is_quiet = std::env::args().any(|arg| arg == "--test");
        Ok(Self { criterion, files, began: Instant::now(), is_quiet })
    }

    /// Carries out those that the command line asks for.
    pub fn run(&mut self, benches: Vec<Bench>) -> Result<(), String> {
        let total = benches.len();
        for (at, bench) in benches.iter().enumerate() {
            let mut group = self.criterion.benchmark_group(bench.group);
            group.throughput(bench.throughput.clone());
            let id = match &bench.parameter {
                Some(parameter) => BenchmarkId::new(&bench.function, parameter),
                None => BenchmarkId::from_parameter(&bench.function),
            };
            // Started when it is first needed: never, if the command line does not want it. Criterion
            // comes once for the warm-up and once for every sample, and all meet the same server.
            let mut target = None;
            let (files, began, is_quiet) = (&mut self.files, self.began, self.is_quiet);
            group.bench_function(id, |bencher| {
                let target = target.get_or_insert_with(|| {
                    if !is_quiet {
                        say(&format!("\n[{}/{total}, {} s]\n", at + 1, began.elapsed().as_secs()));
                    }
                    start(bench, files)
                });
                bench.work.time(target, bencher);
            });
            group.finish();
        }
        Ok(())
    }

    /// When all is done.
    pub fn finish(self) {
        self.criterion.final_summary();
    }
}

/// A server that cannot be measured fails its bench.
fn start(bench: &Bench, files: &mut Files) -> Target {
    let path = match bench.file_bytes {
        Some(bytes) => files.of(bytes).unwrap_or_else(|error| panic!("no file: {error}")),
        None => river(),
    };
    let started = Target::start(bench.approach, &path, bench.way, bench.chunk_bytes);
    started.unwrap_or_else(|words| panic!("{words}"))
}

fn river() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/river.webp")
}

impl Work {
    fn time(self, target: &mut Target, bencher: &mut Bencher<'_, WallTime>) {
        match self {
            Self::Fetch => bencher.iter(|| target.fetch()),
            Self::FetchByMany(at_once) => {
                bencher
                    .iter_custom(|iterations| target.fetch_by_many(iterations * at_once, at_once));
            }
            Self::FirstByte => bencher.iter_custom(|iterations| {
                (0..iterations).map(|_| target.fetch_timing_first()).sum()
            }),
        }
    }
}

/// Says something on stderr, which may be closed.
pub fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
