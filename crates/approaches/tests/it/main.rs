//! Tests of all siblings, and tests of the workspace's layout. Every sibling in the table must pass
//! the same tests:
//!
//! - `in_process` tests what the server does. The server runs in this process.
//! - `process` tests the server as a program: signals, exit codes, output and descriptors.
//!
//! `cargo test -p approaches -- tokio` runs the tests of one sibling, and `-- half_close` runs one
//! test for all siblings.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod in_process;
mod layout;
#[cfg(unix)]
mod process;
mod running;

use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;
use std::{panic, thread};

use libtest_mimic::{Arguments, Failed, Trial};
use serve_core::Approach;

/// The maximum time of one test. No test takes this long, even on a slow machine.
const TEST_DEADLINE: Duration = Duration::from_secs(90);

/// A test that every sibling must pass.
type Check = fn(Sibling);

/// A sibling, and the mode in which it sends the file.
#[derive(Clone, Copy)]
struct Sibling {
    approach: &'static Approach,
    mode: SendMode,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SendMode {
    Copy,
    /// Copy mode without direct reads from the page cache, as on systems other than Linux: only
    /// threads that may block read the file.
    CopyByPool,
    ZeroCopy,
}

impl Sibling {
    /// Returns all siblings in all modes that the operating system supports.
    fn all() -> impl Iterator<Item = Self> {
        let modes: &[SendMode] = match cfg!(target_os = "linux") {
            true => &[SendMode::Copy, SendMode::CopyByPool, SendMode::ZeroCopy],
            false => &[SendMode::Copy],
        };
        let siblings = approaches::ALL.iter().copied();
        siblings.flat_map(|approach| modes.iter().map(move |&mode| Self { approach, mode }))
    }

    fn name(self) -> String {
        let suffix = match self.mode {
            SendMode::Copy => "",
            SendMode::CopyByPool => "-by-pool",
            SendMode::ZeroCopy => "-zero-copy",
        };
        format!("{}{suffix}", self.approach.name)
    }
}

fn main() -> ExitCode {
    if let Some(exit_code) = approaches::main_of_server() {
        return exit_code;
    }
    let mut trials = layout::trials();
    for sibling in Sibling::all() {
        for &(name, check) in in_process::FILE_CHECKS {
            trials.push(trial(sibling, name, check));
        }
        if sibling.mode == SendMode::CopyByPool {
            continue;
        }
        for &(name, check) in in_process::CHECKS {
            trials.push(trial(sibling, name, check));
        }
        #[cfg(unix)]
        for &(name, check) in process::CHECKS {
            trials.push(trial(sibling, name, check));
        }
    }
    let mut arguments = Arguments::from_args();
    // The tests spend most of their time waiting.
    arguments.test_threads = arguments.test_threads.or(Some(12));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(sibling: Sibling, name: &str, check: Check) -> Trial {
    Trial::test(format!("{}::{name}", sibling.name()), move || {
        let (sender, receiver) = mpsc::channel();
        let worker = thread::spawn(move || {
            check(sibling);
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
