//! The program `workshop`, which runs the exercises.

#[cfg(test)]
mod any_language;
mod cargo;
mod check;
mod cli;
mod course;
mod exercise;
mod export;
mod folders;
mod grade;
mod grading;
mod learn;
mod lock;
mod measurement;
mod output;
mod packages;
mod progress;
mod proofs;
mod report;
mod screen;
mod watch;

use std::process::ExitCode;

/// The exit code if a check failed.
const EXIT_FAILED: u8 = 1;
/// The exit code if the command could not run.
const EXIT_UNABLE: u8 = 2;

fn main() -> ExitCode {
    match cli::run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FAILED),
        Err(error) => {
            output::error(&error);
            ExitCode::from(EXIT_UNABLE)
        }
    }
}
