//! Defines placeholders for the subcommands that this system does not support.

use std::ffi::OsString;

/// Measure servers in other processes (Linux only)
#[derive(clap::Args)]
pub struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    args: Vec<OsString>,
}

/// Fails with a message that explains why this system does not support the subcommand.
pub fn run(_: Args) -> anyhow::Result<bool> {
    anyhow::bail!(
        "this measurement needs Linux, which reports the CPU time and memory of other processes\n\
         help: use Linux, for example in a virtual machine, or run `measure load` on any system"
    )
}
