//! Tests that an interrupt of `check` at any moment leaves neither a process nor a temporary
//! folder.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::time::Duration;

use harness::testing::interrupt;

use crate::sample::{Sample, server};

pub const TESTS: &[(&str, fn())] = &[
    ("an_interrupt_of_the_build_leaves_nothing", an_interrupt_of_the_build_leaves_nothing),
    ("an_interrupt_of_the_checks_leaves_nothing", an_interrupt_of_the_checks_leaves_nothing),
    ("an_interrupt_of_watch_leaves_nothing", an_interrupt_of_watch_leaves_nothing),
];

/// The interrupts occur within this time after the start.
const SPAN: Duration = Duration::from_secs(1);

/// The learner's code for a server that sends nothing, so that the checks take longer than `SPAN`.
const NO_REPLY: &str = "std::thread::sleep(std::time::Duration::MAX);";

/// A compiler that creates a temporary folder. Like a killed compiler, it does not remove the
/// folder.
const COMPILER: &str = "#!/bin/sh\nmktemp -d >/dev/null\nexec \"$@\"\n";

fn an_interrupt_of_the_build_leaves_nothing() {
    let samples = Mutex::new(Vec::new());
    interrupt(SPAN, || {
        let sample = Sample::new();
        sample.learner_writes(&server(NO_REPLY));
        sample.write("compiler", COMPILER);
        let compiler = sample.path("../../compiler");
        fs::set_permissions(&compiler, Permissions::from_mode(0o755)).unwrap();
        let mut command = sample.command(&["check", "1"]);
        command.env("RUSTC_WRAPPER", compiler);
        samples.lock().unwrap().push(sample);
        command
    });
}

fn an_interrupt_of_the_checks_leaves_nothing() {
    let sample = Sample::new();
    sample.learner_writes(&server(NO_REPLY));
    sample.run(&["check", "1"]);
    interrupt(SPAN, || sample.command(&["check", "1"]));
}

fn an_interrupt_of_watch_leaves_nothing() {
    let sample = Sample::new();
    sample.learner_writes(&server(NO_REPLY));
    sample.run(&["check", "1"]);
    interrupt(SPAN, || sample.command(&["watch", "1"]));
}
