//! Tests the numbers of calls and events per chunk (clause 3 of the contract), and the measurement
//! of memory with non-reading clients.

use std::path::{Path, PathBuf};
use std::time::Duration;

use benches::footprint::{
    Cost, Counts, Footprints, NonReading, counts, measurements, why_no_strace,
};
use benches::servers::{Kind, Participant};
use harness::TempFolder;
use harness::record::{Measurement, Run};
use serve_core::{Config, EventLog, Server, bind};

use crate::in_time;

/// The maximum number of writes in addition to one write per chunk. One additional write sends the
/// preamble, and another one follows a partial write.
const ADDITIONAL_WRITES: f64 = 2.0;

/// The maximum number of reads in addition to one read per chunk. In std, startup and shutdown may
/// need more reads with a client than without a client.
const ADDITIONAL_READS: f64 = 4.0;

fn footprints(is_tracing: bool) -> Footprints {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_measure"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    Footprints::new(program, folder, Duration::ZERO, is_tracing).unwrap()
}

fn measure(participant: Participant, chunk: &'static str, file_bytes: u64) -> Run {
    in_time(move || {
        let measurements = footprints(true).measure_chunks(&participant, chunk, file_bytes);
        Run { measurements: measurements.unwrap(), ..Run::default() }
    })
}

fn siblings() -> impl Iterator<Item = (Participant, bool)> {
    Participant::all().into_iter().filter_map(|participant| match participant.kind {
        Kind::Sibling { is_zero_copy, .. } => Some((participant, is_zero_copy)),
        _ => None,
    })
}

#[test]
fn a_chunk_is_one_read_and_one_write() {
    if let Some(why) = why_no_strace() {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "system calls are not counted: {why}");
        return;
    }
    for (participant, is_zero_copy) in siblings() {
        for (chunk, file_bytes) in [("1B", 500), ("64B", 32_000)] {
            let name = participant.name.clone();
            let run = measure(participant.clone(), chunk, file_bytes);
            let cost = Cost::new(&run, chunk, &name);
            let chunks = cost.chunks().unwrap();
            assert_eq!(chunks, 500.0);
            let (reads, writes) = (cost.reads().unwrap(), cost.writes().unwrap());
            let context = format!("{name} with {chunks} chunks of {chunk}: {run:?}");
            let expected = chunks..=chunks + ADDITIONAL_WRITES;
            assert!(
                expected.contains(&writes),
                "expected {expected:?} writes, got {writes}: {context}"
            );
            let reads_min = if is_zero_copy { 0.0 } else { chunks };
            let expected = reads_min..=reads_min + ADDITIONAL_READS;
            assert!(
                expected.contains(&reads),
                "expected {expected:?} reads, got {reads}: {context}"
            );
        }
    }
}

#[test]
fn a_chunk_is_one_event() {
    for approach in approaches::ALL {
        for chunk_bytes in [1, 64, 1000] {
            let folder = TempFolder::new().unwrap();
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
fn a_job_has_times_threads_and_memory() {
    let (participant, _) = siblings().next().unwrap();
    let name = participant.name.clone();
    let run = measure(participant, "1KiB", 1024 * 1024);
    let cost = Cost::new(&run, "1KiB", &name);
    let value = |quantity| cost.get(quantity).unwrap();
    assert!(value("wall_s") > 0.0 && value("cpu_s") > 0.0 && value("fetches") >= 1.0, "{run:?}");
    assert!(value("threads") >= 1.0 && value("peak_memory_bytes") > 100_000.0, "{run:?}");
}

#[test]
fn non_reading_clients_need_memory() {
    let (participant, _) = siblings().next().unwrap();
    assert_eq!(participant.name, "std");
    let [few, many] = in_time(move || {
        let mut footprints = footprints(false);
        let mut measure = |amount| footprints.measure_non_reading(&participant, amount).unwrap();
        [1, 64].map(|clients| {
            measure(NonReading { clients, buffer_bytes: 16 * 1024, file_bytes: 1024 * 1024 })
        })
    });
    let ids = [&few[0].id, &many[0].id, &many[1].id];
    let expected = [
        "non-reading-1/std/memory_bytes",
        "non-reading-64/std/memory_bytes",
        "non-reading-64/std/threads",
    ];
    assert_eq!(ids, expected);
    // For each client, std needs memory for a piece of the file and two stacks. This test does not
    // measure the async siblings, because they need too little memory per client.
    let memory_bytes = [&few, &many].map(|values| values[0].samples[0].unwrap());
    let each = (memory_bytes[1] - memory_bytes[0]) / 63.0;
    assert!(
        (20_000.0..300_000.0).contains(&each),
        "expected 20000 to 300000 bytes per client, got {each}: {few:?} {many:?}"
    );
}

#[test]
fn the_calls_without_a_client_are_subtracted() {
    let folder = TempFolder::new().unwrap();
    let path = folder.path().join("strace.txt");
    let text = "syscall              calls    errors\n\
                ---------------- --------- ---------\n\
                openat                  34        13\n\
                mmap                    30          \n\
                ---------------- --------- ---------\n\
                total                   64        13\n";
    std::fs::write(&path, text).unwrap();
    let counts = counts(&path).unwrap();
    let expected = [("mmap".to_owned(), [30, 0]), ("openat".to_owned(), [34, 13])];
    assert_eq!(counts, Counts::from(expected));
    let without_client = [("openat".to_owned(), [30, 13]), ("mmap".to_owned(), [31, 0])];
    let measurements = measurements("1B/std", &counts, &without_client.into());
    let expected = [("1B/std/calls/openat", 4.0), ("1B/std/errors/openat", 0.0)];
    assert_eq!(measurements, expected.map(|(id, value)| Measurement::single(id, value)));
}
