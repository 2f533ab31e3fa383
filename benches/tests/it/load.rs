//! Tests the load client with correct and incorrect servers.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use benches::load::{
    Expected, Hold, Job, Kind, Percentiles, Plan, PreambleKind, Report, Verified, run,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::in_time;
use crate::servers::{BARE, Sibling, scripted, send_all, send_and_reset};

/// Returns the content of a test file. No part of the content repeats.
pub fn content(bytes: u32) -> Vec<u8> {
    (0..bytes.div_ceil(4)).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn expected(content: &[u8]) -> Expected {
    Expected { bytes: content.len() as u64, xxh3: Some(xxh3_64(content)) }
}

pub fn plan_for(addr: SocketAddr, content: &[u8]) -> Plan {
    let mut plan = Plan::new(addr);
    plan.expected = Some(expected(content));
    plan
}

/// Runs the load client with a server that sends `parts` to one client. `change` modifies the plan.
/// Returns the report.
fn report_of(parts: &[&[u8]], content: &[u8], change: impl FnOnce(&mut Plan)) -> Report {
    let owned: Vec<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
    let addr = scripted(1, move |_, stream| {
        let parts: Vec<&[u8]> = owned.iter().map(Vec::as_slice).collect();
        send_all(stream, &parts);
    });
    let mut plan = plan_for(addr, content);
    change(&mut plan);
    in_time(move || run(plan)).unwrap()
}

fn assert_failed(report: &Report, kind: Kind, message: &str) {
    assert_eq!(report.completed, 0, "{report}");
    assert_eq!(report.failed.iter().collect::<Vec<_>>(), [(&kind, &1)], "{report}");
    assert!(report.failed_examples[0].contains(message), "{report}");
}

#[test]
fn replies_of_correct_servers_pass() {
    let content = content(300_000);
    for approach in approaches::ALL {
        let sibling = Sibling::start(approach, &content);
        for threads in [1, 3] {
            let mut plan = plan_for(sibling.addr, &content).with_connections(40, 10);
            plan.threads = threads;
            let report = in_time(move || run(plan)).unwrap();
            assert_eq!((report.completed, report.failed_count()), (40, 0), "{report}");
            assert_eq!(report.verified, Verified::LengthAndHash);
            assert_eq!(report.bytes, 40 * (content.len() + BARE.len()) as u64, "{report}");
            let (first, end) = (report.first_byte_us.unwrap(), report.end_us.unwrap());
            assert!(first.p50 <= end.p50 && first.max <= end.max, "{report}");
        }
    }
}

#[test]
fn a_load_can_have_more_threads_than_connections() {
    let content = content(1000);
    let sibling = Sibling::start(approaches::ALL[0], &content);
    let mut plan = plan_for(sibling.addr, &content).with_connections(20, 2);
    plan.threads = 4;
    let report = in_time(move || run(plan)).unwrap();
    assert_eq!((report.completed, report.failed_count()), (20, 0), "{report}");
}

#[test]
fn the_expected_length_and_hash_match_the_file() {
    let content = content(3_000_000);
    let sibling = Sibling::start(approaches::ALL[0], &content);
    assert_eq!(Expected::of_file(&sibling.file()).unwrap(), expected(&content));
}

#[test]
fn a_reply_with_a_missing_byte_is_short() {
    let content = content(100_000);
    for is_discarding in [false, cfg!(target_os = "linux")] {
        let report = report_of(&[BARE, &content[1..]], &content, |plan| {
            plan.is_discarding = is_discarding;
        });
        assert_failed(&report, Kind::Short, "expected 100000 bytes, got 99999");
    }
}

#[test]
fn a_reply_with_an_additional_byte_is_long() {
    let content = content(100_000);
    for is_discarding in [false, cfg!(target_os = "linux")] {
        let report = report_of(&[BARE, &content, b"!"], &content, |plan| {
            plan.is_discarding = is_discarding;
        });
        assert_failed(&report, Kind::Long, "expected 100000 bytes, got at least 100001");
    }
}

#[test]
fn an_incorrect_byte_changes_the_hash() {
    let content = content(100_000);
    let mut other = content.clone();
    other[77_777] ^= 1;
    let report = report_of(&[BARE, &other], &content, |_| {});
    assert_failed(&report, Kind::Hash, "the content differs from the file");
}

#[cfg(target_os = "linux")]
#[test]
fn discarding_verifies_only_the_length() {
    let content = content(5_000_000);
    let mut other = content.clone();
    other[77_777] ^= 1;
    let report = report_of(&[BARE, &other], &content, |plan| plan.is_discarding = true);
    assert_eq!((report.completed, report.verified), (1, Verified::Length), "{report}");
    assert_eq!(report.bytes, (content.len() + BARE.len()) as u64);
}

#[test]
fn preambles_are_verified() {
    let content = content(1000);
    let header: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    for (preamble, kind) in [
        (header, PreambleKind::Auto),
        (header, PreambleKind::Http),
        (BARE, PreambleKind::Auto),
        (BARE, PreambleKind::Bare),
        (b"", PreambleKind::None),
    ] {
        let report = report_of(&[preamble, &content], &content, |plan| plan.preamble = kind);
        assert_eq!((report.completed, report.failed_count()), (1, 0), "{kind:?}: {report}");
    }
    assert_failed(&report_of(&[&content], &content, |_| {}), Kind::Preamble, "--preamble none");
    let report = report_of(&[b"HTTP/1.1 404 Not Found\r\n\r\n"], &content, |_| {});
    assert_failed(&report, Kind::Status, "got `404`");
    assert_failed(&report_of(&[b"HTTP/1"], &content, |_| {}), Kind::Short, "got 6 bytes");
    assert_failed(&report_of(&[], &content, |_| {}), Kind::Short, "got 0 bytes");
}

#[test]
fn a_reset_is_reported() {
    let content = content(100_000);
    let half = content[..50_000].to_vec();
    let addr = scripted(1, move |_, stream| send_and_reset(stream, &[BARE, &half].concat()));
    let plan = plan_for(addr, &content);
    let report = in_time(move || run(plan)).unwrap();
    assert_failed(&report, Kind::Reset, "bytes");
}

#[test]
fn a_load_ends_if_no_server_listens() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    for hold in [None, Some(Hold::For(Duration::ZERO))] {
        let mut plan = Plan::new(addr).with_connections(5, 5);
        plan.hold = hold;
        let report = in_time(move || run(plan)).unwrap();
        assert_eq!(report.completed, 0, "{report}");
        assert!(report.failed.contains_key(&Kind::Refused), "{report}");
    }
}

