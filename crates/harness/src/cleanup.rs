//! Cleans up if this program ends, panics or is interrupted: kills all processes that the program
//! started and removes the program's temporary folders.

use std::io;
use std::process::{self, Child, Command};
use std::thread;
use std::time::Duration;

use crate::group::kill_all;
use crate::processes;
use crate::registry;

/// The maximum time to wait until killed processes have disappeared. After this time, the folders
/// are removed.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);

/// The exit code of a program whose main thread panicked. Rust uses the same exit code.
const PANIC_EXIT_CODE: i32 = 101;

/// Cleans up when it is dropped. The main thread keeps this value until the program ends.
///
/// When the main thread ends, Rust does not drop the values of the other threads. If the main thread
/// panics, dropping this value calls [`end`]. Otherwise, it kills the processes that [`Group`]s of
/// this program started and that still run, and removes the temporary folders that still exist.
///
/// [`Group`]: crate::Group
#[derive(Debug)]
#[must_use = "dropping this value cleans up"]
pub struct Cleanup(());

impl Drop for Cleanup {
    fn drop(&mut self) {
        if thread::panicking() {
            end(PANIC_EXIT_CODE);
        }
        let registry = registry::lock();
        // A command that `spawn` started, such as a program that opens a browser, may continue to
        // run. Without a group, no other process must be killed.
        if registry.has_started_group {
            registry.kill_groups();
            kill_all(processes::adopted, KILL_TIMEOUT);
        }
        registry.remove_folders();
    }
}

/// Makes this program end on Ctrl-C and `SIGTERM`, and on `SIGHUP` if stdin is a terminal. Before
/// the program ends, all processes that it started are killed, and its temporary folders are
/// removed. The exit code is 128 plus the number of the signal, as in a shell.
///
/// Returns a value that cleans up at the end of the program.
///
/// # Errors
///
/// Fails if the signal handlers cannot be installed.
#[cfg(unix)]
pub fn on_interrupt() -> io::Result<Cleanup> {
    use nix::sys::signal::{SigSet, Signal};
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use std::io::IsTerminal;

    // After this call, a process whose parent is killed becomes a child of this program. For this
    // reason, `end_all` also kills such a process.
    crate::group::adopt_orphans();
    let mut numbers = vec![SIGINT, SIGTERM];
    // If `nohup` started this program, stdin is not a terminal, and `SIGHUP` must not end the
    // program.
    numbers.extend(io::stdin().is_terminal().then_some(SIGHUP));
    // While signal-hook installs the handlers, they ignore signals. A blocked signal stays pending.
    let blocked = SigSet::from_iter([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM]);
    blocked.thread_block()?;
    let mut signals = signal_hook::iterator::Signals::new(numbers)?;
    blocked.thread_unblock()?;
    thread::spawn(move || {
        if let Some(number) = signals.forever().next() {
            end(128 + number);
        }
    });
    Ok(Cleanup(()))
}

/// Makes this program end on Ctrl-C with exit code 130. Before the program ends, its temporary
/// folders are removed. The system also sends Ctrl-C to the other processes of the console.
///
/// Returns a value that cleans up at the end of the program.
///
/// # Errors
///
/// Fails if the handler for Ctrl-C cannot be installed.
#[cfg(not(unix))]
pub fn on_interrupt() -> io::Result<Cleanup> {
    ctrlc::set_handler(|| end(130)).map_err(io::Error::other)?;
    Ok(Cleanup(()))
}

/// Starts a command in the process group of this program, so that Ctrl-C also reaches the command.
/// If the program has been interrupted, this function does not start the command and does not
/// return.
///
/// # Errors
///
/// Fails if the command cannot be started.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let _registry = registry::lock();
    command.spawn()
}

/// Makes an interrupt call `act` before the program ends, for example to restore the terminal.
pub fn before_end(act: fn()) {
    registry::lock().before_end = Some(act);
}

/// Kills all processes that this program started, removes its temporary folders, and ends the
/// program.
pub fn end(exit_code: i32) -> ! {
    // This thread holds the lock until the program has ended, so that no other thread can start a
    // process.
    let registry = registry::lock();
    registry.before_end.inspect(|act| act());
    registry.kill_groups();
    // Also kill the commands that `spawn` started, such as `cargo`. These commands do not have a
    // separate process group.
    let descendants = || processes::running_trees(|process| process.parent == process::id());
    kill_all(descendants, KILL_TIMEOUT);
    registry.remove_folders();
    process::exit(exit_code);
}

/// Raises this program's limit of open file descriptors to the maximum that the system permits.
/// Returns the new limit. Servers that this program starts inherit the limit.
pub fn raise_descriptor_limit() -> u64 {
    #[cfg(unix)]
    return rlimit::increase_nofile_limit(u64::MAX).unwrap_or(256);
    #[cfg(not(unix))]
    u64::MAX
}
