//! Where a page's commands run, and its server stays: Linux alone, since only there `/proc` tells
//! who listens.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use std::{env, process, thread};

use regex::bytes::Regex;
use rustix::fs::{FlockOperation, flock};

use crate::console;
use crate::markers::Error;
use crate::process::{Process, Snapshot};

/// How long a build may take: it is not the command's own time.
const BUILD_LIMIT: Duration = Duration::from_secs(15 * 60);

/// How long a server may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long a server may take to say that it listens, once it does. Some never say it.
const SAYS_SO: Duration = Duration::from_secs(2);

/// Who has said nothing for so long has nothing to say at the moment.
const QUIET: Duration = Duration::from_millis(300);

/// How long the log waits for clients to end.
const CLIENTS_END: Duration = Duration::from_secs(10);

/// How long a server may take to end.
const END_LIMIT: Duration = Duration::from_secs(10);

/// How long another call may keep its ports.
const PORT_LIMIT: Duration = Duration::from_secs(120);

fn regex(expression: &str) -> Regex {
    Regex::new(expression).expect("the expressions here are well-formed")
}

static CONNECTED: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"#\d+ connected|"event":"connected""#));
static DISCONNECTED: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"#\d+ client disconnected|"event":"disconnected""#));
static PORT: LazyLock<regex::Regex> =
    LazyLock::new(|| regex::Regex::new(r"\b\d{4,5}\b").expect("it is well-formed"));

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    /// 128 and its number for a signal, as a shell has it.
    pub code: i32,
    /// Both outputs, as they came.
    pub output: Vec<u8>,
}

/// Where a page's commands run.
#[derive(Debug)]
pub struct Stage {
    root: PathBuf,
    server: Option<Server>,
    built: BTreeSet<String>,
    /// While a server is there, no other call of this program has one.
    turn: Option<File>,
}

#[derive(Debug)]
struct Server {
    process: Process,
    /// So much of what it said was shown.
    shown: usize,
    is_stopped: bool,
}

