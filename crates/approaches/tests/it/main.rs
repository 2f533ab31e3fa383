//! Tests of all siblings, and tests of the workspace's layout. Every sibling in the table must pass
//! the same tests.
//!
//! - `sending`, `draining`, `failures`, `fairness` and `accepting` test the behavior of a server
//!   that runs in this process.
//! - `program`, `signals`, `descriptors`, `threads`, `disk`, `linux`, `memory` and `full_disk` run the
//!   server as a separate process. These modules test the server's signals, exit codes, output and use of system
//!   resources.
//!
//! `cargo test -p approaches -- tokio` runs the tests of one sibling, and `-- half_close` runs one
//! test for all siblings.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accepting;
mod client;
#[cfg(unix)]
mod descriptors;
#[cfg(target_os = "linux")]
mod disk;
mod draining;
mod failures;
mod fairness;
#[cfg(target_os = "linux")]
mod full_disk;
mod layout;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod memory;
mod modules;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod program;
mod running;
mod sending;
mod sibling;
#[cfg(unix)]
mod signals;
#[cfg(target_os = "linux")]
mod threads;

use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;
use std::{panic, thread};

use libtest_mimic::{Arguments, Failed, Trial};

use sibling::{SendMode, Sibling, Test};

/// The maximum time that one test may take. Even on a slow machine, every test takes less time.
const TEST_DEADLINE: Duration = Duration::from_secs(90);

/// The tests whose results depend on how the server reads the file.
const FILE_TESTS: [&[(&str, Test)]; 5] = [
    sending::FILE_TESTS,
    draining::FILE_TESTS,
    failures::FILE_TESTS,
    fairness::FILE_TESTS,
    accepting::FILE_TESTS,
];

/// The other tests.
const TESTS: &[&[(&str, Test)]] = &[
    sending::TESTS,
    draining::TESTS,
    failures::TESTS,
    accepting::TESTS,
    #[cfg(unix)]
    program::TESTS,
    #[cfg(unix)]
    descriptors::TESTS,
    #[cfg(unix)]
    signals::TESTS,
    #[cfg(target_os = "linux")]
    disk::TESTS,
    #[cfg(target_os = "linux")]
    linux::TESTS,
    #[cfg(target_os = "linux")]
    full_disk::TESTS,
    #[cfg(target_os = "linux")]
    threads::TESTS,
    #[cfg(target_os = "linux")]
    memory::TESTS,
];

/// The tests that run only with `--ignored`, because they need much memory or time.
const IGNORED_TESTS: &[&[(&str, Test)]] = &[
    #[cfg(target_os = "linux")]
    memory::IGNORED_TESTS,
];

fn main() -> ExitCode {
    #[cfg(unix)]
    signals::hang_if_requested();
    if let Some(exit_code) = approaches::main_of_server() {
        return exit_code;
    }
    let mut trials = layout::trials();
    for sibling in Sibling::all() {
        for &(name, test) in FILE_TESTS.into_iter().flatten() {
            trials.push(trial(sibling, name, test));
        }
        if sibling.mode == SendMode::CopyByPool {
            continue;
        }
        for &(name, test) in TESTS.iter().copied().flatten() {
            trials.push(trial(sibling, name, test));
        }
        for &(name, test) in IGNORED_TESTS.iter().copied().flatten() {
            trials.push(trial(sibling, name, test).with_ignored_flag(true));
        }
    }
    let mut arguments = Arguments::from_args();
    // The tests mostly wait, so run more tests at the same time than there are cores.
    arguments.test_threads = arguments.test_threads.or(Some(12));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(sibling: Sibling, name: &str, test: Test) -> Trial {
    Trial::test(format!("{}::{name}", sibling.name()), move || {
        let (sender, receiver) = mpsc::channel();
        let worker = thread::spawn(move || {
            test(sibling);
            let _ = sender.send(());
        });
        if receiver.recv_timeout(TEST_DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout) {
            return Err(Failed::from(format!("expected the test to end within {TEST_DEADLINE:?}")));
        }
        worker.join().map_err(|payload| match payload.downcast_ref::<String>() {
            Some(message) => Failed::from(message),
            None => panic::resume_unwind(payload),
        })
    })
}
