//! Tests of all siblings, and tests of the workspace's layout. Every sibling in the table must pass
//! the same tests.
//!
//! - `sending`, `draining`, `failures`, `fairness` and `accepting` test the behavior of a server
//!   that runs in this process.
//! - `partial_writes` and `cancellation` also test a server that runs in the process of the test.
//!   Each of these tests runs in a separate process, because it changes or observes the whole
//!   process.
//! - `program`, `signals`, `descriptors`, `threads`, `disk`, `linux`, `memory` and `full_disk` run the
//!   server as a separate process. These modules test the server's signals, exit codes, output and
//!   use of system resources.
//!
//! `cargo test -p approaches -- tokio` runs the tests of one sibling, and `-- half_close` runs one
//! test for all siblings.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accepting;
#[cfg(target_os = "linux")]
mod cancellation;
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
#[cfg(target_os = "linux")]
mod partial_writes;
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

use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, panic, thread};

use libtest_mimic::{Arguments, Failed, Trial};

use sibling::{SendMode, Sibling, Test};

/// The maximum time that one test may take. Even on a slow machine, every test takes less time.
const TEST_DEADLINE: Duration = Duration::from_secs(90);

/// The environment variable of a process that runs one of [`ISOLATED_TESTS`].
const ISOLATED: &str = "HIGHWATER_TEST_ISOLATED";

/// The tests that run in separate processes. Their results depend on how the server reads the file.
const ISOLATED_TESTS: &[&[(&str, Test)]] = &[
    #[cfg(target_os = "linux")]
    partial_writes::TESTS,
    #[cfg(target_os = "linux")]
    cancellation::TESTS,
];

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
    let (mut isolated, mut trials) = (Vec::new(), layout::trials());
    for sibling in Sibling::all() {
        for &(name, test) in ISOLATED_TESTS.iter().copied().flatten() {
            isolated.push(isolated_trial(sibling, name, test));
        }
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
    let arguments = Arguments::from_args();
    let run = |trials, threads| {
        let test_threads = arguments.test_threads.or(Some(threads));
        libtest_mimic::run(&Arguments { test_threads, ..arguments.clone() }, trials)
    };
    // The tests mostly wait, so run more tests at the same time than there are cores. The isolated
    // tests use small receive buffers. If the machine is busy, the kernel drops segments that do not
    // fit, and sends them again after a delay. Therefore, run fewer of these tests.
    let isolated = run(isolated, 4);
    if env::var_os(ISOLATED).is_some() {
        return isolated.exit_code();
    }
    let others = run(trials, 24);
    if isolated.has_failed() { isolated.exit_code() } else { others.exit_code() }
}

/// Returns a trial that runs a test in a separate process. In that process, returns the test itself.
fn isolated_trial(sibling: Sibling, name: &str, test: Test) -> Trial {
    if env::var_os(ISOLATED).is_some() {
        return trial(sibling, name, test);
    }
    let name = format!("{}::{name}", sibling.name());
    Trial::test(name.clone(), move || {
        let mut command = Command::new(env::current_exe()?);
        command.args(["--exact", &name, "--test-threads", "1"]).env(ISOLATED, "1");
        let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output()?;
        let output = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        match status.success() && output.contains("1 passed") {
            true => Ok(()),
            false => Err(output.into()),
        }
    })
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
