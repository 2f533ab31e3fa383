//! Subcommands that this system does not support.

use std::ffi::OsString;

/// Measure other processes (only on Linux)
#[derive(clap::Args)]
pub struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    args: Vec<OsString>,
}

/// Explains why the subcommand does not run.
pub fn run(_: Args) -> anyhow::Result<bool> {
    anyhow::bail!(
        "only Linux reports the CPU time and the memory of other processes\n\
         help: use Linux, for example in a virtual machine; `measure load` runs everywhere"
    )
}
