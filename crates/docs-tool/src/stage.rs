//! Runs the commands and the server of a page. Commands run only on Linux, because other systems do
//! not report which process listens on a port.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use harness::{port, text, usage};
use regex::Regex;

use crate::console;
use crate::markers::Error;
use crate::process::{Process, Snapshot};

/// The folder for files that the commands of a page create. Git ignores this folder. Readers create
/// the folder before they begin. This program creates the folder before each command, so that a
/// page does not depend on another page.
const SCRATCH: &str = "scratch";

/// The maximum duration of a build. A build does not count toward the time limit of a command.
const BUILD_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// The maximum time to wait until a server listens.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The maximum time to wait for the start message of a server that is not part of the kit. Some of
/// these servers do not print a start message.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(2);

/// The time to wait for further output. If a server prints nothing for this long, its output so far
/// is considered complete.
const QUIET: Duration = Duration::from_millis(300);

/// The maximum time to wait until all clients have disconnected. After this time, the log is read
/// even if a client is still connected.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum time to wait until a server has shut down.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum time to wait until another program no longer uses the server's port.
const PORT_TIMEOUT: Duration = Duration::from_secs(120);

fn regex(expression: &str) -> Regex {
    Regex::new(expression).expect("the regular expression is valid")
}

static CONNECTED: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"#\d+ connected|"event":"connected""#));
static DISCONNECTED: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"#\d+ client disconnected|"event":"disconnected""#));
static PORT: LazyLock<Regex> = LazyLock::new(|| regex(r"\b\d{4,5}\b"));

/// The result of a command.
#[derive(Debug)]
pub struct Ran {
    /// The exit code. If a signal ended the command, the code is 128 plus the number of the signal.
    pub code: i32,
    /// The output on stdout and stderr.
    pub output: Vec<u8>,
}

/// Runs the commands of pages in the root folder of the repository.
#[derive(Debug)]
pub struct Stage {
    root: PathBuf,
    server: Option<Server>,
    built: BTreeSet<String>,
    /// The lock that is held while a server runs, so that no other process of this program starts a
    /// server.
    server_lock: Option<File>,
}

#[derive(Debug)]
struct Server {
    process: Process,
    /// The length of the output that the page already shows, in bytes.
    shown_bytes: usize,
    is_stopped: bool,
}

