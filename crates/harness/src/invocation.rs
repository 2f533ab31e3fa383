//! Creates the beginning of a command that a message suggests to the user.

use std::env;
use std::env::consts::EXE_SUFFIX;
use std::path::PathBuf;

/// Returns the beginning of a command that runs `program`, which belongs to the kit.
///
/// If Cargo started this process, returns `with_cargo`. If Cargo did not start this process,
/// returns the path of `program`. The folder in this path is the folder of this process, because
/// all installed programs of the kit are in the same folder.
#[must_use]
pub fn invocation(program: &str, with_cargo: &str) -> String {
    if env::var_os("CARGO").is_some() {
        return with_cargo.to_owned();
    }
    let this = PathBuf::from(env::args_os().next().unwrap_or_default());
    this.with_file_name(format!("{program}{EXE_SUFFIX}")).display().to_string()
}
