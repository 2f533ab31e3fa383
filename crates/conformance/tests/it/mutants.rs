//! Tests of the checks themselves: each mutant fails the checks that must detect its bug, with the
//! expected message, and the correct server passes all checks.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use conformance::{Check, Target, Verdict};
use libtest_mimic::{Failed, Trial};

use crate::checks;

/// Each mutant, a check that must fail for it, and a part of the expected message.
const EXPECTED_FAILURES: &[(&str, &str, &str)] = &[
    ("small-backlog", "backlog", "no room for one more"),
    ("accept-then-wait", "preamble", "no byte within 2 s"),
    ("accept-then-wait", "silent-client", "nothing of 300010 bytes"),
    ("waits-a-little", "at-once", "the quickest of five silent clients waited"),
    ("file-read-once", "opened-anew", "byte 10 differs"),
    ("wrong-newline", "preamble", "byte 8 differs: \"\\r\\n\" instead of \"\\n\\n\""),
    ("http-without-length", "preamble-http", "no \"content-length: 70000\""),
    ("wrong-length", "preamble-http", "no \"content-length: 70000\""),
    ("whole-file-in-memory", "memory", "while four clients took nothing"),
    ("whole-writes-instead-of-chunk", "one-byte-chunks", "a chunk event tells 5000 bytes"),
    ("loses-last-partial-chunk", "size-around-chunk", "with 4095 bytes: only 10 of 4105 bytes"),
    ("loses-last-partial-chunk", "size-1", "only 10 of 11 bytes"),
    ("pads", "shrunk-file", "filled up or read ahead"),
    ("follows-growth", "grown-file", "9388608 bytes of the file instead of 8388608"),
    ("never-reads", "upload-first", "nobody reads them"),
    ("floods-log", "events-flood", "data events in"),
    ("spins-after-fin", "idle-while-waiting", "ms of processor time"),
    ("half-close-as-goodbye", "half-close", "then the server's FIN"),
    ("close-without-drain", "late-words", "a reset answered word 1"),
    ("write-and-close", "unread-request", "then a reset"),
    ("no-fin", "fin-in-time", "after the last byte, nothing"),
    ("no-fin", "silent-client", "instead of a FIN"),
    ("never-lets-go", "idle-let-go", "still open"),
    ("never-lets-go", "flooder-let-go", "the connection of a flooder is still open"),
    ("dies-on-reset", "resets", "the server's process ended"),
    ("leaks-descriptors", "descriptors-return", "descriptors instead of"),
    ("no-stall-timeout", "stalled-cut-off", "a flooder that reads nothing is still there"),
    ("cuts-slow-readers", "slow-not-cut-off", "then a reset"),
    ("missing-file-kills", "missing-file", "the server's process ended"),
    ("missing-file-kills", "folder-instead", "the server's process ended"),
    ("missing-file-hangs", "missing-file", "nothing within"),
    ("sequential", "reverse-order", "client 10 of 10: nothing of"),
    ("pool-of-threads", "many-stalled", "of 200 has no byte after 5 s"),
    ("blocking-on-executor", "stalled-neighbour", "client 2 of 8 has no byte"),
    ("question-mark-in-accept", "few-descriptors", "could not connect"),
    ("busy-accept", "few-descriptors", "ms of processor time"),
    ("ignores-cap", "cap", "one more was served"),
    ("drops-at-cap", "cap", "nothing of"),
    ("ignores-sigterm", "sigterm", "it still runs"),
    ("ignores-sigterm", "sigint", "it still runs"),
    ("ignores-second-signal", "second-signal", "it still runs"),
    ("serves-in-grace", "sigterm-finish", "a client that came after SIGTERM was served"),
    ("cuts-at-shutdown", "sigterm-finish", "then the server's FIN"),
    ("disconnected-twice", "events", "disconnected after disconnected"),
    ("file-ended-too-early", "events", "file_ended is told for a file that was cut short"),
    ("waits-for-log", "unread-stdout", "within 5 s"),
    ("dies-on-closed-stdout", "closed-stdout", "ended"),
    ("request-chooses-file", "nothing-else", "secret"),
    ("unescaped-log", "events-escaped", "a line of the log is the client's"),
    ("remembers-everything", "memory-of-upload", "while a client sent 128 MiB"),
];

/// Returns the trials of the light checks and those of the heavy checks.
pub fn trials() -> (Vec<Trial>, Vec<Trial>) {
    // Other systems do not provide enough information about processes to detect all mutants.
    if !cfg!(target_os = "linux") {
        return (Vec::new(), Vec::new());
    }
    let mut light = vec![Trial::test("mutants::a_check_detects_every_mutant", || {
        a_check_detects_every_mutant();
        Ok(())
    })];
    let mut heavy = Vec::new();
    for &(mutant, id, message) in EXPECTED_FAILURES {
        let check = checks().find(|check| check.id == id).expect("a check has this id");
        let name = format!("mutants::{mutant}::{id}");
        let trial = Trial::test(name, move || assert_fails(mutant, check, message));
        if check.is_heavy { &mut heavy } else { &mut light }.push(trial);
    }
    for check in checks() {
        let trial = Trial::test(format!("mutants::correct::{}", check.id), || assert_passes(check));
        if check.is_heavy { &mut heavy } else { &mut light }.push(trial);
    }
    (light, heavy)
}

/// A target that starts a mutant, or the correct server.
fn target(mutant: Option<&str>) -> Target {
    let mut words = vec![env!("CARGO_BIN_EXE_mutants").to_owned()];
    words.extend(mutant.into_iter().flat_map(|name| ["--bug".to_owned(), name.to_owned()]));
    let places = "{file} {port} --chunk {chunk} --preamble {preamble} --stall-timeout {stall}s \
                  --max-connections {cap} --linger-timeout 2s --grace 2s --log-chunks";
    words.extend(places.split_whitespace().map(str::to_owned));
    let mut target = Target::of_command(&words).expect("the command has its places");
    target.linger = Duration::from_secs(2);
    target.grace = Duration::from_secs(2);
    target
}

fn assert_fails(mutant: &str, check: &'static Check, message: &str) -> Result<(), Failed> {
    match conformance::run_one(&target(Some(mutant)), check) {
        Verdict::Fail(actual) if actual.contains(message) => Ok(()),
        verdict => Err(format!("expected a failure with `{message}`, got {verdict:?}").into()),
    }
}

fn assert_passes(check: &'static Check) -> Result<(), Failed> {
    match conformance::run_one(&target(None), check) {
        Verdict::Pass => Ok(()),
        verdict => Err(format!("expected the correct server to pass, got {verdict:?}").into()),
    }
}

fn a_check_detects_every_mutant() {
    let output = Command::new(env!("CARGO_BIN_EXE_mutants")).arg("--list").output();
    let list = String::from_utf8(output.expect("the program starts").stdout).expect("UTF-8");
    let mutants: BTreeSet<&str> = list.lines().filter_map(|line| line.split(' ').next()).collect();
    let detected: BTreeSet<&str> = EXPECTED_FAILURES.iter().map(|&(name, _, _)| name).collect();
    assert_eq!(mutants, detected);
}