impl Stage {
    /// Indicates whether commands can run on this system.
    pub const IS_AVAILABLE: bool = cfg!(target_os = "linux");

    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), server: None, built: BTreeSet::new(), server_lock: None }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Runs a command until it ends or the timeout expires, then kills the remaining processes of
    /// the command.
    pub fn run(&mut self, command: &str, timeout: Duration) -> Result<Ran, Error> {
        self.build(command)?;
        self.run_to_end(command, timeout)
    }

    fn run_to_end(&self, command: &str, timeout: Duration) -> Result<Ran, Error> {
        let mut process = self.start(command)?;
        let has_ended = process.wait_until(Instant::now() + timeout, |now| now.has_ended);
        let (status, output) = process.end();
        if !has_ended {
            let seconds = timeout.as_secs();
            let what =
                format!("the command did not end within {seconds} s; {}", last_line(&output));
            let help =
                "shorten the command, or write a higher limit in the marker: `within SECONDS`";
            return Err((what, help.to_owned()));
        }
        Ok(Ran { code: status.map_or(-1, code_of), output })
    }

    /// Builds the programs that the command runs, so that the build does not count toward the time
    /// limit of the command.
    fn build(&mut self, command: &str) -> Result<(), Error> {
        let mut builds = console::builds(command);
        if let Some(recipe) = console::recipe(command) {
            let dry_run = format!("just --dry-run {}", shell_words::join(recipe));
            let ran = self.run_to_end(&dry_run, START_TIMEOUT)?;
            let lines = String::from_utf8_lossy(&ran.output).into_owned();
            builds.extend(lines.lines().flat_map(console::builds));
        }
        for build in builds {
            let build = format!("cargo {}", shell_words::join(build));
            if self.built.contains(&build) {
                continue;
            }
            let ran = self.run_to_end(&build, BUILD_TIMEOUT)?;
            if ran.code != 0 {
                let what = format!("`{build}` failed; {}", last_line(&ran.output));
                return Err((what, "fix the code, or name another package".to_owned()));
            }
            self.built.insert(build);
        }
        Ok(())
    }

    fn start(&self, command: &str) -> Result<Process, Error> {
        let scratch = self.root.join(SCRATCH);
        fs::create_dir_all(&scratch).map_err(|error| {
            let what = format!("cannot create the folder `{}`: {error}", scratch.display());
            (what, "make the repository writable".to_owned())
        })?;
        Process::start(command, &self.root).map_err(|error| {
            (format!("cannot start bash: {error}"), "install bash, or add it to PATH".to_owned())
        })
    }

    /// Starts a server, and waits until it listens and prints no further output. Returns the output
    /// of the server.
    pub fn serve(
        &mut self,
        command: &str,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Vec<u8>, Error> {
        if self.server.as_ref().is_some_and(|server| !server.is_stopped) {
            let what = "a server is already running".to_owned();
            return Err((
                what,
                "add `<!-- stop -->` above this marker to stop the running server".to_owned(),
            ));
        }
        self.server = None;
        self.build(command)?;
        self.lock_server(progress)?;
        wait_for_ports(command, progress)?;
        let mut process = self.start(command)?;
        let deadline = Instant::now() + START_TIMEOUT;
        let listens = loop {
            let has_ended = process.snapshot().has_ended;
            let listens = !has_ended && usage::listens(&process.pids());
            if has_ended || listens || Instant::now() >= deadline {
                break listens;
            }
            thread::sleep(Duration::from_millis(10));
        };
        if !listens {
            let has_ended = process.snapshot().has_ended;
            let line = last_line(&process.end().1);
            let seconds = START_TIMEOUT.as_secs();
            let what = match has_ended {
                true => format!("the server ended before it listened; {line}"),
                false => format!("the server did not listen within {seconds} s; {line}"),
            };
            return Err((what, "run the command in a terminal to see its output".to_owned()));
        }
        // The kit's servers always print a start message. On a busy machine, the message can take
        // longer than `ANNOUNCE_TIMEOUT`.
        let is_own = command.contains("serve-");
        let deadline = Instant::now() + if is_own { START_TIMEOUT } else { ANNOUNCE_TIMEOUT };
        process.wait_until(deadline, |now| now.has_ended || contains(&now.output, b"listening"));
        process.wait_until(deadline, |now| now.quiet >= QUIET);
        let output = whole_lines(process.snapshot().output);
        self.server = Some(Server { process, shown_bytes: output.len(), is_stopped: false });
        Ok(output)
    }

    /// Waits until no other process of this program runs a server, because all servers use the same
    /// ports.
    fn lock_server(&mut self, progress: &mut dyn FnMut(&str)) -> Result<(), Error> {
        if self.server_lock.is_none() {
            // All processes of this program lock the same folder. A separate lock file would remain
            // after the last process.
            let path = env::temp_dir();
            let locked = lock_folder(&path, || {
                progress("  waiting until the server of another `docs-tool` process ends");
            });
            self.server_lock = Some(locked.map_err(|error| {
                let what = format!("cannot lock `{}`: {error}", path.display());
                (what, "set TMPDIR to a folder that this user can read".to_owned())
            })?);
        }
        Ok(())
    }

    /// Waits until all clients have disconnected, or until the timeout expires. Returns the part of
    /// the server's output that the page does not show yet.
    pub fn log(&mut self) -> Result<Vec<u8>, Error> {
        let server = self.server.as_mut().ok_or_else(no_server)?;
        let process = &mut server.process;
        let asked_at = Instant::now();
        let deadline = asked_at + DISCONNECT_TIMEOUT;
        let is_quiet = |now: &Snapshot| now.has_ended || now.quiet.min(asked_at.elapsed()) >= QUIET;
        let is_idle = |now: &Snapshot| {
            let output = String::from_utf8_lossy(&now.output);
            let count = |of: &Regex| of.find_iter(&output).count();
            is_quiet(now) && (now.has_ended || count(&CONNECTED) <= count(&DISCONNECTED))
        };
        // On some pages, a client stays connected. In this case, the timeout expires, and the log
        // is still read.
        process.wait_until(deadline, is_idle);
        let output = match process.snapshot().has_ended {
            true => process.end().1,
            false => process.snapshot().output,
        };
        let new = whole_lines(output[server.shown_bytes..].to_vec());
        server.shown_bytes += new.len();
        Ok(new)
    }

    /// Stops the server with `SIGINT`, the signal of Ctrl-C. A later marker `log` can still show
    /// the output of the shutdown.
    pub fn stop(&mut self) -> Result<(), Error> {
        let server = self.server.as_mut().filter(|server| !server.is_stopped);
        let server = server.ok_or_else(no_server)?;
        server.is_stopped = true;
        server.process.interrupt();
        let deadline = Instant::now() + SHUTDOWN_TIMEOUT;
        let has_ended = server.process.wait_until(deadline, |now| now.has_ended);
        server.process.end();
        let seconds = SHUTDOWN_TIMEOUT.as_secs();
        has_ended.then_some(()).ok_or_else(|| {
            let what = format!("the server did not end within {seconds} s after SIGINT");
            (what, "stop the clients of the server first, or pass a shorter `--grace`".to_owned())
        })
    }

    /// Stops the server of the page, and releases the lock.
    pub fn clear(&mut self) {
        if self.server.as_ref().is_some_and(|server| !server.is_stopped) {
            let _ = self.stop();
        }
        self.server = None;
        self.server_lock = None;
    }
}

