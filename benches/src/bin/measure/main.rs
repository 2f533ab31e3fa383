//! The program `measure`, which measures servers and generates pages from the results.

#[cfg(target_os = "linux")]
mod footprint;
mod load;
mod output;
#[cfg(target_os = "linux")]
mod race;
mod report;
#[cfg(target_os = "linux")]
mod results;
#[cfg(target_os = "linux")]
mod soak;
#[cfg(not(target_os = "linux"))]
mod unsupported;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

#[cfg(not(target_os = "linux"))]
use unsupported::{self as footprint, self as race, self as soak};

/// The exit code if a measurement failed, or if a reply was incorrect.
const EXIT_FAILED: u8 = 1;

/// The exit code if the program cannot run. clap uses the same exit code for invalid arguments.
const EXIT_ERROR: u8 = 2;

/// Measure servers
#[derive(Parser)]
#[command(name = "measure", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Load(load::Args),
    Race(race::Args),
    Footprint(footprint::Args),
    Soak(soak::Args),
    Report(report::Args),
    Diff(report::DiffArgs),
}

fn main() -> ExitCode {
    // To measure a sibling, `measure` starts a second process of this program as a server. The
    // command is, for example, `measure serve-tokio …`.
    #[cfg(target_os = "linux")]
    if let Some(exit_code) = benches::servers::main_of_server() {
        return exit_code;
    }
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FAILED),
        Err(error) => {
            // Some error messages have a second line, which starts with `help: `.
            output::note(format_args!("error: {error:#}"));
            ExitCode::from(EXIT_ERROR)
        }
    }
}

/// Runs a subcommand. Returns whether all measurements succeeded and all replies were correct.
fn run(command: Command) -> anyhow::Result<bool> {
    let _cleanup = harness::cleanup::on_interrupt().context("cannot handle Ctrl-C")?;
    match command {
        Command::Load(args) => load::run(args),
        Command::Race(args) => race::run(args),
        Command::Footprint(args) => footprint::run(args),
        Command::Soak(args) => soak::run(args),
        Command::Report(args) => report::run(args),
        Command::Diff(args) => report::diff(args),
    }
}
