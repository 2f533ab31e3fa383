//! Ctrl-C and `kill`: the first asks, the second insists.

use std::io;
use std::process;
use std::sync::Arc;

use crate::server::Server;

/// What a shell reports for a program that Ctrl-C ended: 128 and the number of SIGINT.
const EXIT_INTERRUPTED: i32 = 130;

/// From now on the first SIGINT or SIGTERM (on Windows, Ctrl-C) shuts the server down, and a
/// second one exits at once.
#[cfg(unix)]
pub(crate) fn shut_down_on_signal(server: Arc<Server>) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};

    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            asked_to_stop(&server);
        }
    })?;
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn shut_down_on_signal(server: Arc<Server>) -> io::Result<()> {
    ctrlc::set_handler(move || asked_to_stop(&server)).map_err(io::Error::other)
}

// ANCHOR: asked_to_stop
fn asked_to_stop(server: &Server) {
    if server.shutdown.is_requested() {
        process::exit(EXIT_INTERRUPTED);
    }
    server.shut_down();
}
// ANCHOR_END: asked_to_stop
