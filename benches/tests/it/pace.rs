//! Tests the load client's timing: slow clients, rates and durations.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use benches::load::{Amount, Plan, run};

use crate::in_time;
use crate::load::{content, plan_for};
use crate::servers::{BARE, Sibling, scripted, send_all};

#[test]
fn slow_clients_read_at_their_rate() {
    let content = content(100_000);
    let sibling = Sibling::start(approaches::ALL[0], &content);
    let mut plan = plan_for(sibling.addr, &content).with_connections(8, 8);
    plan.slow_bytes_per_s = Some(200_000);
    let report = in_time(move || run(plan)).unwrap();
    assert_eq!((report.completed, report.failed_count()), (8, 0), "{report}");
    // Each client makes its first read without a pause. This read returns at most 20,000 bytes.
    let median_us = report.end_us.unwrap().p50;
    assert!(
        (400_000..=1_500_000).contains(&median_us),
        "expected 400000 to 1500000 µs, got {median_us}: {report}"
    );
}

#[test]
fn a_slow_client_does_not_catch_up_after_a_pause() {
    let content = content(30_000);
    let parts = content.clone();
    let addr = scripted(1, move |_, mut stream| {
        stream.write_all(BARE).unwrap();
        stream.write_all(&parts[..10_000]).unwrap();
        thread::sleep(Duration::from_millis(500));
        send_all(stream, &[&parts[10_000..]]);
    });
    let mut plan = plan_for(addr, &content);
    plan.slow_bytes_per_s = Some(50_000);
    let report = in_time(move || run(plan)).unwrap();
    assert_eq!((report.completed, report.failed_count()), (1, 0), "{report}");
    // The client reads the last 20,000 bytes with four reads. Two of these reads may follow the
    // server's pause immediately.
    assert!(report.end_us.unwrap().p50 >= 650_000, "{report}");
}

#[test]
fn a_slow_client_can_read_single_bytes() {
    let addr = scripted(1, move |_, stream| send_all(stream, &[BARE]));
    let mut plan = Plan::new(addr);
    plan.slow_bytes_per_s = Some(10);
    let report = in_time(move || run(plan)).unwrap();
    assert_eq!((report.completed, report.bytes), (1, 10), "{report}");
    assert!(report.end_us.unwrap().p50 >= 800_000, "{report}");
}

#[test]
fn connections_start_at_the_rate() {
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
fn times_include_delays_of_the_server() {
    // The server needs 20 ms per client, and a new client is due every 10 ms. Therefore, the
    // twentieth client is due at 190 ms, and the server has served it at 400 ms.
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
fn no_connection_starts_after_the_duration() {
    let content = content(1000);
    let sibling = Sibling::start(approaches::ALL[1], &content);
    let mut plan = plan_for(sibling.addr, &content).with_connections(1, 4);
    plan.amount = Amount::During(Duration::from_millis(200));
    let report = in_time(move || run(plan)).unwrap();
    assert!(report.completed >= 4 && report.failed_count() == 0, "{report}");
    assert!((0.15..5.0).contains(&report.wall_s), "{report}");
}
