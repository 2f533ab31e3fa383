//! Building exercises with cargo.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{env, thread};

use serde_json::Value;

/// The maximum duration of a build, also on a slow computer with an empty cache.
const BUILD_TIMEOUT: Duration = Duration::from_secs(600);

/// The result of a build.
#[derive(Debug, Default)]
pub struct Built {
    /// The paths of the programs, by target name.
    pub programs: BTreeMap<String, PathBuf>,
    /// The compiler's warnings and errors.
    pub messages: Vec<CompilerMessage>,
    pub is_complete: bool,
}

/// One message of the compiler about a target.
#[derive(Debug)]
pub struct CompilerMessage {
    pub target: String,
    pub is_error: bool,
    pub text: String,
}

/// Builds targets of the exercises' workspace. If `is_shown`, prints the compiler's messages.
///
/// # Errors
///
/// Fails if cargo cannot be started or takes too long.
pub fn build(folder: &Path, arguments: &[&str], is_shown: bool) -> Result<Built, String> {
    let format = match console::colors_enabled_stderr() && is_shown {
        true => "json-diagnostic-rendered-ansi",
        false => "json",
    };
    let mut cargo = command(folder, "build");
    cargo.args(["--quiet", "--message-format", format]).args(arguments);
    if !is_shown {
        cargo.stderr(Stdio::null());
    }
    let mut built = Built::default();
    let status = watched(cargo, |line| {
        let Ok(message) = serde_json::from_str::<Value>(&line) else { return };
        built.take(&message, is_shown);
    })?;
    built.is_complete = status.success();
    Ok(built)
}

/// Runs a cargo command with its own output.
///
/// # Errors
///
/// Fails if cargo cannot be started, takes too long or fails.
pub fn run(folder: &Path, name: &str, arguments: &[&str]) -> Result<(), String> {
    let mut cargo = command(folder, name);
    cargo.args(arguments);
    match watched(cargo, |_| {})?.success() {
        true => Ok(()),
        false => Err(format!("cargo {name} failed in {}", folder.display())),
    }
}

impl Built {
    fn take(&mut self, message: &Value, is_shown: bool) {
        let target = message["target"]["name"].as_str().unwrap_or_default();
        match message["reason"].as_str() {
            Some("compiler-message") => {
                let text = message["message"]["rendered"].as_str().unwrap_or_default();
                if is_shown {
                    let _ = write!(io::stderr(), "{text}");
                }
                let is_error = message["message"]["level"] == "error";
                let (target, text) = (target.to_owned(), text.to_owned());
                self.messages.push(CompilerMessage { target, is_error, text });
            }
            Some("compiler-artifact") => {
                if let Some(program) = message["executable"].as_str() {
                    self.programs.insert(target.to_owned(), PathBuf::from(program));
                }
            }
            _ => {}
        }
    }

    /// The path of a program, by target name.
    ///
    /// # Errors
    ///
    /// Fails if cargo built no such program.
    pub fn program(&self, name: &str) -> Result<&Path, String> {
        let program = self.programs.get(name).map(PathBuf::as_path);
        program
            .ok_or_else(|| format!("cargo built no program `{name}`\nhelp: add it to Cargo.toml"))
    }

    /// Whether the compiler reported an error. If not, cargo failed for another reason.
    pub fn has_errors(&self) -> bool {
        self.messages.iter().any(|message| message.is_error)
    }
}

fn command(folder: &Path, name: &str) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.arg(name).arg("--manifest-path").arg(folder.join("Cargo.toml"));
    // A separate target folder, so that an editor's builds and these do not wait for each other.
    command.env("CARGO_TARGET_DIR", folder.join("target/workshop"));
    command
}

/// Runs a command until it exits or the timeout expires. Passes each line of its stdout to `line`.
fn watched(mut command: Command, mut line: impl FnMut(String)) -> Result<ExitStatus, String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut group = harness::Group::spawn(&mut command).map_err(|error| {
        format!("cannot start cargo: {error}\nhelp: install it from https://rustup.rs")
    })?;
    let stdout = group.child().stdout.take().expect("stdout is piped");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let deadline = Instant::now() + BUILD_TIMEOUT;
    loop {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(text) => line(text),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                group.kill();
                let minutes = BUILD_TIMEOUT.as_secs() / 60;
                return Err(format!("cargo took more than {minutes} minutes and was stopped"));
            }
        }
    }
    group.wait(BUILD_TIMEOUT).ok_or_else(|| "cargo closed its output, but does not exit".to_owned())
}
