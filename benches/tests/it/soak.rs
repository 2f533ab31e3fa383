//! Tests the soak, and the parts of the load client that only the soak uses.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use benches::load::{Kind, Plan, Report, Verified, run};
use benches::soak::{Events, GROWTH_MIB_MAX, Outcome, Usage};

use crate::in_time;
use crate::load::{content, plan_for};
use crate::servers::{BARE, scripted, send_all, send_and_reset};

/// Runs one client that compares every byte. `answer` is the behavior of the server.
fn report_of(
    content: &[u8],
    answer: impl Fn(&TcpStream) + Send + 'static,
    change: impl FnOnce(&mut Plan),
) -> Report {
    let addr = scripted(1, move |_, stream| answer(stream));
    let mut plan = plan_for(addr, content);
    plan.content = Some(Arc::from(content));
    change(&mut plan);
    in_time(move || run(plan)).unwrap()
}

fn assert_failed(report: &Report, kind: Kind, message: &str) {
    assert_eq!(report.failed.iter().collect::<Vec<_>>(), [(&kind, &1)], "{report}");
    assert!(report.failed_examples[0].contains(message), "{report}");
}

#[test]
fn an_incorrect_byte_of_an_incomplete_reply_is_detected() {
    let content = content(100_000);
    let mut other = content[..50_000].to_vec();
    other[40_000] ^= 1;
    let report = report_of(
        &content,
        move |stream| send_and_reset(stream, &[BARE, &other].concat()),
        |plan| plan.reset_after_bytes = Some(50_000),
    );
    assert_failed(&report, Kind::Content, "byte 40000 of the file is incorrect");
}

#[test]
fn every_byte_of_a_correct_reply_is_verified() {
    let content = content(300_000);
    let reply = [BARE, &content].concat();
    let report = report_of(&content, move |stream| send_all(stream, &[&reply]), |_| {});
    assert_eq!((report.completed, report.verified), (1, Verified::EveryByte), "{report}");
    let long = [BARE, &content, b"!"].concat();
    let report = report_of(&content, move |stream| send_all(stream, &[&long]), |_| {});
    assert_failed(&report, Kind::Long, "expected 300000 bytes, got at least 300001");
}

#[test]
fn a_client_half_closes_after_its_request() {
    let content = content(1000);
    let reply = [BARE, &content].concat();
    let answer = move |mut stream: &TcpStream| {
        // This call returns only after the client has half-closed the connection.
        let mut request = Vec::new();
        stream.read_to_end(&mut request).unwrap();
        assert!(request.starts_with(b"GET"));
        send_all(stream, &[&reply]);
    };
    let report = report_of(&content, answer, |plan| plan.is_half_closing = true);
    assert_eq!(report.completed, 1, "{report}");
}

#[test]
fn a_flooding_client_sends_until_it_is_reset() {
    let content = content(1000);
    let reply = [BARE, &content].concat();
    let answer = move |mut stream: &TcpStream| {
        stream.write_all(&reply).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut buffer = vec![0; 200_000];
        stream.read_exact(&mut buffer).unwrap();
        send_and_reset(stream, b"");
    };
    let report = report_of(&content, answer, |plan| plan.flood_bytes_per_s = Some(10_000_000));
    assert_eq!(report.completed, 1, "{report}");

    // The server resets the connection in the middle of the reply.
    let reply = [BARE, &content[..500]].concat();
    let answer = move |mut stream: &TcpStream| {
        stream.read_exact(&mut [0; 2000]).unwrap();
        send_and_reset(stream, &reply);
    };
    let report = report_of(&content, answer, |plan| plan.flood_bytes_per_s = Some(10_000_000));
    assert_eq!(report.failed.iter().collect::<Vec<_>>(), [(&Kind::Reset, &1)], "{report}");
}

#[test]
fn only_the_expected_end_of_a_connection_counts_as_expected() {
    let content = content(1000);
    let cut = [BARE, &content[..500]].concat();
    let reset = move || {
        let cut = cut.clone();
        report_of(&content, move |stream| send_and_reset(stream, &cut), |_| {})
    };
    let mut outcome = Outcome::default();
    outcome.add(reset(), true);
    assert_eq!((outcome.expected, outcome.unexpected, outcome.example.clone()), (1, 0, None));
    outcome.add(reset(), false);
    assert_eq!((outcome.expected, outcome.unexpected), (1, 1));
    assert!(outcome.example.unwrap().contains("reset"));
}

#[test]
fn resources_that_are_not_released_are_problems() {
    let before = Usage { memory_mib: 2.0, descriptors: 10.0, threads: 4.0 };
    let bounded = Usage { memory_mib: 2.0 + GROWTH_MIB_MAX, ..before };
    assert_eq!(bounded.problems(&before), [""; 0]);
    let after = Usage { memory_mib: 2.6 + GROWTH_MIB_MAX, descriptors: 11.0, threads: 5.0 };
    let problems = after.problems(&before);
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert_eq!(problems[1], "after the last client: expected at most 10 file descriptors, got 11");
}

#[test]
fn a_log_must_be_complete_and_without_unexpected_errors() {
    let problems = |lines: &str| Events::read(lines.as_bytes()).problems();
    let correct = r#"{"at_us":1,"event":"connected","conn":1,"peer":"127.0.0.1:1"}
{"at_us":2,"event":"data","conn":1,"bytes":5,"preview":"\"event\":\"dropped\""}
{"at_us":3,"event":"error","conn":1,"kind":"stalled","message":"m"}
{"at_us":4,"event":"disconnected","conn":1,"sent":1,"received":2}
"#;
    assert_eq!(problems(correct), [""; 0]);
    let incorrect = r#"{"at_us":1,"event":"connected","conn":1,"peer":"127.0.0.1:1"}
{"at_us":2,"event":"error","conn":1,"kind":"io","message":"m"}
{"at_us":3,"event":"dropped","events":3}
part of a line
"#;
    let problems = problems(incorrect);
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(problems[0].contains("got 0 events for 1 connections"), "{problems:?}");
    assert!(problems[3].contains("`io`"), "{problems:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_short_soak_passes_and_writes_a_record() {
    use std::fs;
    use std::process::Command;

    use harness::TempFolder;
    use harness::record::Record;

    let folder = TempFolder::new().unwrap();
    let record = folder.path().join("record");
    let mut command = Command::new(env!("CARGO_BIN_EXE_measure"));
    command.args(["soak", "--minutes", "0.02", "--server", "tokio", "--record"]).arg(&record);
    command.env("CARGO_TARGET_DIR", folder.path());
    let output = in_time(move || command.output().unwrap());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let run = Record::read(&record).unwrap().run("soak").cloned().unwrap();
    assert_eq!(run.problems, [""; 0]);
    for behavior in benches::soak::BEHAVIORS {
        let count = run.get(&format!("tokio/{}/expected", behavior.name)).unwrap();
        assert!(count.spread().unwrap().median >= 1.0, "{}", behavior.name);
    }
    let page = fs::read_to_string(record.join("soak.md")).unwrap();
    assert!(page.contains("| result | passed |"), "{page}");
    assert!(record.join("soak-memory.svg").exists());
}
