//! `measure`: the program that measures servers.

mod load;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

/// The exit code if nothing could be measured. clap uses it for incorrect arguments.
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
}

fn main() -> ExitCode {
    // Measurements start this program again as a server: `measure serve-tokio …`.
    if let Some(exit_code) = approaches::main_of_server() {
        return exit_code;
    }
    run(Cli::parse().command).unwrap_or_else(|error| {
        // The help of an error, if any, is a second line of its message: `help: …`.
        let _ = writeln!(io::stderr(), "error: {error:#}");
        ExitCode::from(EXIT_ERROR)
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    harness::cleanup::on_interrupt().context("cannot handle Ctrl-C")?;
    match command {
        Command::Load(args) => load::run(args),
    }
}
