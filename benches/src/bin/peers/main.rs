//! `peers`: lets the kit's servers race against each other, against nginx, against the note's own
//! server, and against a floor that does nothing but `sendfile`.

#[cfg(target_os = "linux")]
mod bars;
#[cfg(target_os = "linux")]
mod cli;
#[cfg(target_os = "linux")]
mod floor;
#[cfg(target_os = "linux")]
mod measures;
#[cfg(target_os = "linux")]
mod nginx;
#[cfg(target_os = "linux")]
mod peer;
#[cfg(target_os = "linux")]
mod race;
#[cfg(target_os = "linux")]
mod record;
#[cfg(target_os = "linux")]
mod stage;
#[cfg(target_os = "linux")]
mod stats;
#[cfg(target_os = "linux")]
mod table;

use std::process::ExitCode;

/// It could not run.
const EXIT_UNABLE: u8 = 2;

fn main() -> ExitCode {
    if let Some(ended) = approaches::main_of_server() {
        return ended;
    }
    main_of_race()
}

#[cfg(target_os = "linux")]
fn main_of_race() -> ExitCode {
    floor::main_of_floor().unwrap_or_else(cli::main)
}

#[cfg(not(target_os = "linux"))]
fn main_of_race() -> ExitCode {
    use std::io::Write;
    let why = "processor time and memory of other programs are read as Linux tells them";
    let help = "run it on Linux, a virtual machine will do; `load` runs everywhere";
    let _ = writeln!(std::io::stderr(), "peers: {why}: {help}");
    ExitCode::from(EXIT_UNABLE)
}