#[test]
fn a_server_that_stops_sending_times_out() {
    let (sender, receiver) = mpsc::channel::<()>();
    let addr = scripted(1, move |_, mut stream| {
        stream.write_all(b"HTTP").unwrap();
        let _ = receiver.recv();
    });
    let mut plan = Plan::new(addr);
    plan.timeout = Duration::from_millis(100);
    let report = in_time(move || run(plan)).unwrap();
    drop(sender);
    assert_failed(&report, Kind::Timeout, "received 4 bytes, then no data");
    assert!(report.wall_s >= 0.1, "{report}");
}

/// Writes `bytes` until the kernel accepts no more data. Returns the number of accepted bytes.
fn write_until_full(mut stream: &TcpStream, bytes: &[u8]) -> usize {
    // If the client read data, the send buffer would have space for more data within this time.
    stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(count) => written += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_write_timeout(None).unwrap();
    written
}

#[test]
fn non_reading_clients_read_after_release() {
    let content = Arc::new(content(16_000_000));
    let reply = [BARE, &content].concat();
    let (sender, receiver) = mpsc::channel();
    let (resume, may_resume) = mpsc::channel::<()>();
    let mut streams = Vec::new();
    let addr = scripted(3, move |index, stream| {
        streams.push(stream.try_clone().unwrap());
        if index < 2 {
            return;
        }
        let mut written: Vec<usize> =
            streams[..2].iter().map(|stream| write_until_full(stream, &reply)).collect();
        sender.send(written.clone()).unwrap();
        may_resume.recv().unwrap();
        written.push(0);
        thread::scope(|scope| {
            for (stream, written) in streams.iter().zip(&written) {
                scope.spawn(|| send_all(stream, &[&reply[*written..]]));
            }
        });
    });
    let mut plan = plan_for(addr, &content).with_connections(3, 3);
    plan.hold = Some(Hold::UntilReleased);
    plan.receive_buffer_bytes = Some(16 * 1024);
    let job = Arc::new(Job::new(plan).unwrap());
    let running = Arc::clone(&job);
    let report = in_time(move || {
        thread::scope(|scope| {
            let report = scope.spawn(move || running.run());
            for written in receiver.recv().unwrap() {
                assert!(
                    written > 0 && written < 16_000_000,
                    "expected 1 to 15999999 accepted bytes, got {written}"
                );
            }
            assert_eq!((job.non_reading_clients(), job.progress()), (2, (0, 0)));
            assert!(!job.wait_for_non_reading_clients(Duration::ZERO));
            resume.send(()).unwrap();
            assert!(job.wait_for_non_reading_clients(Duration::from_secs(30)));
            assert_eq!((job.non_reading_clients(), job.progress()), (3, (0, 0)));
            job.release();
            report.join().unwrap()
        })
    });
    let report = report.unwrap();
    assert_eq!((report.completed, report.failed_count()), (3, 0), "{report}");
}

