//! The proof that a check can fail: each bug of the zoo is rejected by the checks that are meant to
//! reject it, with the words that are meant; and the zoo's right server holds all.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use conformance::{Check, Target, Verdict};
use libtest_mimic::{Failed, Trial};

use crate::checks;

/// Which check rejects which bug, and a part of what it says.
const REJECTED: &[(&str, &str, &str)] = &[
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

/// Trials by light checks, and by heavy ones.
pub fn trials() -> (Vec<Trial>, Vec<Trial>) {
    // Elsewhere too little can be asked to tell right from wrong.
    if !cfg!(target_os = "linux") {
        return (Vec::new(), Vec::new());
    }
    let mut light = vec![Trial::test("zoo::every_bug_is_rejected_by_a_check", || {
        every_bug_is_rejected_by_a_check();
        Ok(())
    })];
    let mut heavy = Vec::new();
    for &(bug, id, words) in REJECTED {
        let check = checks().find(|check| check.id == id).expect("a check has this id");
        let name = format!("zoo::{bug}::{id}");
        let trial = Trial::test(name, move || assert_rejected(bug, check, words));
        if check.is_heavy { &mut heavy } else { &mut light }.push(trial);
    }
    for check in checks() {
        let trial = Trial::test(format!("zoo::right::{}", check.id), || assert_held(check));
        if check.is_heavy { &mut heavy } else { &mut light }.push(trial);
    }
    (light, heavy)
}

/// The zoo's server, right or with a bug.
fn target(bug: Option<&str>) -> Target {
    let mut words = vec![env!("CARGO_BIN_EXE_zoo").to_owned()];
    words.extend(bug.into_iter().flat_map(|bug| ["--bug".to_owned(), bug.to_owned()]));
    let places = "{file} {port} --chunk {chunk} --preamble {preamble} --stall-timeout {stall}s \
                  --max-connections {cap} --linger-timeout 2s --grace 2s --log-chunks";
    words.extend(places.split_whitespace().map(str::to_owned));
    let mut target = Target::of_command(&words).expect("the command has its places");
    target.linger = Duration::from_secs(2);
    target.grace = Duration::from_secs(2);
    target
}

fn assert_rejected(bug: &str, check: &'static Check, words: &str) -> Result<(), Failed> {
    match conformance::run_one(&target(Some(bug)), check) {
        Verdict::Fell(came) if came.contains(words) => Ok(()),
        verdict => Err(format!("\"{words}\" was meant, but it says {verdict:?}").into()),
    }
}

fn assert_held(check: &'static Check) -> Result<(), Failed> {
    match conformance::run_one(&target(None), check) {
        Verdict::Held => Ok(()),
        verdict => Err(format!("the right server: {verdict:?}").into()),
    }
}

fn every_bug_is_rejected_by_a_check() {
    let list = Command::new(env!("CARGO_BIN_EXE_zoo")).arg("--list").output().expect("it starts");
    let list = String::from_utf8(list.stdout).expect("it is text");
    let bugs: BTreeSet<&str> = list.lines().filter_map(|line| line.split(' ').next()).collect();
    let rejected: BTreeSet<&str> = REJECTED.iter().map(|&(bug, _, _)| bug).collect();
    assert_eq!(bugs, rejected);
}
