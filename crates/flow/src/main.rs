//! The program `flow`, which shows servers while they run.

use std::process::ExitCode;

fn main() -> ExitCode {
    flow::cli::main()
}
