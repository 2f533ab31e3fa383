//! Tests of the checks themselves. Each mutant fails the checks that must detect the mutant's bug,
//! and each failure has the expected message. The correct server passes all checks.

use std::collections::BTreeSet;
use std::process::Command;

use conformance::{Check, Target, Verdict};
use libtest_mimic::{Failed, Trial};

use crate::{checks, trial_of};

/// Each entry contains the name of a mutant, a check that the mutant must fail, and part of the
/// expected message.
const EXPECTED_FAILURES: &[(&str, &str, &str)] = &[
    ("small-backlog", "backlog", "expected 1000 clients in the accept queue, got"),
    ("waits-for-request", "preamble", "expected the first byte within 2 s, got a timeout"),
    ("waits-for-request", "silent-client", "expected 300010 bytes, got none"),
    ("waits-briefly", "at-once", "expected the first byte of the fastest of five clients"),
    ("file-read-once", "replaced-file", "the byte at offset 10 differs"),
    ("caches-by-length", "replaced-file", "after a file of the same length: the byte at offset 10"),
    ("keeps-first-length", "replaced-file", "after a longer file: expected 150010 bytes, got 1010"),
    (
        "wrong-newline",
        "preamble",
        "the byte at offset 8 differs: expected \"\\n\\n\", got \"\\r\\n\"",
    ),
    ("http-without-length", "preamble-http", "\"content-length: 70000\", got no such field"),
    ("wrong-length", "preamble-http", "\"content-length: 70000\", got \"content-length: 70001\""),
    ("http-two-lengths", "preamble-http", "expected one content-length line, got 2"),
    (
        "http-chunked",
        "preamble-http",
        "no transfer-encoding line, got \"transfer-encoding: chunked\"",
    ),
    ("http404-with-body", "missing-file-http", "after the header: expected 0 bytes, got 9"),
    ("whole-file-in-memory", "memory", "while four clients read nothing"),
    ("whole-file-as-one-chunk", "one-byte-chunks", "of 1 byte, got one of 2000 bytes"),
    ("whole-file-as-one-chunk", "chunk-size", "reads of at most 1000 bytes, got"),
    ("rounds-chunk-up", "chunk-size", "reads of at most 1000 bytes, got"),
    ("loses-last-partial-chunk", "size-around-chunk", "4095 bytes: expected 4105 bytes, got 10"),
    ("loses-last-partial-chunk", "size-1", "expected 11 bytes, got 10, all correct"),
    ("pads-shrunk-file", "shrunk-file", "of the shortened file, got 8388608"),
    ("follows-growth", "grown-file", "expected 8388608 bytes of the file, got 9388608"),
    ("never-reads", "upload-first", "the server read nothing for 5 s"),
    ("never-reads", "half-close", "expected to send 4000000 bytes, sent"),
    ("floods-log", "events-flood", "data events in"),
    ("spins-after-fin", "idle-while-waiting", "ms of CPU time"),
    ("half-close-as-disconnect", "half-close", "then the server's FIN"),
    ("half-close-after-data-as-disconnect", "half-close", "a client that sends data and a FIN "),
    (
        "late-half-close-as-disconnect",
        "half-close",
        "a client that sends data and a FIN after a pause: expected 2097162 bytes",
    ),
    ("close-without-drain", "data-after-fin", "expected no reset after message 1"),
    ("write-and-close", "unread-request", "then a reset"),
    ("no-fin", "fin-in-time", "after the last byte, got a timeout"),
    ("no-fin", "silent-client", "expected a FIN after the last byte"),
    ("no-linger-timeout", "idle-disconnect", "got an open connection"),
    ("no-linger-timeout", "flood-disconnect", "got an open connection"),
    ("lingers-from-file-end", "late-reader", "then a reset"),
    ("leaks-at-linger-timeout", "idle-disconnect", "after clients that do not close their sockets"),
    ("fixed-timeouts", "idle-disconnect", "linger timeout 7 s: expected no reset before"),
    ("fixed-timeouts", "flood-disconnect", "linger timeout 7 s: expected no reset before"),
    ("fixed-timeouts", "stalled-reset", "stall timeout 7 s: expected no reset before"),
    ("fixed-timeouts", "sigterm-finish", "all correct; then the server's FIN"),
    ("fixed-timeouts", "sigterm-disconnect", "until the end of the grace period, got exit code 0"),
    ("exits-on-reset", "resets", "the server's process ended"),
    ("leaks-descriptors", "descriptors-closed", "open file descriptors after 150 clients, got"),
    ("leaks-after-half-close", "descriptors-closed", "after 12 clients that half-closed, got"),
    (
        "leaks-if-file-is-missing",
        "descriptors-closed",
        "12 clients while the file was missing, got",
    ),
    ("no-stall-timeout", "stalled-reset", "s while sending, got an open connection"),
    ("resets-slow-readers", "slow-not-reset", "then a reset"),
    ("exits-on-missing-file", "missing-file", "the server's process ended"),
    ("exits-on-missing-file", "folder-instead", "the server's process ended"),
    ("hangs-on-missing-file", "missing-file", "expected 10 bytes, got none; then a timeout"),
    ("sequential", "reverse-order", "client 10 of 10: expected 2097162 bytes, got none"),
    ("pool-of-threads", "many-stalled", "of 200: expected the first byte within 5 s"),
    ("blocking-on-executor", "few-stalled", " of 8: expected the first byte within"),
    ("accept-error-ends-loop", "few-descriptors", "could not connect"),
    ("busy-accept", "few-descriptors", "ms of CPU time"),
    ("accept-error-ends-loop", "accept-error", "could not connect"),
    ("busy-accept", "accept-error", "ms of CPU time"),
    ("long-accept-pause", "few-descriptors", "that waited in the accept queue, got none"),
    ("polls-every-millisecond", "idle-while-waiting", "without clients: expected less than"),
    ("spins-without-clients", "idle-while-waiting", "without clients: expected less than 100 ms"),
    ("spins-in-drain", "idle-while-waiting", "with clients that wait: expected less than 100 ms"),
    ("fixed-limit", "connection-limit", "limit 2: expected no reply to a further client"),
    ("ignores-limit", "connection-limit", "expected no reply to a further client"),
    ("drops-at-limit", "connection-limit", "got none"),
    ("ignores-sigterm", "sigterm", "it still runs"),
    ("ignores-sigterm", "sigint", "it still runs"),
    ("ignores-second-signal", "second-signal", "it still runs"),
    ("no-signal-handlers", "second-signal", "until the second signal, got signal 15 (SIGTERM)"),
    (
        "counts-signals-separately",
        "second-signal",
        "SIGINT and SIGTERM: expected the process to end",
    ),
    ("waits-whole-grace-period", "sigterm", "it still runs"),
    (
        "stops-draining-at-shutdown",
        "sigterm-finish",
        "drain a connection after SIGTERM, got a reset",
    ),
    ("exits-after-first-client", "sigterm-finish", "bytes, got"),
    ("accepts-in-grace", "sigterm-finish", "connected after SIGTERM, got"),
    ("disconnects-at-shutdown", "sigterm-finish", "then the server's FIN"),
    ("disconnected-twice", "events", "expected no event after disconnected"),
    ("file-ended-too-early", "events", "expected 3 file_ended events for 3 whole files, got 5"),
    ("waits-for-log", "unread-stdout", "then a timeout after"),
    ("exits-on-closed-stdout", "closed-stdout", "ended"),
    ("request-chooses-file", "request-ignored", "secret"),
    ("unescaped-log", "events-escaped", "expected no unescaped data from the client"),
    ("stores-everything", "memory-of-upload", "while a client sent 128 MiB, got"),
    ("stores-first-mib", "memory-of-upload", "while 100 clients sent 1 MiB each, got"),
    ("stores-after-reply", "memory-of-upload", "while a client sent 128 MiB after the reply, got"),
];

