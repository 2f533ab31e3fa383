//! The program `load`, from its command line to its exit code.

use std::process::{Command, Output};

use crate::in_time;
use crate::servers::Sibling;

fn load(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    command.args(args);
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
    let wrong = load(&[&addr, "--expect", &other]);
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    assert!(text(&wrong.stdout).contains("1 hash"), "{wrong:?}");
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
