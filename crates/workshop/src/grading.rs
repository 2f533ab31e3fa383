//! A check in a child process, which can be canceled at any moment.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use harness::{TempFolder, cleanup};

use crate::course::Course;
use crate::exercise::Exercise;
use crate::report::{Format, Snapshot};

/// The maximum time until a canceled check has stopped its processes.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// The interval at which a canceled check is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The output of a check in a child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Watched {
    /// Lines of text.
    Lines,
    /// Snapshots without colors.
    Plain,
    /// Snapshots with colors.
    Color,
}

impl Watched {
    /// Prepares this process for its parent: sets the colors, and ends this process when the parent
    /// closes stdin.
    pub fn prepare(self) {
        if self != Self::Lines {
            console::set_colors_enabled(self == Self::Color);
            console::set_colors_enabled_stderr(self == Self::Color);
        }
        thread::spawn(|| {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            cleanup::end(130)
        });
    }

    pub fn format(self) -> Format {
        match self {
            Self::Lines => Format::Lines,
            Self::Plain | Self::Color => Format::Snapshots,
        }
    }
}

/// A check in a child process. Dropping the value cancels the check: the child process stops its
/// compiler and its servers.
#[derive(Debug)]
pub struct Grading {
    child: Child,
    stdin: Option<ChildStdin>,
    messages: Receiver<Message>,
    /// The folder for temporary files of the child process, which is removed last.
    _temporary: TempFolder,
}

/// A message from the child process.
#[derive(Debug)]
enum Message {
    Snapshot(Snapshot),
    /// The content of stderr, which has ended.
    Errors(String),
}

/// The state of a check.
#[derive(Debug, Default)]
pub struct Update {
    /// The newest snapshot, or `None` if nothing changed.
    pub snapshot: Option<Snapshot>,
    pub has_ended: bool,
}

impl Grading {
    /// Starts a check of the learner's program.
    pub fn start(course: &Course, exercise: &Exercise, watched: Watched) -> Result<Self> {
        let temporary = TempFolder::new().context("cannot create a temporary folder")?;
        let value = watched.to_possible_value().expect("every value has a name");
        let mut command = this_program()?;
        command.arg("--dir").arg(&course.folder);
        command.args(["check", &exercise.number, "--watched", value.get_name()]);
        command.stdin(Stdio::piped());
        ["TMPDIR", "TMP", "TEMP"].iter().for_each(|name| {
            command.env(name, temporary.path());
        });
        if watched != Watched::Lines {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let mut child = cleanup::spawn(&mut command).context("cannot start the check")?;
        let (sender, messages) = mpsc::channel();
        if let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) {
            let errors = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    let snapshot = serde_json::from_str(&line);
                    snapshot.into_iter().for_each(|it| drop(sender.send(Message::Snapshot(it))));
                }
            });
            thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = stderr.read_to_end(&mut bytes);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let _ = errors.send(Message::Errors(text));
            });
        }
        let stdin = child.stdin.take();
        Ok(Self { child, stdin, messages, _temporary: temporary })
    }

    /// Returns what has changed since the last call.
    pub fn update(&mut self) -> Update {
        let mut has_ended = matches!(self.child.try_wait(), Ok(Some(_)) | Err(_));
        let mut update = Update::default();
        // After the end of the process, wait for the rest of its output.
        while let Some(message) = match has_ended {
            true => self.messages.recv().ok(),
            false => self.messages.try_recv().ok(),
        } {
            match message {
                Message::Snapshot(snapshot) => update.snapshot = Some(snapshot),
                Message::Errors(errors) if errors.trim().is_empty() => {}
                Message::Errors(errors) => {
                    has_ended = true;
                    let last = update.snapshot.take().unwrap_or_default();
                    let text = format!("{}{errors}", last.brief);
                    update.snapshot = Some(Snapshot {
                        status: "the check could not run".to_owned(),
                        brief: text.clone(),
                        all: text,
                    });
                }
            }
        }
        update.has_ended = has_ended;
        update
    }
}

impl Drop for Grading {
    fn drop(&mut self) {
        // The child process cleans up and ends when its stdin ends.
        drop(self.stdin.take());
        let started = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && started.elapsed() < CANCEL_TIMEOUT {
            thread::sleep(POLL_INTERVAL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a command that runs this program, even if its file has been replaced.
fn this_program() -> Result<Command> {
    let path = match cfg!(target_os = "linux") {
        true => "/proc/self/exe".into(),
        false => std::env::current_exe().context("the path of this program is unknown")?,
    };
    let mut command = Command::new(path);
    keep_name(&mut command);
    Ok(command)
}

/// Passes the name of this program to the child process, whose messages contain the name.
#[cfg(unix)]
fn keep_name(command: &mut Command) {
    if let Some(name) = std::env::args_os().next() {
        std::os::unix::process::CommandExt::arg0(command, name);
    }
}

#[cfg(not(unix))]
fn keep_name(_command: &mut Command) {}
