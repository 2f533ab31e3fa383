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

/// How long all that a command builds may take, on a slow computer that has nothing yet.
const BUILD_TIMEOUT: Duration = Duration::from_secs(600);

/// What came of a build.
#[derive(Debug, Default)]
pub struct Built {
    /// The programs, by the names of their targets.
    pub programs: BTreeMap<String, PathBuf>,
    /// The compiler's complaints, with the names of the targets that they are about.
    pub complaints: Vec<Complaint>,
    pub is_whole: bool,
}

/// One message of the compiler.
#[derive(Debug)]
pub struct Complaint {
    pub target: String,
    pub is_error: bool,
    pub text: String,
}

/// Builds targets of the exercises' workspace; what the compiler says is printed as it comes.
///
/// # Errors
///
/// When cargo cannot be started, or takes too long.
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
    built.is_whole = status.success();
    Ok(built)
}

/// Runs a command of cargo that prints for itself.
///
/// # Errors
///
/// When it cannot be started, takes too long, or fails.
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
                self.complaints.push(Complaint { target, is_error, text });
            }
            Some("compiler-artifact") => {
                if let Some(program) = message["executable"].as_str() {
                    self.programs.insert(target.to_owned(), PathBuf::from(program));
                }
            }
            _ => {}
        }
    }

    /// A program by its target's name.
    ///
    /// # Errors
    ///
    /// When cargo told of none.
    pub fn program(&self, name: &str) -> Result<&Path, String> {
        let program = self.programs.get(name).map(PathBuf::as_path);
        program.ok_or_else(|| format!("cargo built no program {name}: is it in Cargo.toml?"))
    }

    /// Whether the compiler refused something, so that it was not the network, say.
    pub fn has_errors(&self) -> bool {
        self.complaints.iter().any(|complaint| complaint.is_error)
    }
}

fn command(folder: &Path, name: &str) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.arg(name).arg("--manifest-path").arg(folder.join("Cargo.toml"));
    // What an editor builds has a folder of its own, so neither waits for the other's lock.
    command.env("CARGO_TARGET_DIR", folder.join("target/workshop"));
    command
}

/// Runs a command to its end, with a deadline, and hands over the lines of its stdout.
fn watched(mut command: Command, mut line: impl FnMut(String)) -> Result<ExitStatus, String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = conformance::spawn_group(&mut command)
        .map_err(|error| format!("cargo cannot be started: {error}; mend: https://rustup.rs"))?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    let deadline = Instant::now() + BUILD_TIMEOUT;
    loop {
        match told.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(text) => line(text),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                conformance::kill_group(&mut child);
                let minutes = BUILD_TIMEOUT.as_secs() / 60;
                return Err(format!("cargo was stopped: it took more than {minutes} minutes"));
            }
        }
    }
    let status = child.wait().map_err(|error| error.to_string());
    conformance::kill_group(&mut child);
    status
}