impl Stage {
    /// With this root as every command's folder.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), server: None, built: BTreeSet::new(), turn: None }
    }

    /// The folder of every command.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Runs a command to its end, and ends what it leaves behind.
    ///
    /// # Errors
    ///
    /// When it cannot be built or started, or takes too long.
    pub fn run(&mut self, command: &str, limit: Duration) -> Result<Ran, Error> {
        self.build(command)?;
        self.run_to_end(command, limit)
    }

    fn run_to_end(&self, command: &str, limit: Duration) -> Result<Ran, Error> {
        let mut process = self.start(command)?;
        let has_ended = process.wait_until(Instant::now() + limit, |snapshot| snapshot.has_ended);
        let status = process.end();
        let output = process.output_from(0);
        if !has_ended {
            let what =
                format!("it did not end within {} s{}", limit.as_secs(), last_words(&output));
            let help = "let it do less, or give it more time: `within SECONDS`";
            return Err((what, help.to_owned()));
        }
        Ok(Ran { code: status.map_or(-1, code_of), output })
    }

    /// Builds what the command will run, so that its time is its own.
    fn build(&mut self, command: &str) -> Result<(), Error> {
        let mut builds = console::builds(command);
        if let Some(recipe) = console::recipe(command) {
            let dry = format!("just --dry-run {}", shell_words::join(recipe));
            let ran = self.run_to_end(&dry, START_LIMIT)?;
            let lines = String::from_utf8_lossy(&ran.output).into_owned();
            builds.extend(lines.lines().flat_map(console::builds));
        }
        for build in builds {
            let build = format!("cargo {}", shell_words::join(build));
            if self.built.contains(&build) {
                continue;
            }
            let ran = self.run_to_end(&build, BUILD_LIMIT)?;
            if ran.code != 0 {
                let what = format!("`{build}` failed{}", last_words(&ran.output));
                return Err((what, "fix the code, or name another package".to_owned()));
            }
            self.built.insert(build);
        }
        Ok(())
    }

    fn start(&self, command: &str) -> Result<Process, Error> {
        Process::start(command, &self.root).map_err(|error| {
            let what = format!("bash cannot be started: {error}");
            (what, "let `bash` be found on PATH".to_owned())
        })
    }

    /// Starts a server, and tells what it said until it listened.
    ///
    /// # Errors
    ///
    /// When there is one already, its port is taken, or it does not listen.
    pub fn serve(
        &mut self,
        command: &str,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Vec<u8>, Error> {
        if self.server.as_ref().is_some_and(|server| !server.is_stopped) {
            let what = "a server runs already".to_owned();
            return Err((what, "end it first: put `<!-- stop -->` above".to_owned()));
        }
        self.server = None;
        self.build(command)?;
        self.take_turn(progress)?;
        wait_for_ports(command, progress)?;
        let mut process = self.start(command)?;
        let group = process.group();
        let deadline = Instant::now() + START_LIMIT;
        let listens = process.wait_until(deadline, |snapshot| snapshot.has_ended || listens(group));
        let has_ended = process.wait_until(Instant::now(), |snapshot| snapshot.has_ended);
        if !listens || has_ended {
            process.end();
            let words = last_words(&process.output_from(0));
            let what = match has_ended {
                true => format!("the server ended before it listened{words}"),
                false => {
                    format!("the server did not listen within {} s{words}", START_LIMIT.as_secs())
                }
            };
            return Err((what, "run the command yourself to see why".to_owned()));
        }
        // One of ours always says so, however busy the machine is; others may say nothing.
        let says_so = if command.contains("serve-") { START_LIMIT } else { SAYS_SO };
        let has_said =
            |snapshot: &Snapshot<'_>| snapshot.has_ended || contains(snapshot.output, b"listening");
        process.wait_until(Instant::now() + says_so, has_said);
        process.wait_until(Instant::now() + says_so, |snapshot| snapshot.quiet >= QUIET);
        let said = whole_lines(process.output_from(0));
        self.server = Some(Server { process, shown: said.len(), is_stopped: false });
        Ok(said)
    }

    /// Waits until no other call of this program has a server: their ports are the same.
    fn take_turn(&mut self, progress: &mut dyn FnMut(&str)) -> Result<(), Error> {
        if self.turn.is_none() {
            let path = env::temp_dir().join("highwater-docs-tool.lock");
            let file = File::options().create(true).append(true).open(&path);
            let locked = file.and_then(|file| {
                if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                    progress("  waiting for the server of another `docs-tool` to end");
                    flock(&file, FlockOperation::LockExclusive)?;
                }
                Ok(file)
            });
            let file = locked.map_err(|error| {
                let what = format!("{} cannot be locked: {error}", path.display());
                (what, "let this user write it".to_owned())
            })?;
            self.turn = Some(file);
        }
        Ok(())
    }

    /// What the server has said since it was last shown, once its clients are gone.
    ///
    /// # Errors
    ///
    /// When there is no server.
    pub fn log(&mut self) -> Result<Vec<u8>, Error> {
        let server = self.server.as_mut().ok_or_else(no_server)?;
        let asked = Instant::now();
        let is_quiet = |snapshot: &Snapshot<'_>| {
            snapshot.has_ended || snapshot.quiet.min(asked.elapsed()) >= QUIET
        };
        let are_gone = |snapshot: &Snapshot<'_>| {
            let count = |of: &Regex| of.find_iter(snapshot.output).count();
            is_quiet(snapshot) && (snapshot.has_ended || count(&CONNECTED) <= count(&DISCONNECTED))
        };
        // One who is meant to stay is not waited for for ever.
        if !server.process.wait_until(asked + CLIENTS_END, are_gone) {
            server.process.wait_until(asked + CLIENTS_END, is_quiet);
        }
        if server.process.wait_until(Instant::now(), |snapshot| snapshot.has_ended) {
            // Its last words are read to the end.
            server.process.end();
        }
        let said = whole_lines(server.process.output_from(server.shown));
        server.shown += said.len();
        Ok(said)
    }

    /// Ends the server as Ctrl-C does; what it says then, the log still shows.
    ///
    /// # Errors
    ///
    /// When there is none, or it does not end.
    pub fn stop(&mut self) -> Result<(), Error> {
        let server = self.server.as_mut().filter(|server| !server.is_stopped);
        let server = server.ok_or_else(no_server)?;
        server.is_stopped = true;
        server.process.interrupt();
        let deadline = Instant::now() + END_LIMIT;
        let has_ended = server.process.wait_until(deadline, |snapshot| snapshot.has_ended);
        server.process.end();
        match has_ended {
            true => Ok(()),
            false => Err((
                format!("the server did not end within {} s of its SIGINT", END_LIMIT.as_secs()),
                "end its clients before, or give it a shorter `--grace`".to_owned(),
            )),
        }
    }

    /// Ends the page: its server with it.
    pub fn clear(&mut self) {
        if self.server.as_ref().is_some_and(|server| !server.is_stopped) {
            let _ = self.stop();
        }
        self.server = None;
        self.turn = None;
    }
}

