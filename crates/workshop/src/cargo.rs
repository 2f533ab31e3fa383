//! Builds exercises with Cargo.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use harness::{Group, TempFolder};
use serde_json::Value;

use crate::course::Course;

/// The result of a build.
#[derive(Debug, Default)]
pub struct BuildOutput {
    /// The paths of the programs, by the names of their targets.
    pub programs: BTreeMap<String, PathBuf>,
    /// The compiler's warnings and errors.
    pub messages: Vec<CompilerMessage>,
    pub is_complete: bool,
}

/// A compiler message about a target.
#[derive(Debug)]
pub struct CompilerMessage {
    /// The source file that the message refers to, or an empty path.
    pub file: PathBuf,
    pub is_error: bool,
    pub text: String,
}

/// Builds targets of the workspace in `folder`. If `is_shown` is true, prints the compiler's
/// messages.
pub fn build(
    course: &Course,
    folder: &Path,
    arguments: &[&str],
    is_shown: bool,
) -> Result<BuildOutput> {
    let format = match console::colors_enabled_stderr() && is_shown {
        true => "json-diagnostic-rendered-ansi",
        false => "json",
    };
    let mut cargo = command(course, folder, "build");
    cargo.args(["--quiet", "--message-format", format]).args(arguments).stdout(Stdio::piped());
    if !is_shown {
        cargo.stderr(Stdio::null());
    }
    let mut built = BuildOutput::default();
    built.is_complete = wait_for(cargo, |line| {
        if let Ok(message) = serde_json::from_str(line) {
            built.take(&message, is_shown);
        }
    })?;
    Ok(built)
}

/// Builds targets without output. A target that does not compile is not an error. If Cargo fails
/// for a different reason, runs Cargo again and shows the output, which states the reason.
pub fn build_all(course: &Course, folder: &Path, arguments: &[&str]) -> Result<BuildOutput> {
    let built = build(course, folder, arguments, false)?;
    if !built.is_complete && !built.has_errors() {
        run(course, folder, "build", arguments)?;
    }
    Ok(built)
}

/// Runs a `cargo` command and shows its output. Fails if the command fails.
pub fn run(course: &Course, folder: &Path, name: &str, arguments: &[&str]) -> Result<()> {
    let mut cargo = command(course, folder, name);
    cargo.args(arguments);
    ensure!(wait_for(cargo, |_| {})?, "`cargo {name}` failed in `{}`", folder.display());
    Ok(())
}

impl BuildOutput {
    fn take(&mut self, message: &Value, is_shown: bool) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if let Some(program) = message["executable"].as_str() {
            self.programs.insert(text(&message["target"]["name"]), PathBuf::from(program));
        } else if message["reason"] == "compiler-message" {
            let message = &message["message"];
            let (is_error, text) = (message["level"] == "error", text(&message["rendered"]));
            if is_shown {
                let _ = write!(io::stderr(), "{text}");
            }
            let file = message["spans"][0]["file_name"].as_str().unwrap_or_default().into();
            self.messages.push(CompilerMessage { file, is_error, text });
        }
    }

    /// Returns the path of the program whose target has this name.
    pub fn program(&self, name: &str) -> Result<&Path> {
        let program = self.programs.get(name).map(PathBuf::as_path);
        program.with_context(|| {
            format!(
                "`cargo` did not build the program `{name}`\nhelp: add a target with this name to \
                 Cargo.toml"
            )
        })
    }

    /// Returns whether the compiler reported an error. If a build fails without such an error,
    /// Cargo itself failed.
    pub fn has_errors(&self) -> bool {
        self.messages.iter().any(|message| message.is_error)
    }
}

fn command(course: &Course, folder: &Path, name: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(name).arg("--manifest-path").arg(folder.join("Cargo.toml"));
    command.env("CARGO_TARGET_DIR", course.target());
    command
}

/// Runs a command until it exits. If the command's stdout is a pipe, passes each line to `act`.
/// Returns whether the command succeeded.
fn wait_for(mut command: Command, mut act: impl FnMut(&str)) -> Result<bool> {
    // A compiler that is killed does not remove its temporary files, so this function removes them.
    let temporary = TempFolder::new().context("cannot create a temporary folder")?;
    command.env("TMPDIR", temporary.path());
    let mut group = Group::spawn(command.stdin(Stdio::null())).map_err(|error| {
        anyhow!("cannot start `cargo`: {error}\nhelp: install Rust from https://rustup.rs")
    })?;
    if let Some(stdout) = group.child().stdout.take() {
        BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| act(&line));
    }
    Ok(group.wait(Duration::MAX).is_some_and(|status| status.success()))
}
