//! Builds exercises with Cargo.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, ensure};
use harness::{Group, TempFolder};
use serde_json::Value;

use crate::course::{Course, called_as};

/// The result of a build.
#[derive(Debug, Default)]
pub struct BuildOutput {
    /// The paths of the programs, by the names of their targets.
    pub programs: BTreeMap<String, PathBuf>,
    /// The compiler's warnings and errors.
    pub messages: Vec<CompilerMessage>,
    pub is_complete: bool,
    /// The errors that Cargo itself reported.
    errors: String,
}

/// A compiler message about a target.
#[derive(Debug)]
pub struct CompilerMessage {
    /// The source file that the message refers to, or an empty path.
    pub file: PathBuf,
    pub is_error: bool,
    /// The message without its source code.
    pub title: String,
    pub text: String,
}

/// The handling of the compiler's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    /// Print the messages to stderr and keep them, with colors.
    Print,
    /// Only keep the messages, with colors.
    Keep,
    /// Only keep the messages, without colors.
    KeepPlain,
}

/// Causes for which Cargo or the compiler cannot build any program. Each entry contains part of a
/// message, the error and its fix.
const CAUSES: &[(&str, &str, &str)] = &[
    (
        "linker `",
        "the compiler cannot find a linker",
        "install a C compiler, for example with `sudo apt install gcc` (Debian, Ubuntu), \
         `xcode-select --install` (macOS), or the MSVC build tools (Windows)",
    ),
    (
        "could not execute process `",
        "Cargo cannot start `rustc`",
        "install Rust from https://rustup.rs, or add the folder of `rustc` to the PATH",
    ),
    (
        "rustup could not choose a version",
        "no Rust toolchain is selected",
        "run `rustup default stable`",
    ),
    (
        "No space left on device",
        "the disk is full",
        "free space on the disk, and run the command again",
    ),
    (
        "There is not enough space on the disk",
        "the disk is full",
        "free space on the disk, and run the command again",
    ),
];

/// Builds targets of the workspace in `folder`.
pub fn build(
    course: &Course,
    folder: &Path,
    arguments: &[&str],
    messages: Messages,
) -> Result<BuildOutput> {
    let format = match console::colors_enabled_stderr() && messages != Messages::KeepPlain {
        true => "json-diagnostic-rendered-ansi",
        false => "json",
    };
    let mut cargo = command(course, folder, "build");
    cargo.args(["--quiet", "--message-format", format]).args(arguments);
    cargo.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut built = BuildOutput::default();
    (built.is_complete, built.errors) = wait_for(cargo, |line| {
        if let Ok(message) = serde_json::from_str(line) {
            built.take(&message, messages == Messages::Print);
        }
    })?;
    Ok(built)
}

/// Builds targets without output. A target that does not compile is not an error. If Cargo fails
/// for a different reason, runs Cargo again and shows the output, which states the reason.
pub fn build_all(course: &Course, folder: &Path, arguments: &[&str]) -> Result<BuildOutput> {
    let built = build(course, folder, arguments, Messages::KeepPlain)?;
    if !built.is_complete && !built.has_errors() {
        run(course, folder, "build", arguments)?;
    }
    Ok(built)
}

/// Runs a `cargo` command and shows its output. Fails if the command fails.
pub fn run(course: &Course, folder: &Path, name: &str, arguments: &[&str]) -> Result<()> {
    let mut cargo = command(course, folder, name);
    cargo.args(arguments);
    ensure!(wait_for(cargo, |_| {})?.0, "`cargo {name}` failed in `{}`", folder.display());
    Ok(())
}

impl BuildOutput {
    fn take(&mut self, message: &Value, is_shown: bool) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if let Some(program) = message["executable"].as_str() {
            self.programs.insert(text(&message["target"]["name"]), PathBuf::from(program));
        } else if message["reason"] == "compiler-message" {
            let message = &message["message"];
            let (is_error, title) = (message["level"] == "error", text(&message["message"]));
            let text = text(&message["rendered"]);
            if is_shown {
                let _ = write!(io::stderr(), "{text}");
            }
            let file = message["spans"][0]["file_name"].as_str().unwrap_or_default().into();
            self.messages.push(CompilerMessage { file, is_error, title, text });
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

    /// Returns the reason why Cargo or the compiler could not build any program, or `None` if the
    /// compiler reported an error in the source code.
    pub fn unable(&self) -> Option<Error> {
        // A message about the environment does not refer to a source file.
        let general = self.messages.iter().filter(|one| one.file.as_os_str().is_empty());
        let text: String = general.map(|one| one.text.as_str()).chain([&*self.errors]).collect();
        let cause = CAUSES.iter().find(|(words, ..)| text.contains(words));
        if let Some((words, error, help)) = cause {
            let line = text.lines().find(|line| line.contains(words)).unwrap_or_default();
            return Some(anyhow!("{error}: {}\nhelp: {help}", line.trim()));
        }
        (!self.is_complete && !self.has_errors()).then(|| {
            let warm = called_as("warm");
            anyhow!(
                "`cargo` could not build the exercise\n{}\nhelp: if Cargo needs the network, run \
                 this command once while you are connected:\n  {warm}",
                self.errors.trim_end()
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
/// Returns whether the command succeeded, and the content of stderr if stderr is a pipe.
fn wait_for(mut command: Command, mut act: impl FnMut(&str)) -> Result<(bool, String)> {
    // A compiler that is killed does not remove its temporary files, so this function removes them.
    let temporary = TempFolder::new().context(
        "cannot create a temporary folder\nhelp: free space on the disk, or set TMPDIR to a folder \
         that is writable",
    )?;
    command.env("TMPDIR", temporary.path());
    let mut group = Group::spawn(command.stdin(Stdio::null())).map_err(|error| {
        anyhow!("cannot start `cargo`: {error}\nhelp: install Rust from https://rustup.rs")
    })?;
    let stderr = group.child().stderr.take();
    let reader = thread::spawn(|| {
        let mut bytes = Vec::new();
        let _ = stderr.map(|mut stderr| stderr.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    });
    if let Some(stdout) = group.child().stdout.take() {
        BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| act(&line));
    }
    let is_successful = group.wait(Duration::MAX).is_some_and(|status| status.success());
    // No process may keep stderr open.
    drop(group);
    Ok((is_successful, reader.join().unwrap_or_default()))
}