fn no_server() -> Error {
    let help = "start one above: `<!-- serve -->` and a fence with its command";
    ("no server runs".to_owned(), help.to_owned())
}

fn code_of(status: process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// What it said last, to be put behind what went wrong.
#[must_use]
pub fn last_words(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let says = |line: &&str| !line.trim().is_empty();
    // What cargo explains below an error helps less than the error.
    let error = text.lines().find(|line| line.starts_with("error"));
    let last = error.or_else(|| text.lines().rev().find(says));
    last.map_or_else(
        || "; it said nothing".to_owned(),
        |line| format!("; it said `{}`", line.trim()),
    )
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// Without a line that has not ended yet.
fn whole_lines(mut output: Vec<u8>) -> Vec<u8> {
    let end = output.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    output.truncate(end);
    output
}

/// Waits for what another program does with a port that the command names.
fn wait_for_ports(command: &str, progress: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let named = PORT.find_iter(command).filter_map(|port| port.as_str().parse().ok());
    let mut ports: Vec<u16> = named.filter(|&port| port >= 1024).collect();
    if ports.is_empty() && command.contains("serve-") {
        ports.push(4000);
    }
    let deadline = Instant::now() + PORT_LIMIT;
    let mut is_told = false;
    loop {
        let taken = listeners();
        let Some(port) = ports.iter().find(|port| taken.iter().any(|(_, at)| at == *port)) else {
            return Ok(());
        };
        if Instant::now() >= deadline {
            let what = format!("port {port} is taken by another program");
            return Err((what, "end that one, or choose another port".to_owned()));
        }
        if !is_told {
            progress(&format!("  port {port} is taken by another program; waiting for it"));
            is_told = true;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Whether a process of this group listens.
fn listens(group: i32) -> bool {
    let sockets: BTreeSet<u64> = listeners().into_iter().map(|(inode, _)| inode).collect();
    processes_of(group).any(|folder| {
        let descriptors = fs::read_dir(folder.join("fd")).into_iter().flatten().flatten();
        let mut targets = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
        targets.any(|target| {
            let target = target.to_string_lossy().into_owned();
            let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
            inode.and_then(|inode| inode.parse().ok()).is_some_and(|it| sockets.contains(&it))
        })
    })
}

/// The folders in `/proc` of a group's processes.
fn processes_of(group: i32) -> impl Iterator<Item = PathBuf> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    folders.filter(move |folder| {
        let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
        // The name, in brackets, may have anything in it: state, parent and group come behind.
        let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
        behind.split_whitespace().nth(2).and_then(|it| it.parse().ok()) == Some(group)
    })
}

/// All TCP sockets that listen: inode and port.
fn listeners() -> Vec<(u64, u16)> {
    const LISTEN: &str = "0A";
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let lines = tables.iter().map(|table| fs::read_to_string(table).unwrap_or_default());
    let lines: Vec<String> = lines.collect();
    let listener = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let port = columns.get(1)?.rsplit_once(':')?.1;
        (*columns.get(3)? == LISTEN).then_some(())?;
        Some((columns.get(9)?.parse().ok()?, u16::from_str_radix(port, 16).ok()?))
    };
    lines.iter().flat_map(|table| table.lines().skip(1).filter_map(listener)).collect()
}
