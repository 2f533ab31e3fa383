//! Tests that an interrupted measurement leaves neither a process nor a file.

use std::fs;
use std::process::Command;
use std::time::Duration;

use harness::TempFolder;
use harness::testing::interrupt;

const MEASURE: &str = env!("CARGO_BIN_EXE_measure");

/// The maximum time until the interrupt. During this time, `measure` can complete the warm-up and
/// several measurements.
const SPAN: Duration = Duration::from_millis(1200);

/// Starts `measure` and interrupts it at a random moment. `measure` creates files in the folder for
/// temporary files and in Cargo's target folder.
fn interrupt_measure(args: &[&str]) {
    let target = TempFolder::new().unwrap();
    interrupt(SPAN, || {
        let mut command = Command::new(MEASURE);
        command.args(args).env("CARGO_TARGET_DIR", target.path());
        command
    });
    let files = fs::read_dir(target.path().join("measure")).into_iter().flatten();
    assert_eq!(files.count(), 0, "expected no files in `target/measure`");
}

#[test]
fn an_interrupted_race_leaves_nothing() {
    // `setsid` starts the server in a new session, and waits until the server ends.
    let daemon = format!(
        "daemon=setsid --wait {MEASURE} serve-tokio {{file}} --host 127.0.0.1 --port {{port}}"
    );
    interrupt_measure(&[
        "race",
        "--scenario=large,river,non-reading",
        "--server=std,baseline",
        "--server-cmd",
        &daemon,
        "--rounds=100",
        "--large-size=16MiB",
        "--river-clients=4",
        "--non-reading-clients=20",
        "--job-time=50ms",
        "--no-record",
    ]);
}

#[test]
fn an_interrupted_footprint_leaves_nothing() {
    interrupt_measure(&["footprint", "--job-time=100ms"]);
}

#[test]
fn an_interrupted_soak_leaves_nothing() {
    interrupt_measure(&["soak", "--minutes", "1", "--server", "std,smol-zero-copy"]);
}
