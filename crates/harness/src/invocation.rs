//! How the user starts the programs of the kit, for commands in messages.

use std::env;
use std::env::consts::EXE_SUFFIX;
use std::path::PathBuf;

/// Returns the start of a command that runs a program of the kit.
///
/// If cargo started this process, this is `with_cargo`. Otherwise, it is the path of this program
/// as it was written on the command line, with the name of `program`, which is installed beside it.
#[must_use]
pub fn invocation(program: &str, with_cargo: &str) -> String {
    if env::var_os("CARGO").is_some() {
        return with_cargo.to_owned();
    }
    let own = PathBuf::from(env::args_os().next().unwrap_or_default());
    own.with_file_name(format!("{program}{EXE_SUFFIX}")).display().to_string()
}
