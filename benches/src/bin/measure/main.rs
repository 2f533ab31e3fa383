//! `measure`: the program that measures servers.

mod load;
mod report;

use std::io::{self, Write};
use std::process::ExitCode;

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
    Report(report::Args),
    Diff(report::DiffArgs),
}

fn main() -> ExitCode {
    // Measurements start this program again as a server: `measure serve-tokio …`.
    if let Some(exit_code) = approaches::main_of_server() {
        return exit_code;
    }
    let result = match Cli::parse().command {
        Command::Load(args) => load::run(args),
        Command::Report(args) => report::run(args),
        Command::Diff(args) => report::diff(args),
    };
    // An error that has help contains it as a second line: `help: …`.
    result.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "error: {error:#}");
        ExitCode::from(EXIT_ERROR)
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn short_help_has_one_line_per_flag_within_80_columns() {
        let mut command = Cli::command().term_width(80);
        command.build();
        for subcommand in command.get_subcommands_mut() {
            let help = subcommand.render_help().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{line}");
                assert!(!line.starts_with("          ") || line.contains("--"), "{line}");
            }
        }
    }
}
