//! Cleans up if this program is interrupted: kills all processes that the program started and
//! removes the program's temporary folders.

use std::io;
use std::process::{self, Child, Command};
use std::time::Duration;

use crate::group::kill_all;
use crate::processes;
use crate::registry;
use crate::signal::{self, Signal};

/// The maximum time to wait until killed processes have disappeared. After this time, the folders
/// are removed.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes this program end on Ctrl-C and `SIGTERM`, and on `SIGHUP` if stdin is a terminal. Before
/// the program ends, all processes that it started are killed, and its temporary folders are
/// removed. The exit code is 128 plus the number of the signal, as in a shell.
///
/// # Errors
///
/// Fails if the signal handlers cannot be installed.
#[cfg(unix)]
pub fn on_interrupt() -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use std::io::IsTerminal;

    // After this call, a process whose parent is killed becomes a child of this program. For this
    // reason, `end_all` also kills such a process.
    crate::group::adopt_orphans();
    let mut numbers = vec![SIGINT, SIGTERM];
    // If `nohup` started this program, stdin is not a terminal, and `SIGHUP` must not end the
    // program.
    numbers.extend(io::stdin().is_terminal().then_some(SIGHUP));
    let mut signals = signal_hook::iterator::Signals::new(numbers)?;
    std::thread::spawn(move || {
        if let Some(number) = signals.forever().next() {
            end(128 + number);
        }
    });
    Ok(())
}

/// Makes this program end on Ctrl-C with exit code 130. Before the program ends, its temporary
/// folders are removed. The system also sends Ctrl-C to the other processes of the console.
///
/// # Errors
///
/// Fails if the handler for Ctrl-C cannot be installed.
#[cfg(not(unix))]
pub fn on_interrupt() -> io::Result<()> {
    ctrlc::set_handler(|| end(130)).map_err(io::Error::other)
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
    for &group in &registry.groups {
        signal::send_to_group(group, Signal::Kill);
        // Windows has no process groups.
        #[cfg(windows)]
        let _ = Command::new("taskkill").args(["/T", "/F", "/PID", &group.to_string()]).output();
    }
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
