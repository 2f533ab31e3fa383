//! The same tests for every sibling, through the table: in this process where what the server does
//! is the point, as a process of its own where the process is. And the layout of the workspace.
//!
//! `cargo test -p approaches -- tokio` runs those of one sibling, `-- half_close` one for all.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

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

/// Longer than any test takes, on the slowest machine.
const TEST_DEADLINE: Duration = Duration::from_secs(90);

/// A test that every sibling has to pass.
type Check = fn(Sibling);

/// A sibling in one of its ways to send.
#[derive(Clone, Copy)]
struct Sibling {
    approach: &'static Approach,
    sends: Sends,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sends {
    Copied,
    /// As elsewhere than on Linux: no file is ever read but by threads that may block.
    ByPool,
    ZeroCopy,
}

impl Sibling {
    /// All that this system allows.
    fn all() -> impl Iterator<Item = Self> {
        let ways: &[Sends] = match cfg!(target_os = "linux") {
            true => &[Sends::Copied, Sends::ByPool, Sends::ZeroCopy],
            false => &[Sends::Copied],
        };
        let siblings = approaches::ALL.iter().copied();
        siblings.flat_map(|approach| ways.iter().map(move |&sends| Self { approach, sends }))
    }

    fn name(self) -> String {
        let way = match self.sends {
            Sends::Copied => "",
            Sends::ByPool => "-by-pool",
            Sends::ZeroCopy => "-zero-copy",
        };
        format!("{}{way}", self.approach.name)
    }
}

fn main() -> ExitCode {
    if let Some(ended) = approaches::main_of_server() {
        return ended;
    }
    let mut trials = layout::trials();
    for sibling in Sibling::all() {
        for &(name, check) in in_process::OF_FILES {
            trials.push(trial(sibling, name, check));
        }
        if sibling.sends == Sends::ByPool {
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
    // Most of what the tests do is to wait.
    arguments.test_threads = arguments.test_threads.or(Some(12));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(sibling: Sibling, name: &str, check: Check) -> Trial {
    Trial::test(format!("{}::{name}", sibling.name()), move || {
        let (done, ended) = mpsc::channel();
        let worker = thread::spawn(move || {
            check(sibling);
            let _ = done.send(());
        });
        if ended.recv_timeout(TEST_DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout) {
            return Err(Failed::from(format!("no end within {TEST_DEADLINE:?}")));
        }
        worker.join().map_err(|payload| match payload.downcast_ref::<String>() {
            Some(message) => Failed::from(message),
            None => panic::resume_unwind(payload),
        })
    })
}
