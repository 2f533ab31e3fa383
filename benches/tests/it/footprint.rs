//! The counts that the contract fixes (clause 3): a read and a write for each chunk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use benches::footprint::{Footprints, Job, Kind, Subject, why_no_strace};
use serve_core::{Config, EventLog, Server, bind};

use crate::in_time;

/// The preamble, and perhaps one write of which the kernel took a part.
const WRITES_BESIDES: u64 = 2;

/// What std reads besides, where start and end differ from the run without a client.
const READS_BESIDES: u64 = 4;

fn footprints(is_tracing: bool) -> Footprints {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_footprint"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    Footprints::within(folder, program, Duration::ZERO, is_tracing).unwrap()
}

fn job(subject: Subject, chunk_bytes: u64, file_bytes: u64) -> Job {
    in_time(move || {
        let mut footprints = footprints(true);
        footprints.job_of(&subject, chunk_bytes, file_bytes).unwrap()
    })
}

/// The siblings as they are; Node's original is the note's.
fn siblings() -> impl Iterator<Item = (Subject, bool)> {
    Subject::all().into_iter().filter_map(|subject| match subject.kind {
        Kind::Sibling(sibling) => Some((subject, sibling.is_zero_copy)),
        Kind::Node => None,
    })
}

#[test]
fn a_chunk_is_one_read_and_one_write() {
    if let Some(why) = why_no_strace() {
        use std::io::Write;
        let words = format!("not seen by system calls, only by events: {why}\n");
        let _ = std::io::stderr().write_all(words.as_bytes());
        return;
    }
    for (subject, is_zero_copy) in siblings() {
        for (chunk_bytes, file_bytes) in [(1, 500), (64, 32_000)] {
            let job = job(subject.clone(), chunk_bytes, file_bytes);
            let (name, chunks) = (&subject.name, job.chunks());
            let (reads, writes) = (job.reads().unwrap(), job.writes().unwrap());
            let context = format!("{name}, {chunks} chunks of {chunk_bytes}: {job:?}");
            assert!(
                (chunks..=chunks + WRITES_BESIDES).contains(&writes),
                "{writes} writes; {context}"
            );
            match is_zero_copy {
                true => assert!(reads <= READS_BESIDES, "{reads} reads; {context}"),
                false => {
                    let most = chunks + READS_BESIDES;
                    assert!((chunks..=most).contains(&reads), "{reads} reads; {context}");
                }
            }
        }
    }
}

#[test]
fn a_chunk_is_one_event() {
    for approach in approaches::ALL {
        for chunk_bytes in [1, 64, 1000] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file.bin");
            std::fs::write(&path, vec![7; 3000]).unwrap();
            let mut config = Config::new(&path);
            config.host = "127.0.0.1".to_owned();
            config.port = 0;
            config.chunk_bytes = chunk_bytes;
            config.log_chunks = true;
            let listener = bind(&config).unwrap();
            let addr = listener.local_addr().unwrap();
            let server = std::sync::Arc::new(Server::new(config, EventLog::memory()));
            let serving = std::sync::Arc::clone(&server);
            let running = std::thread::spawn(move || (approach.run)(listener, serving));
            let report = in_time(move || benches::load::run(benches::load::Plan::new(addr)));
            assert_eq!(report.unwrap().completed, 1);
            server.shut_down();
            in_time(move || running.join().unwrap()).unwrap();
            let events = server.log.events();
            let chunks = events.iter().filter(|event| event.kind.name() == "chunk").count();
            assert_eq!(chunks, 3000_usize.div_ceil(chunk_bytes), "{}", approach.name);
        }
    }
}

#[test]
fn a_job_tells_what_it_cost() {
    let (subject, _) = siblings().next().unwrap();
    let job = job(subject, 1024, 1024 * 1024);
    assert!(job.wall_s > 0.0 && job.cpu_s > 0.0 && job.fetches >= 1, "{job:?}");
    assert!(job.threads >= 1 && job.peak_memory_bytes > 100_000, "{job:?}");
}

#[test]
fn held_clients_weigh() {
    let (subject, _) = siblings().next().unwrap();
    assert_eq!(subject.name, "std");
    let (few, many) = in_time(move || {
        let mut footprints = footprints(false);
        (footprints.held(&subject, 1).unwrap(), footprints.held(&subject, 64).unwrap())
    });
    // std holds one piece of the file and two stacks per client. The async siblings hold so little
    // that 64 clients do not show it.
    let each = (many.memory_bytes - few.memory_bytes) / 63;
    assert!((20_000..300_000).contains(&each), "{each} bytes each: {few:?} {many:?}");
}