#[test]
fn non_reading_clients_read_after_the_hold_time() {
    let content = content(200_000);
    for (approach, threads) in approaches::ALL.into_iter().zip([1, 2, 1, 3]) {
        let sibling = Sibling::start(approach, &content);
        let mut plan = plan_for(sibling.addr, &content).with_connections(100, 100);
        plan.hold = Some(Hold::For(Duration::from_millis(200)));
        plan.max_segment_bytes = cfg!(unix).then_some(536);
        plan.threads = threads;
        let report = in_time(move || run(plan)).unwrap();
        assert_eq!((report.completed, report.failed_count()), (100, 0), "{report}");
        assert!(report.end_us.unwrap().p50 >= 200_000, "{report}");
    }
}

#[test]
fn servers_continue_after_resets() {
    let content = content(2_000_000);
    for approach in approaches::ALL {
        let sibling = Sibling::start(approach, &content);
        for after_bytes in [0, 1, 100_000] {
            let mut plan = plan_for(sibling.addr, &content).with_connections(60, 10);
            plan.reset_after_bytes = Some(after_bytes);
            let report = in_time(move || run(plan)).unwrap();
            assert_eq!((report.completed, report.failed_count()), (60, 0), "{report}");
            assert_eq!(report.bytes, 60 * after_bytes, "{report}");
            assert_eq!(report.verified, Verified::Nothing);
        }
        let plan = plan_for(sibling.addr, &content);
        let report = in_time(move || run(plan)).unwrap();
        assert_eq!((report.completed, report.failed_count()), (1, 0), "{report}");
    }
}

#[test]
fn a_reply_that_ends_before_the_reset_is_short() {
    let content = content(1000);
    let report = report_of(&[BARE, &content], &content, |plan| plan.reset_after_bytes = Some(2000));
    assert_failed(&report, Kind::Short, "expected at least 2000 bytes, got 1010");
}

#[test]
fn invalid_plans_are_rejected() {
    let addr: SocketAddr = ([127, 0, 0, 1], 1).into();
    let error_of = |change: fn(&mut Plan)| {
        let mut plan = Plan::new(addr);
        change(&mut plan);
        Job::new(plan).unwrap_err().to_string()
    };
    assert!(error_of(|plan| plan.rate_per_s = Some(f64::NAN)).contains("greater than 0"));
    assert!(error_of(|plan| plan.rate_per_s = Some(0.0)).contains("greater than 0"));
    let hold_of_one = |plan: &mut Plan| {
        plan.hold = Some(Hold::UntilReleased);
        plan.connections = 2;
    };
    assert!(error_of(hold_of_one).contains("at the same time"));
    if cfg!(unix) {
        assert!(error_of(|plan| plan.connections = 1 << 40).contains("ulimit"));
    }
    if !cfg!(target_os = "linux") {
        assert!(error_of(|plan| plan.is_discarding = true).contains("--discard"));
    }
}

#[test]
fn percentiles_are_measured_values() {
    assert_eq!(Percentiles::of(vec![]), None);
    let one = Percentiles::of(vec![7]).unwrap();
    assert_eq!(one, Percentiles { p50: 7, p90: 7, p99: 7, max: 7 });
    let hundred = Percentiles::of((1..=100).rev().collect()).unwrap();
    assert_eq!(hundred, Percentiles { p50: 50, p90: 90, p99: 99, max: 100 });
}