fn no_server() -> Error {
    let help = "add `<!-- serve -->` and a code block with the server's command above this marker";
    ("no server is running".to_owned(), help.to_owned())
}

fn code_of(status: ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128 + signal;
    }
    status.code().unwrap_or(-1)
}

/// Returns a clause that quotes the last line of a command's output.
pub fn last_line(output: &[u8]) -> String {
    match text::error_line(&String::from_utf8_lossy(output)) {
        Some(line) => format!("its last output was `{line}`"),
        None => "it printed nothing".to_owned(),
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// Removes the last line if it is incomplete.
fn whole_lines(mut output: Vec<u8>) -> Vec<u8> {
    let end = output.iter().rposition(|&byte| byte == b'\n').map_or(0, |index| index + 1);
    output.truncate(end);
    output
}

/// Locks a folder. If another process has locked the folder, calls `wait`, then waits until the
/// folder is unlocked.
#[cfg(unix)]
fn lock_folder(path: &Path, wait: impl FnOnce()) -> std::io::Result<File> {
    use rustix::fs::{FlockOperation, flock};
    let folder = File::open(path)?;
    if flock(&folder, FlockOperation::NonBlockingLockExclusive).is_err() {
        wait();
        flock(&folder, FlockOperation::LockExclusive)?;
    }
    Ok(folder)
}

#[cfg(not(unix))]
fn lock_folder(path: &Path, _wait: impl FnOnce()) -> std::io::Result<File> {
    File::open(path)
}

/// Waits until the ports in a command are free.
fn wait_for_ports(command: &str, progress: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let named = PORT.find_iter(command).filter_map(|port| port.as_str().parse::<u16>().ok());
    let mut ports: Vec<u16> = named.filter(|port| *port >= 1024).collect();
    if ports.is_empty() && command.contains("serve-") {
        ports.push(4000);
    }
    let deadline = Instant::now() + PORT_TIMEOUT;
    let mut is_reported = false;
    while let Some(port) = ports.iter().find(|&&port| port::is_taken(port)) {
        if Instant::now() >= deadline {
            let what = format!("port {port} is in use by another program");
            return Err((what, "end that program, or choose another port".to_owned()));
        }
        if !is_reported {
            progress(&format!(
                "  port {port} is in use by another program; waiting until the port is free"
            ));
            is_reported = true;
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