pub fn trials() -> Vec<Trial> {
    // Other systems do not provide enough data about processes to detect all mutants.
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    let mut trials = vec![Trial::test("mutants::every_mutant_is_detected_by_a_check", || {
        every_mutant_is_detected_by_a_check();
        Ok(())
    })];
    trials.extend(EXPECTED_FAILURES.iter().map(|&(mutant, id, message)| {
        let check = check_named(id);
        let name = format!("mutants::{mutant}::{id}");
        trial_of(check, name, move || assert_fails(mutant, check, message))
    }));
    let check = check_named("events-escaped");
    let name = "mutants::an_unread_log_line_is_not_a_failure".to_owned();
    trials.push(trial_of(check, name, move || {
        match conformance::run_one(&target(Some("write-and-close")), check) {
            Verdict::Skipped(_) => Ok(()),
            verdict => Err(format!("expected a skipped check, got {verdict:?}").into()),
        }
    }));
    trials.extend(checks().map(|check| {
        trial_of(check, format!("mutants::correct::{}", check.id), move || assert_passes(check))
    }));
    trials
}

fn check_named(id: &str) -> &'static Check {
    checks().find(|check| check.id == id).expect("a check has this id")
}

/// Returns a target that starts a mutant, or the correct server if `mutant` is `None`.
fn target(mutant: Option<&str>) -> Target {
    let mut words = vec![env!("CARGO_BIN_EXE_mutants").to_owned()];
    words.extend(mutant.into_iter().flat_map(|name| ["--bug".to_owned(), name.to_owned()]));
    let arguments = "{file} {port} --chunk {chunk} --preamble {preamble} --stall-timeout {stall}s \
                  --max-connections {limit} --linger-timeout {linger}s --grace {grace}s --log-chunks";
    words.extend(arguments.split_whitespace().map(str::to_owned));
    Target::of_command(&words).expect("the command has all placeholders")
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

fn every_mutant_is_detected_by_a_check() {
    let output = Command::new(env!("CARGO_BIN_EXE_mutants")).arg("--list").output();
    let list = String::from_utf8(output.expect("the program starts").stdout)
        .expect("the list is valid UTF-8");
    let mutants: BTreeSet<&str> = list.lines().filter_map(|line| line.split(' ').next()).collect();
    let detected: BTreeSet<&str> = EXPECTED_FAILURES.iter().map(|&(name, _, _)| name).collect();
    assert_eq!(mutants, detected);
}
