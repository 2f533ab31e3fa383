//! The programs, from their command lines to their exit codes.

use std::process::{Command, Output};

use crate::in_time;
use crate::servers::Sibling;

fn load(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_measure"));
    command.arg("load").args(args);
    in_time(move || command.output().unwrap())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn all_right_is_0_something_wrong_is_1() {
    let content = vec![7; 100_000];
    let sibling = Sibling::start(approaches::ALL[0], &content);
    let addr = sibling.addr.to_string();
    let file = sibling.file().display().to_string();
    let right = load(&[&addr, "--total", "20", "--connections", "4", "--expect", &file, "--json"]);
    assert_eq!(right.status.code(), Some(0), "{right:?}");
    let report: serde_json::Value = serde_json::from_slice(&right.stdout).unwrap();
    assert_eq!(report["completed"], 20);
    assert_eq!(report["verified"], "length_and_hash");
    assert!(report["end_us"]["p99"].as_u64() > Some(0), "{report}");
    assert_eq!(cfg!(unix), report["cpu_s"].as_f64() > Some(0.0), "{report}");

    let other = sibling.file().with_file_name("other.bin");
    std::fs::write(&other, vec![8; 100_000]).unwrap();
    let other = other.display().to_string();
    let output = load(&[&addr, "--expect", &other]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stdout).contains("1 hash"), "{output:?}");
}

#[test]
fn what_cannot_run_is_2() {
    for args in [
        &["127.0.0.1:1", "--expect", "/no/such/file"][..],
        &["127.0.0.1:1", "--rate", "5"],
        &["127.0.0.1:1", "--rate", "-5", "--total", "1"],
        &["127.0.0.1"],
        &[],
    ] {
        let output = load(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_small_race_is_run_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let mut command = Command::new(env!("CARGO_BIN_EXE_peers"));
    command.args(["--measure", "river,held,log", "--server", "floor,std,tokio", "--rounds", "1"]);
    command.args(["--river-clients", "4", "--held-clients", "20", "--large-size", "1MiB"]);
    command.args(["--job-time", "50ms", "--server-cmd", "gone=/no/such/server {file} {port}"]);
    command.arg("--record").arg(&record);
    let output = in_time(move || command.output().unwrap());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let table = text(&output.stdout);
    assert!(table.contains("river: 157 kB, 4 clients at once"), "{table}");
    assert!(table.contains("absent: gone: /no/such/server is not installed"), "{table}");

    let json = std::fs::read(record.join("peers.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let samples = json["samples"].as_array().unwrap();
    // The river with three, holding and the log with two each.
    assert_eq!(samples.len(), 3 + 2 + 2, "{json}");
    for sample in samples {
        let figures = &sample["figures"];
        match sample["measure"].as_str() {
            Some("river") => {
                assert!(figures["connections_per_s"].as_f64() > Some(1.0), "{sample}");
                assert!(figures["server_cpu_s"].as_f64() > Some(0.0), "{sample}");
            }
            Some("held") => {
                assert_eq!(figures["served_whole"].as_f64(), Some(20.0), "{sample}");
                assert!(figures["kib_per_client"].as_f64() > Some(1.0), "{sample}");
            }
            _ => assert!(figures["large_ratio"].as_f64() > Some(0.0), "{sample}"),
        }
    }
    let markdown = std::fs::read_to_string(record.join("peers.md")).unwrap();
    assert!(markdown.contains("| server | clients/s | × Node |"), "{markdown}");
    assert!(!markdown.contains(&folder.path().display().to_string()), "{markdown}");
}

fn measure(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_measure"));
    command.args(args);
    in_time(move || command.output().unwrap())
}

#[test]
fn a_record_has_a_page_and_can_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    let record = benches::records::records_folder().join("2026-11-29-linux-2-cores");
    let (record, out) = (record.display().to_string(), folder.path().display().to_string());
    let output = measure(&["report", "--from", &record, "--out", &out]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).ends_with("report.html\n"), "{output:?}");
    assert!(folder.path().join("report.html").exists());
    let output = measure(&["diff", &record, "2026-11-29-linux-2-cores"]);
    let tables = text(&output.stdout);
    assert!(tables.contains("connect/std") && tables.contains("tokio, chunks of 1 B"), "{tables}");
    let lines = tables.lines().filter(|line| line.contains('%'));
    assert!(
        lines.clone().count() > 100 && lines.clone().all(|it| it.ends_with("noise")),
        "{tables}"
    );
}

#[test]
fn errors_of_reports_include_help() {
    let error = |args: &[&str]| {
        let output = measure(args);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        text(&output.stderr)
    };
    let unknown = error(&["diff", "no-record", "now"]);
    assert!(unknown.starts_with("error: cannot read the record `"), "{unknown}");
    assert!(unknown.contains("\nhelp: `ls benches/records` lists the records"), "{unknown}");
    for name in ["", "../x", "a b"] {
        assert!(error(&["report", "--machine", name]).contains("my-laptop"), "{name}");
    }
}
