//! The process of a server.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{self, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use harness::port::{self, Listening};
use harness::text::error_line;
use harness::{Group, Signal, describe_exit};

use super::Setup;
use super::command::{Command, display, with_values};
use super::log::Log;

/// The interval of the checks for conditions that the system does not report.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The maximum time until the rest of the output of an ended process has been read. Another process
/// may keep the pipe open.
const OUTPUT_TIMEOUT: Duration = Duration::from_millis(500);

/// The time for which the list of a server's processes is kept. To create the list, all processes
/// of the machine must be read.
const PIDS_LIFETIME: Duration = Duration::from_secs(1);

/// A server's process, and all processes that it starts. Dropping the value kills them.
pub(super) struct Process {
    group: Group,
    /// The command line in readable form.
    pub command_line: String,
    /// The port that the command got, or `None` if the server reports its address in its log.
    port: Option<u16>,
    log: Arc<Log>,
    readers: Vec<JoinHandle<()>>,
    /// Indicates whether this program has asked the server to end.
    pub is_asked_to_end: bool,
    pids: Option<(Instant, Vec<u32>)>,
}

/// Describes how a server's process ended.
pub(super) struct Ending {
    /// A description, such as `exit code 0`.
    pub description: String,
    /// Indicates whether the server ended although this program had not asked it to end.
    pub is_unexpected: bool,
}

impl Process {
    /// Starts a server that sends `file`. Only siblings depend on `setup`.
    pub fn spawn(
        command: &Command,
        setup: Setup,
        file: &Path,
        log: Arc<Log>,
    ) -> anyhow::Result<Self> {
        let is_sibling = !matches!(command, Command::Other(_));
        let mut words = command.words()?;
        if is_sibling {
            words.retain(|word| !setup.omits_chunks || word != "--log-chunks");
            words.extend(setup.arguments.iter().map(|&argument| argument.to_owned()));
        }
        let port = if is_sibling { None } else { Some(port::free()?) };
        let words = with_values(&words, file, port.unwrap_or_default());
        let program = words.first().context("the command is empty")?;
        let mut started = process::Command::new(program);
        started.args(&words[1..]).stdin(Stdio::null());
        started.stdout(Stdio::piped()).stderr(Stdio::piped());
        log.begin(is_sibling);
        let mut group = Group::spawn(&mut started).map_err(|error| {
            let name = program.to_string_lossy();
            match error.kind() {
                io::ErrorKind::NotFound => {
                    anyhow!("`{name}` is not installed\nhelp: install it, or change the command")
                }
                _ => anyhow!("`{name}`: {error}"),
            }
        })?;
        let mut readers = Vec::new();
        let child = group.child();
        if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
            let of_stdout = Arc::clone(&log);
            let of_stderr = Arc::clone(&log);
            readers.push(thread::spawn(move || of_stdout.read_stdout(stdout)));
            // A sibling prints a start message to stderr, whose content is also in its log.
            readers.push(thread::spawn(move || of_stderr.read_stderr(stderr, !is_sibling)));
        }
        let command_line = display(&words, file);
        Ok(Self { group, command_line, port, log, readers, is_asked_to_end: false, pids: None })
    }

    /// Waits until the server listens, and returns its address.
    pub fn wait_until_listening(&mut self, timeout: Duration) -> anyhow::Result<SocketAddr> {
        let started = Instant::now();
        loop {
            if let Some(addr) = self.listening() {
                return Ok(addr);
            }
            if let Some(ending) = self.ending() {
                bail!("the server ended before it listened: {}", ending.description);
            }
            if started.elapsed() > timeout {
                let s = timeout.as_secs();
                let Some(port) = self.port else { bail!("the server did not listen within {s} s") };
                bail!(
                    "the server did not listen on port {port} within {s} s\n\
                     help: the server must use the port that replaces {{port}}"
                );
            }
            thread::sleep(POLL_INTERVAL.max(started.elapsed() / 16));
        }
    }

    fn listening(&self) -> Option<SocketAddr> {
        let Some(port) = self.port else { return self.log.addr() };
        match port::listening(port) {
            Listening::At(ip) => Some((ip, port).into()),
            Listening::No => None,
            Listening::Unknown => {
                let addr = SocketAddr::from(([127, 0, 0, 1], port));
                TcpStream::connect(addr).is_ok().then_some(addr)
            }
        }
    }

    /// Returns how the process ended, or `None` if it runs. After the end, waits until the rest of
    /// the output has been read.
    pub fn ending(&mut self) -> Option<Ending> {
        let status = self.group.status()?;
        let ended = Instant::now();
        while !self.readers.iter().all(JoinHandle::is_finished) && ended.elapsed() < OUTPUT_TIMEOUT
        {
            thread::sleep(POLL_INTERVAL);
        }
        self.log.end();
        let is_unexpected = !self.is_asked_to_end;
        let mut description = describe_exit(status);
        // Without an error, the last line of stderr is usually part of the start message.
        let states_error = |line: &String| {
            let line = line.to_ascii_lowercase();
            is_unexpected && (line.contains("error") || line.contains("panicked"))
        };
        let line = error_line(&self.log.stderr()).filter(states_error);
        if let Some(line) = line {
            description = format!("{description}; stderr: {line}");
        }
        Some(Ending { description, is_unexpected })
    }

    /// Sends a signal to the server.
    pub fn signal(&mut self, signal: Signal) {
        self.is_asked_to_end |= !matches!(signal, Signal::Stop | Signal::Continue);
        self.group.signal(signal);
    }

    /// Waits until the process ends, and kills it after the timeout. How it ends is not important.
    pub fn stop(mut self, timeout: Duration) -> Ending {
        self.is_asked_to_end = true;
        self.group.wait(timeout);
        self.group.kill();
        // Waits until the rest of the output has been read.
        self.ending();
        Ending { description: "stopped by flow".to_owned(), is_unexpected: false }
    }

    /// Returns the ids of the server's processes.
    pub fn pids(&mut self) -> Vec<u32> {
        // A sibling starts no other process.
        if self.port.is_none() {
            return vec![self.group.id()];
        }
        match &self.pids {
            Some((read, pids)) if read.elapsed() < PIDS_LIFETIME => pids.clone(),
            _ => self.pids.insert((Instant::now(), self.group.pids())).1.clone(),
        }
    }
}
