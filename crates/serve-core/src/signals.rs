//! Handles `SIGINT` (Ctrl-C) and `SIGTERM`. The first signal shuts the server down, and the second
//! signal ends the process.

use std::io;
use std::process;
#[cfg(unix)]
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crate::server::Server;
use crate::threads::no_thread;

/// The exit code that a shell reports for a program that Ctrl-C ended, which is 128 plus the number
/// of `SIGINT` (2).
const EXIT_INTERRUPTED: i32 = 130;

/// The time after the grace period that an approach has to disconnect the remaining clients and to
/// return. On a busy machine, disconnecting 10,000 clients takes a few hundred milliseconds.
const RETURN_TIMEOUT: Duration = Duration::from_millis(500);

/// The time for the log after [`RETURN_TIMEOUT`]. The process ends within a second after the grace
/// period, even if nothing reads the log.
const LOG_TIMEOUT: Duration = Duration::from_millis(400);

/// The server that a signal shuts down. During startup, the cell is empty.
pub(crate) type ServerCell = Arc<OnceLock<Arc<Server>>>;

/// Installs the signal handlers, and starts the thread that acts on the signals. On Windows, the
/// only signal is Ctrl-C. The caller adds the server to the cell.
pub(crate) fn handle_signals() -> io::Result<ServerCell> {
    let wait_for_signal = signal_waiter()?;
    let cell = ServerCell::default();
    let server = Arc::clone(&cell);
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || end_process(wait_for_signal, &server))
        .map_err(no_thread)?;
    Ok(cell)
}

/// Waits for a signal, and ends the process if the approach does not end in time.
fn end_process(
    mut wait_for_signal: impl FnMut(Duration) -> bool,
    server: &OnceLock<Arc<Server>>,
) -> ! {
    // ANCHOR: end_process
    wait_for_signal(Duration::MAX);
    // During startup, the server has no clients.
    let Some(server) = server.get() else { process::exit(0) };
    server.shut_down();
    if wait_for_signal(server.config.grace.saturating_add(RETURN_TIMEOUT)) {
        process::exit(EXIT_INTERRUPTED);
    }
    // A thread hangs, or nothing reads the log.
    server.log.finish_within(LOG_TIMEOUT);
    process::exit(0)
    // ANCHOR_END: end_process
}

/// Returns a function that waits for the next signal, but at most for the given time. The function
/// returns whether a signal arrived.
#[cfg(unix)]
fn signal_waiter() -> io::Result<impl FnMut(Duration) -> bool + Send + 'static> {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use nix::sys::signal::{SigSet, Signal};
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::low_level::pipe;

    // The signal handler sends one byte per signal.
    let (mut receiver, sender) = UnixStream::pair()?;
    // `register` installs the signal handler, and then stores the function that the handler calls.
    // Between these steps, the handler would ignore the signal. A blocked signal stays pending.
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    signals.thread_block()?;
    pipe::register(SIGINT, sender.try_clone()?)?;
    pipe::register(SIGTERM, sender)?;
    signals.thread_unblock()?;
    Ok(move |timeout| {
        // The call fails if the system does not support such a long timeout. In that case, the
        // function waits without a timeout.
        let _ = receiver.set_read_timeout(Some(timeout));
        receiver.read_exact(&mut [0]).is_ok()
    })
}

#[cfg(not(unix))]
fn signal_waiter() -> io::Result<impl FnMut(Duration) -> bool + Send + 'static> {
    use std::sync::mpsc;

    let (sender, receiver) = mpsc::channel();
    let handler = move || {
        // The receiver exists until the process ends.
        let _ = sender.send(());
    };
    ctrlc::set_handler(handler).map_err(io::Error::other)?;
    Ok(move |timeout| receiver.recv_timeout(timeout).is_ok())
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
