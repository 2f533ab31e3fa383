//! `probe`: one client that looks closely at what it gets.
//!
//! It makes one connection, does on it what it is told, in an order that is always the same (say,
//! upload, half-close, wait, read, stay, end), and tells each thing when it happens. Every time that
//! it tells counts from the moment when the connection was there.
//!
//! `cargo run -p probe -- 127.0.0.1:4000`, with a server there.

mod cli;
mod expect;
mod talk;

use std::io::{self, Write};
use std::process::ExitCode;

/// The connection ended otherwise than it should, or the reply was not the file.
const EXIT_OTHERWISE: u8 = 1;
/// It could not begin.
const EXIT_UNABLE: u8 = 2;

fn main() -> ExitCode {
    let asked = cli::plan(&cli::command().get_matches());
    match asked.and_then(|plan| talk::talk(&plan)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_OTHERWISE),
        Err(message) => {
            let _ = writeln!(io::stderr(), "probe: {message}");
            ExitCode::from(EXIT_UNABLE)
        }
    }
}
