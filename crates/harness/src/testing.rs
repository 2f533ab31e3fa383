//! Helpers for the tests of the programs that use this crate.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::group::POLL_INTERVAL;
use crate::processes;
use crate::{Group, Signal, TempFolder};

/// The environment variable that identifies all processes of an interrupted program.
const VARIABLE: &str = "HIGHWATER_INTERRUPTED";

/// The number of interrupts with each signal.
const INTERRUPTS: u32 = 10;

/// The number of programs that run at the same time.
const THREADS: u32 = 4;

/// The maximum time until a program ends after a signal.
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// The maximum time from the end of the program until all killed processes have disappeared.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Starts a program 20 times and interrupts it at a random moment within `span`: ten times with
/// `SIGINT`, and ten times with `SIGTERM`. Checks that no process and no temporary file of the
/// program remains. The program must run for longer than `span`.
///
/// # Panics
///
/// Panics if a process or a file remains. The message states when the program was interrupted.
pub fn interrupt(span: Duration, command: impl Fn() -> Command + Sync) {
    thread::scope(|scope| {
        for index in 0..THREADS {
            let command = &command;
            scope.spawn(move || {
                for run in (index..2 * INTERRUPTS).step_by(THREADS as usize) {
                    let signal = [Signal::Interrupt, Signal::Terminate][run as usize % 2];
                    interrupt_once(&mut command(), signal, random_moment(span));
                }
            });
        }
    });
}

/// Runs a program to its end and returns its exit status. Checks that no process and no temporary
/// file of the program remains.
///
/// # Panics
///
/// Panics if a process or a file remains, or if the program does not end.
pub fn run_to_end(command: &mut Command) -> ExitStatus {
    leaves_nothing(command, "after the end of the program", |program| {
        program.wait(END_TIMEOUT).expect("the program ends in time")
    })
}

fn interrupt_once(command: &mut Command, signal: Signal, moment: Duration) {
    leaves_nothing(command, &format!("{signal:?} after {moment:?}"), |program| {
        assert_eq!(program.wait(moment), None, "expected a running program after {moment:?}");
        wait_while_ignored(program, signal);
        program.signal(signal);
        let status = program.wait(END_TIMEOUT);
        assert!(
            status.is_some(),
            "{signal:?} after {moment:?}: the program did not end within {END_TIMEOUT:?}"
        );
    });
}

/// Waits while a program ignores a signal. A shell without job control makes its background jobs
/// ignore `SIGINT`, and their children inherit this setting until they install a handler.
fn wait_while_ignored(program: &Group, signal: Signal) {
    let deadline = Instant::now() + END_TIMEOUT;
    while processes::ignores(program.id(), signal) && Instant::now() < deadline {
        thread::sleep(POLL_INTERVAL);
    }
}

/// Starts a program, and waits with `end` until the program has ended. Checks that no process and no
/// temporary file of the program remains. `context` is the beginning of the error messages.
fn leaves_nothing<T>(command: &mut Command, context: &str, end: impl FnOnce(&mut Group) -> T) -> T {
    let temporary = TempFolder::new().expect("the test can create a temporary folder");
    let value = temporary.path().display().to_string();
    command.env("TMPDIR", temporary.path()).env(VARIABLE, &value);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut program = Group::spawn(command).expect("the test can start the program");
    let result = end(&mut program);
    let marker = format!("{VARIABLE}={value}");
    let deadline = Instant::now() + EXIT_TIMEOUT;
    let running = || {
        let mut all = processes::all();
        all.retain(|it| !it.is_zombie && processes::has_variable(it.pid, &marker));
        all
    };
    while !running().is_empty() && Instant::now() < deadline {
        thread::sleep(POLL_INTERVAL);
    }
    assert!(running().is_empty(), "{context}: expected no process, got {:?}", running());
    let files = fs::read_dir(temporary.path()).expect("the test can read the folder");
    let files: Vec<_> = files.flatten().map(|entry| entry.file_name()).collect();
    assert!(files.is_empty(), "{context}: expected no files, got {files:?}");
    result
}

/// Returns a random duration of at most `span`.
fn random_moment(span: Duration) -> Duration {
    // Use a hasher as the source of randomness, because the hashers of std have random keys.
    let random = RandomState::new().hash_one(()) as f64 / u64::MAX as f64;
    span.mul_f64(random)
}
