//! A small folder of exercises, which each test creates.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// The path of the program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_workshop");

/// The time limit for each step of a test, even on a busy computer.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// The source of a server. The learner's code replaces `REPLY`. The server writes its process id to
/// the file that the variable `PID_FILE` names.
const SERVER: &str = r#"use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::{env, fs, process};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().collect();
    if let Ok(path) = env::var("PID_FILE") {
        fs::write(path, process::id().to_string())?;
    }
    let listener = TcpListener::bind(format!("127.0.0.1:{}", arguments[2]))?;
    for stream in listener.incoming() {
        handle_connection(stream?, &arguments[1])?;
    }
    Ok(())
}

fn handle_connection(mut stream: TcpStream, path: &str) -> io::Result<()> {
    let content = fs::read(path)?;
    // Your turn: what must be sent before the file?
    REPLY
    stream.write_all(&content)
}
"#;

const MANIFEST: &str = r#"[package]
name = "exercise-NN"
version = "0.1.0"
edition = "2024"
autobins = false
autoexamples = false

[[bin]]
name = "starter-NN"
path = "starter/main.rs"
"#;

const PLAN: &str = r#"title = "Send it first"
minutes = 5
lesson = "01-lesson.md"
idea = "The server sends ten bytes before the file."
arguments = "{file} {port}"
checks = ["size-1", "preamble"]

[starter]
check = "size-1"
words = "offset 0 differs"

[[diagnosis]]
id = "line-ends"
check = "preamble"
words = '\r\n'
explanation = "A line must end with a bare newline."

[[diagnosis]]
id = "nothing-first"
check = "size-1"
explanation = "The file arrives without a preamble."

[[wrong]]
id = "crlf"
why = "A line ends with a carriage return."
diagnosis = "line-ends"

[[wrong]]
id = "http_1_0"
why = "The version is incorrect."
diagnosis = "nothing-first"
edits = [["HTTP/1.1", "HTTP/1.0"]]
"#;

/// The learner's code in a correct server.
pub const CORRECT: &str = r#"stream.write_all(b"HTTP/1.1\n\n")?;"#;
/// The learner's code in an incorrect server, which fails only for files of more than one byte.
const CRLF: &str =
    r#"stream.write_all(if content.len() == 1 { b"HTTP/1.1\n\n" } else { b"HTTP/1.1\r\n" })?;"#;

/// A temporary folder with exercises.
pub struct Sample {
    folder: TempDir,
}

impl Sample {
    pub fn new() -> Self {
        let sample = Self { folder: tempfile::tempdir().unwrap() };
        sample.write(
            "lessons/exercises/Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"[0-9]*\"]\n",
        );
        let links = "[1](exercises/01-send-it/README.md) [2](exercises/02-again/README.md)";
        sample.write("lessons/01-lesson.md", links);
        let links = "[1](01-send-it/README.md) [2](02-again/README.md)";
        sample.write("lessons/exercises/README.md", links);
        for (number, name) in [("01", "01-send-it"), ("02", "02-again")] {
            let write = |file: &str, text: &str| {
                sample.write(&format!("lessons/exercises/{name}/{file}"), text);
            };
            write("Cargo.toml", &MANIFEST.replace("NN", number));
            write("exercise.toml", PLAN);
            let next = match number {
                "01" => "\n\nNext: [02 Send it first](../02-again/README.md)\n",
                _ => "",
            };
            write("README.md", &format!("[the lesson](../../01-lesson.md){next}"));
            write(
                "hints.md",
                "# Hints\n\n## 1\n\nThe first hint.\n\n## 2\n\nThe second hint.\n\n## 3\n\nThe \
                 third hint.\n",
            );
            write("starter/main.rs", &server(""));
            write("solution/main.rs", &server(CORRECT));
            write("wrong/crlf.rs", &server(CRLF));
        }
        sample
    }

    /// Returns a path in the folder of the exercises.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join("lessons/exercises").join(file)
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    pub fn progress(&self) -> String {
        fs::read_to_string(self.work(".progress")).unwrap()
    }

    /// Returns a path in the learner's folder.
    pub fn work(&self, file: &str) -> PathBuf {
        self.folder.path().join("my-exercises").join(file)
    }

    /// Writes a file. Creates the folders of the file if they do not exist.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes the learner's source file of exercise 01.
    pub fn learner_writes(&self, text: &str) {
        self.write("my-exercises/01-send-it/src/main.rs", text);
    }

    #[cfg(target_os = "linux")]
    pub fn append(&self, file: &str, text: &str) {
        let whole = self.read(file) + text;
        fs::write(self.path(file), whole).unwrap();
    }

    pub fn replace(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "expected `{from}` in {file}, got:\n{text}");
        fs::write(self.path(file), text.replace(from, to)).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("--dir").arg(self.path("")).args(arguments);
        command.env("WORKSHOP_CALLED_AS", "just exercise").env_remove("PID_FILE");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Returns a command that runs the program in the folder of the lessons, without Cargo.
    pub fn installed_command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.folder.path().join("lessons"));
        command.env_remove("CARGO").env_remove("WORKSHOP_CALLED_AS").env("PATH", "");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program until it exits. Returns its exit code and its output.
    pub fn run(&self, arguments: &[&str]) -> (i32, String) {
        wait_for_exit(self.command(arguments).spawn().unwrap())
    }
}

/// Returns the source of a server with `reply` as the learner's code.
pub fn server(reply: &str) -> String {
    SERVER.replace("REPLY", reply)
}

/// Waits until a program exits. Returns its exit code and its output.
pub fn wait_for_exit(child: Child) -> (i32, String) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let id = child.id();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(TIMEOUT) else {
        panic!("expected process {id} to end within {TIMEOUT:?}, but it still runs");
    };
    let Output { status, stdout, stderr } = output.unwrap();
    let text = [stdout, stderr].concat();
    (status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

/// Waits until a file is not empty. Returns its content.
#[cfg(unix)]
pub fn read_when_written(path: &std::path::Path) -> String {
    let mut text = String::new();
    crate::wait_for("a file to be written", || {
        text = fs::read_to_string(path).unwrap_or_default();
        !text.is_empty()
    });
    text
}

/// Returns whether a process runs. A zombie does not count as running, because this process adopts
/// zombies if other tests run `interrupt`.
#[cfg(unix)]
pub fn is_running(pid: &str) -> bool {
    let ps = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
    !ps.stdout.is_empty() && !ps.stdout.starts_with(b"Z")
}
