//! Handles `SIGINT` (Ctrl-C) and `SIGTERM`. The first signal shuts the server down, and the second
//! signal ends the process.

use std::io;
use std::process;
use std::sync::Arc;
#[cfg(unix)]
use std::sync::atomic::AtomicBool;

use crate::server::Server;

/// The exit code that a shell reports for a program that Ctrl-C ended, which is 128 plus the number
/// of `SIGINT` (2).
const EXIT_INTERRUPTED: i32 = 130;

/// Installs a signal handler. The first `SIGINT` or `SIGTERM` (on Windows, the first Ctrl-C) shuts
/// the server down. After the second signal, the process exits immediately.
#[cfg(unix)]
pub(crate) fn shut_down_on_signal(server: Arc<Server>) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};

    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            handle_signal(&server);
        }
    })?;
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn shut_down_on_signal(server: Arc<Server>) -> io::Result<()> {
    ctrlc::set_handler(move || handle_signal(&server)).map_err(io::Error::other)
}

/// Makes a write that exceeds the limit on the size of a file (`ulimit -f`) fail with `EFBIG`. By
/// default, `SIGXFSZ` would end the process. The log may be such a file.
#[cfg(unix)]
pub(crate) fn ignore_file_size_signal() -> io::Result<()> {
    // There is no safe function that sets `SIG_IGN`, so a handler sets a flag that nothing reads.
    let flag = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, flag).map(drop)
}

#[cfg(not(unix))]
pub(crate) fn ignore_file_size_signal() -> io::Result<()> {
    Ok(())
}

// ANCHOR: handle_signal
fn handle_signal(server: &Server) {
    if server.shutdown.is_requested() {
        process::exit(EXIT_INTERRUPTED);
    }
    server.shut_down();
}
// ANCHOR_END: handle_signal
