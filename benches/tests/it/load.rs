//! What the client says of servers.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use benches::load::{Amount, Expected, Hold, Job, Kind, Plan, PreambleKind, Report, Verified, run};

use crate::in_time;
use crate::servers::{BARE, Sibling, scripted, send_all, send_and_reset};

/// Bytes of which no two places look alike.
fn content(bytes: u32) -> Vec<u8> {
    (0..bytes.div_ceil(4)).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn plan_for(addr: SocketAddr, content: &[u8]) -> Plan {
    let mut plan = Plan::new(addr);
    plan.expected = Some(Expected::of_bytes(content));
    plan
}

/// What is said of a server that sends these to one client.
fn judged(parts: &[&[u8]], content: &[u8], change: impl FnOnce(&mut Plan)) -> Report {
    let owned: Vec<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
    let addr = scripted(1, move |_, stream| {
        let parts: Vec<&[u8]> = owned.iter().map(Vec::as_slice).collect();
        send_all(stream, &parts);
    });
    let mut plan = plan_for(addr, content);
    change(&mut plan);
    in_time(move || run(plan)).unwrap()
}

fn assert_wrong(report: &Report, kind: Kind, words: &str) {
    assert_eq!(report.completed, 0, "{report}");
    assert_eq!(report.failed.iter().collect::<Vec<_>>(), [(&kind, &1)], "{report}");
    assert!(report.failed_examples[0].contains(words), "{report}");
}

#[test]
fn right_servers_are_right() {
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
fn more_threads_than_connections_are_idle() {
    let content = content(1000);
    let sibling = Sibling::start(approaches::ALL[0], &content);
    let mut plan = plan_for(sibling.addr, &content).with_connections(20, 2);
    plan.threads = 4;
    let report = in_time(move || run(plan)).unwrap();
    assert_eq!((report.completed, report.failed_count()), (20, 0), "{report}");
}

#[test]
fn a_file_is_expected() {
    let content = content(3_000_000);
    let sibling = Sibling::start(approaches::ALL[0], &content);
    assert_eq!(Expected::of_file(&sibling.file()).unwrap(), Expected::of_bytes(&content));
}

#[test]
fn a_byte_too_few_is_short() {
    let content = content(100_000);
    for is_discarding in [false, cfg!(target_os = "linux")] {
        let report = judged(&[BARE, &content[1..]], &content, |plan| {
            plan.is_discarding = is_discarding;
        });
        assert_wrong(&report, Kind::Short, "99999 of 100000 bytes, then the server's FIN");
    }
}

#[test]
fn a_byte_too_many_is_long() {
    let content = content(100_000);
    for is_discarding in [false, cfg!(target_os = "linux")] {
        let report = judged(&[BARE, &content, b"!"], &content, |plan| {
            plan.is_discarding = is_discarding;
        });
        assert_wrong(&report, Kind::Long, "100001 bytes or more instead of 100000");
    }
}

#[test]
fn a_wrong_byte_has_another_hash() {
    let content = content(100_000);
    let mut other = content.clone();
    other[77_777] ^= 1;
    let report = judged(&[BARE, &other], &content, |_| {});
    assert_wrong(&report, Kind::Hash, "not all are right");
}

#[cfg(target_os = "linux")]
#[test]
fn discarding_counts_but_does_not_compare() {
    let content = content(5_000_000);
    let mut other = content.clone();
    other[77_777] ^= 1;
    let report = judged(&[BARE, &other], &content, |plan| plan.is_discarding = true);
    assert_eq!((report.completed, report.verified), (1, Verified::Length), "{report}");
    assert_eq!(report.bytes, (content.len() + BARE.len()) as u64);
}

#[test]
fn preambles_are_looked_at() {
    let content = content(1000);
    let header: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    for (preamble, kind) in [
        (header, PreambleKind::Auto),
        (header, PreambleKind::Http),
        (BARE, PreambleKind::Auto),
        (BARE, PreambleKind::Bare),
        (b"", PreambleKind::None),
    ] {
        let report = judged(&[preamble, &content], &content, |plan| plan.preamble = kind);
        assert_eq!((report.completed, report.failed_count()), (1, 0), "{kind:?}: {report}");
    }
    assert_wrong(&judged(&[&content], &content, |_| {}), Kind::Preamble, "--preamble none");
    let report = judged(&[b"HTTP/1.1 404 Not Found\r\n\r\n"], &content, |_| {});
    assert_wrong(&report, Kind::Status, "not 200");
    assert_wrong(&judged(&[b"HTTP/1"], &content, |_| {}), Kind::Short, "6 bytes of preamble");
    assert_wrong(&judged(&[], &content, |_| {}), Kind::Short, "nothing before");
}

#[test]
fn a_reset_is_told() {
    let content = content(100_000);
    let half = content[..50_000].to_vec();
    let addr = scripted(1, move |_, stream| send_and_reset(stream, &[BARE, &half].concat()));
    let plan = plan_for(addr, &content);
    let report = in_time(move || run(plan)).unwrap();
    assert_wrong(&report, Kind::Reset, "bytes");
}

#[test]
fn nobody_there_is_asked_once() {
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
fn a_silent_server_is_left() {
    let (over, until_over) = mpsc::channel::<()>();
    let addr = scripted(1, move |_, mut stream| {
        stream.write_all(b"HTTP").unwrap();
        let _ = until_over.recv();
    });
    let mut plan = Plan::new(addr);
    plan.timeout = Duration::from_millis(100);
    let report = in_time(move || run(plan)).unwrap();
    drop(over);
    assert_wrong(&report, Kind::Timeout, "after 4 bytes");
    assert!(report.wall_s >= 0.1, "{report}");
}

/// Writes until there has been no room for a while; how many bytes of it went.
fn written_until_stuck(mut stream: &TcpStream, bytes: &[u8]) -> usize {
    // The pause is the question: would somebody who reads not have made room by now?
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
fn held_clients_read_nothing_until_all_are_there() {
    let content = Arc::new(content(16_000_000));
    let reply = [BARE, &content].concat();
    let (sender, receiver) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let mut held = Vec::new();
    let addr = scripted(3, move |index, stream| {
        held.push(stream.try_clone().unwrap());
        if index < 2 {
            return;
        }
        let mut written: Vec<usize> =
            held[..2].iter().map(|stream| written_until_stuck(stream, &reply)).collect();
        sender.send(written.clone()).unwrap();
        may_go_on.recv().unwrap();
        written.push(0);
        thread::scope(|scope| {
            for (stream, written) in held.iter().zip(&written) {
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
                assert!(written > 0 && written < 16_000_000, "{written} bytes were taken");
            }
            assert_eq!((job.held(), job.progress()), (2, (0, 0)));
            assert!(!job.wait_until_held(Duration::ZERO));
            go_on.send(()).unwrap();
            assert!(job.wait_until_held(Duration::from_secs(30)));
            assert_eq!((job.held(), job.progress()), (3, (0, 0)));
            job.release();
            report.join().unwrap()
        })
    });
    let report = report.unwrap();
    assert_eq!((report.completed, report.failed_count()), (3, 0), "{report}");
}

#[test]
fn many_are_held_for_a_while() {
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
fn slow_clients_keep_their_pace() {
    let content = content(100_000);
    let sibling = Sibling::start(approaches::ALL[0], &content);
    let mut plan = plan_for(sibling.addr, &content).with_connections(8, 8);
    plan.slow_bytes_per_s = Some(200_000);
    let report = in_time(move || run(plan)).unwrap();
    assert_eq!((report.completed, report.failed_count()), (8, 0), "{report}");
    // A tenth of a second's worth may come at once in the beginning.
    let end_us = report.end_us.unwrap();
    assert!(end_us.p50 >= 400_000, "too fast: {report}");
    assert!(end_us.p50 <= 1_500_000, "too slow: {report}");
}

#[test]
fn resets_leave_servers_alive() {
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
fn who_ends_before_the_reset_is_short() {
    let content = content(1000);
    let report = judged(&[BARE, &content], &content, |plan| plan.reset_after_bytes = Some(2000));
    assert_wrong(&report, Kind::Short, "after 1010 bytes, before 2000");
}

#[test]
fn a_rate_is_kept() {
    let content = content(1000);
    let sibling = Sibling::start(approaches::ALL[1], &content);
    for amount in [Amount::Total(50), Amount::During(Duration::from_millis(500))] {
        let mut plan = plan_for(sibling.addr, &content).with_connections(1, 100);
        plan.rate_per_s = Some(100.0);
        plan.amount = amount;
        plan.threads = 2;
        let report = in_time(move || run(plan)).unwrap();
        assert_eq!((report.completed, report.failed_count()), (50, 0), "{report}");
        assert!((0.49..1.5).contains(&report.wall_s), "{report}");
    }
}

#[test]
fn a_server_that_holds_up_its_clients_cannot_hide_it() {
    // One after another, 20 ms each, while a new one is due every 10 ms: the twentieth is due at
    // 190 ms and served at 400 ms.
    let service = Duration::from_millis(20);
    let addr = scripted(20, move |_, stream| {
        let began = Instant::now();
        send_all(stream, &[BARE]);
        thread::sleep(service.saturating_sub(began.elapsed()));
    });
    let mut plan = Plan::new(addr).with_connections(20, 1);
    plan.rate_per_s = Some(100.0);
    let report = in_time(move || run(plan)).unwrap();
    assert_eq!((report.completed, report.failed_count()), (20, 0), "{report}");
    assert!(report.end_us.unwrap().max >= 150_000, "{report}");
}

#[test]
fn time_ends_the_beginning_of_new_ones() {
    let content = content(1000);
    let sibling = Sibling::start(approaches::ALL[1], &content);
    let mut plan = plan_for(sibling.addr, &content).with_connections(1, 4);
    plan.amount = Amount::During(Duration::from_millis(200));
    let report = in_time(move || run(plan)).unwrap();
    assert!(report.completed >= 4 && report.failed_count() == 0, "{report}");
    assert!((0.15..5.0).contains(&report.wall_s), "{report}");
}

#[test]
fn plans_that_make_no_sense_are_refused() {
    let addr: SocketAddr = ([127, 0, 0, 1], 1).into();
    let refused = |change: fn(&mut Plan)| {
        let mut plan = Plan::new(addr);
        change(&mut plan);
        Job::new(plan).unwrap_err().to_string()
    };
    assert!(refused(|plan| plan.connections = 0).contains("nothing to do"));
    assert!(refused(|plan| plan.threads = 0).contains("from 1"));
    assert!(refused(|plan| plan.rate_per_s = Some(f64::NAN)).contains("above 0"));
    assert!(refused(|plan| plan.rate_per_s = Some(0.0)).contains("above 0"));
    let held = |plan: &mut Plan| {
        plan.hold = Some(Hold::UntilReleased);
        plan.connections = 2;
    };
    assert!(refused(held).contains("held at once"));
    if cfg!(unix) {
        assert!(refused(|plan| plan.connections = 1 << 40).contains("ulimit"));
    }
    if !cfg!(target_os = "linux") {
        assert!(refused(|plan| plan.is_discarding = true).contains("--discard"));
    }
}
