//! A server while a check runs: how it is started, watched and ended.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::check::{Outcome, Stop};
use crate::client::Client;
use crate::system::{self, Listening, Signal};
use crate::target::{Settings, Target};

/// How long a server that has listened before may take to listen again, on a busy computer.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How often something is looked at that nobody tells of: a port, a process.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// How long a process that dies may take to be dead: its connections break a moment before.
const DYING_TIME: Duration = Duration::from_millis(500);

/// As much of stderr as helps: below the line that says what it was may lie a long backtrace.
const STDERR_BYTES_MAX: usize = 20_000;

/// As many lines of stdout as any check causes, several times over.
const STDOUT_LINES_MAX: usize = 500_000;

/// Where one check plays: its target, and a folder with the file to serve.
#[derive(Debug)]
pub struct Stage<'a> {
    pub target: &'a Target,
    folder: TempDir,
    /// All that was started here. They are ended when the stage is left.
    processes: Mutex<Vec<Arc<Process>>>,
}

/// How a server is started, beyond what its command is told.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    pub settings: Settings,
    /// How long it may take to listen.
    pub timeout: Duration,
    /// The limit of descriptors, where a shell can set one.
    pub descriptors: Option<u64>,
    pub stdout: Stdout,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            timeout: START_TIMEOUT,
            descriptors: None,
            stdout: Stdout::Read,
        }
    }
}

/// What becomes of the server's stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stdout {
    /// It is read.
    #[default]
    Read,
    /// It is a pipe that nobody reads.
    Unread,
    /// It is a pipe whose reader has gone.
    Closed,
}

impl<'a> Stage<'a> {
    pub fn new(target: &'a Target) -> io::Result<Self> {
        Ok(Self { target, folder: tempfile::tempdir()?, processes: Mutex::default() })
    }

    /// How a server here ended by itself, or else the last line of its stderr: not all who see a
    /// connection break know of it.
    pub fn last_words(&self) -> Option<String> {
        let processes = lock(&self.processes);
        let process = processes.last()?;
        if process.is_asked_to_end.load(Ordering::Relaxed) {
            return None;
        }
        // Before the wait: what is said in it may be about the clients that the check left behind.
        let line = process.last_line();
        match process.wait(DYING_TIME) {
            Some(_) => process.ended().map(|ended| format!("the server's process ended: {ended}")),
            None => Some(line).filter(|line| !line.is_empty()),
        }
    }

    /// The file that is served.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("file.bin")
    }

    pub fn write(&self, content: &[u8]) -> io::Result<()> {
        fs::write(self.file(), content)
    }

    /// Makes the file so long, without filling it: it reads as zeros and costs nothing.
    pub fn set_len(&self, bytes: u64) -> io::Result<()> {
        File::options().create(true).append(true).open(self.file())?.set_len(bytes)
    }

    /// A server of this content, started as usual.
    pub fn serve(&self, content: &[u8]) -> Result<Server, Stop> {
        self.write(content)?;
        self.start(Start::default())
    }

    /// A server of a file of so many zeros.
    pub fn serve_zeros(&self, bytes: u64) -> Result<Server, Stop> {
        self.set_len(bytes)?;
        self.start(Start::default())
    }

    pub fn start(&self, start: Start) -> Result<Server, Stop> {
        Server::start(self, start)
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        for process in lock(&self.processes).iter() {
            system::kill_group(&mut lock(&process.child));
        }
    }
}

/// What was started. Its stage ends it, with all that it started itself.
#[derive(Debug)]
struct Process {
    child: Mutex<Child>,
    stderr: Arc<Mutex<String>>,
    /// Whether all of stderr was read.
    is_stderr_over: Arc<AtomicBool>,
    is_asked_to_end: AtomicBool,
}

impl Process {
    /// How it ended, in words, if it has.
    fn ended(&self) -> Option<String> {
        let status = lock(&self.child).try_wait().ok().flatten()?;
        // Its last words are in the pipe; whoever else has the pipe need not be waited for.
        let since = Instant::now();
        while !self.is_stderr_over.load(Ordering::Acquire) && since.elapsed() < DYING_TIME {
            thread::sleep(LOOK_INTERVAL);
        }
        Some(match self.last_line() {
            line if line.is_empty() => in_words(status),
            line => format!("{}; {line}", in_words(status)),
        })
    }

    /// Waits for its end; `None` if it does not come in time.
    fn wait(&self, timeout: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = lock(&self.child).try_wait().ok().flatten() {
                return Some(status);
            }
            if started.elapsed() >= timeout {
                return None;
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// The line of stderr that says most, if it said anything.
    fn last_line(&self) -> String {
        let stderr = lock(&self.stderr);
        // A stack trace's best line says what it was; it is seldom the last.
        let is_telling = |line: &&str| {
            let line = line.to_ascii_lowercase();
            line.contains("error: ") || line.contains("panicked")
        };
        let mut lines = stderr.lines();
        let line = match lines.find(is_telling) {
            // A panic in Rust says where, and in the next line what.
            Some(line) if line.ends_with(':') => {
                format!("{line} {}", lines.next().unwrap_or_default())
            }
            Some(line) => line.to_owned(),
            None => stderr.trim().lines().last().unwrap_or_default().to_owned(),
        };
        match line.trim() {
            "" => String::new(),
            line => {
                let printable: String = line.chars().filter(|c| !c.is_control()).collect();
                format!("stderr: {printable}")
            }
        }
    }
}

/// How a process ended, with the names of the signals that servers die of.
pub fn in_words(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return match signal {
            2 => "signal 2 (SIGINT)".to_owned(),
            7 => "signal 7 (SIGBUS)".to_owned(),
            11 => "signal 11 (SIGSEGV)".to_owned(),
            13 => "signal 13 (SIGPIPE)".to_owned(),
            15 => "signal 15 (SIGTERM), which it does not handle".to_owned(),
            other => format!("signal {other}"),
        };
    }
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    pub addr: SocketAddr,
    settings: Settings,
    silence_timeout: Duration,
    process: Arc<Process>,
    group: u32,
    stdout: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    /// Kept open, but not read.
    _unread: Option<std::process::ChildStdout>,
}

impl Server {
    fn start(stage: &Stage<'_>, start: Start) -> Result<Self, Stop> {
        let port = free_port()?;
        let words = stage.target.words(&stage.file(), port, start.settings);
        let mut child = system::spawn_group(&mut command(&words, start)).map_err(|error| {
            Stop::fail(format!("{} cannot be started: {error}", words[0].to_string_lossy()))
        })?;
        let (group, stdout, stderr) = (child.id(), child.stdout.take(), child.stderr.take());
        let process = Arc::new(Process {
            child: Mutex::new(child),
            stderr: Arc::default(),
            is_stderr_over: Arc::default(),
            is_asked_to_end: AtomicBool::new(false),
        });
        lock(&stage.processes).push(Arc::clone(&process));
        if let Some(stderr) = stderr {
            let text = Arc::clone(&process.stderr);
            let is_over = Arc::clone(&process.is_stderr_over);
            thread::spawn(move || {
                keep_text(stderr, &text);
                is_over.store(true, Ordering::Release);
            });
        }
        let lines = Arc::default();
        let (mut readers, mut unread) = (Vec::new(), None);
        match (stdout, start.stdout) {
            (Some(stdout), Stdout::Read) => {
                let lines = Arc::clone(&lines);
                readers.push(thread::spawn(move || keep_lines(stdout, &lines)));
            }
            (Some(stdout), Stdout::Unread) => {
                system::shrink_pipe(&stdout);
                unread = Some(stdout);
            }
            (_, Stdout::Closed) | (None, _) => {}
        }
        let mut server = Self {
            addr: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port),
            settings: start.settings,
            silence_timeout: stage.target.silence_timeout,
            process,
            group,
            stdout: lines,
            readers,
            _unread: unread,
        };
        server.wait_until_it_listens(start.timeout)?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self, timeout: Duration) -> Outcome {
        let started = Instant::now();
        while started.elapsed() < timeout {
            if let Some(ended) = self.ended() {
                return Err(Stop::fail(format!("it ended before it listened: {ended}")));
            }
            match system::listening(self.addr.port()) {
                Listening::At(ip) => {
                    self.addr.set_ip(ip);
                    return Ok(());
                }
                Listening::Unknown if self.answers() => return Ok(()),
                Listening::Unknown | Listening::No => thread::sleep(LOOK_INTERVAL),
            }
        }
        let port = self.addr.port();
        let waited = timeout.as_secs();
        Err(Stop::fail(format!(
            "it runs, but after {waited} s nobody listens on port {port} of this machine; does it \
             use the port that it is given as {{port}}?"
        )))
    }

    /// Where the system does not tell who listens: a client that reads all and leaves politely.
    fn answers(&self) -> bool {
        let Ok(client) = Client::connect(self) else { return false };
        let _ = client.read_until_end(Duration::from_secs(2));
        true
    }

    /// The head of its processes' group.
    pub fn group(&self) -> u32 {
        self.group
    }

    /// The maximum time that a client waits for the next byte of a reply.
    pub fn silence_timeout(&self) -> Duration {
        self.silence_timeout
    }

    /// What has to come before the file.
    pub fn preamble(&self) -> &'static [u8] {
        match self.settings.preamble {
            "bare" => b"HTTP/1.1\n\n",
            _ => b"",
        }
    }

    pub fn connect(&self) -> Result<Client, Stop> {
        Client::connect(self)
    }

    /// A client for which the kernel has little room, so that the server soon has to wait for it.
    pub fn connect_small(&self) -> Result<Client, Stop> {
        Client::connect_small(self)
    }

    /// A client that only wants the file gets it.
    pub fn expect_whole(&self, content: &[u8]) -> Outcome {
        self.connect()?.expect_whole(content)
    }

    /// How it ended, in words, if it has.
    pub fn ended(&self) -> Option<String> {
        self.process.ended()
    }

    /// The process must be there.
    pub fn expect_alive(&self) -> Outcome {
        match self.ended() {
            None => Ok(()),
            Some(ended) => Err(Stop::fail(format!("the server's process ended: {ended}"))),
        }
    }

    /// Waits for its end; `None` if it does not come in time.
    pub fn wait(&self, timeout: Duration) -> Option<ExitStatus> {
        self.process.wait(timeout)
    }

    /// Sends a signal to the process that the command became.
    pub fn signal(&self, signal: Signal) {
        self.process.is_asked_to_end.store(true, Ordering::Relaxed);
        system::signal_process(self.group, signal);
    }

    /// Sends a signal to it and all that it started.
    pub fn signal_all(&self, signal: Signal) {
        system::signal_group(self.group, signal);
    }

    /// The events that it printed so far; `None` if it prints something else.
    pub fn events(&self) -> Option<Vec<Value>> {
        let lines = lock(&self.stdout);
        let is_event = |line: &String| {
            let event: Option<Value> = serde_json::from_str(line).ok();
            event.is_some_and(|event| event["event"].is_string())
        };
        if !lines.first().is_some_and(is_event) {
            return None;
        }
        // A line that is no event stands out as one that has no name.
        Some(lines.iter().map(|line| serde_json::from_str(line).unwrap_or_default()).collect())
    }

    /// Waits until its events hold something; false if they do not in time.
    pub fn wait_for_events(&self, timeout: Duration, holds: impl Fn(&[Value]) -> bool) -> bool {
        let started = Instant::now();
        loop {
            if self.events().is_some_and(|events| holds(&events)) {
                return true;
            }
            if started.elapsed() >= timeout {
                return false;
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// The lines that it printed so far.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.stdout).clone()
    }

    /// The lines that it printed; all of them if it has ended.
    pub fn all_lines_if_ended(&mut self) -> Vec<String> {
        if self.ended().is_some() {
            for reader in self.readers.drain(..) {
                let _ = reader.join();
            }
        }
        self.lines()
    }
}

/// The command of one run, with the limit of descriptors that a shell can set.
fn command(words: &[OsString], start: Start) -> Command {
    let mut command = match start.descriptors {
        None => Command::new(&words[0]),
        Some(limit) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]);
            shell.arg(&words[0]);
            shell
        }
    };
    // Whoever starts the server by hand has this seldom, and it hides what Python's buffers do.
    command.env_remove("PYTHONUNBUFFERED");
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep_lines(stdout: impl Read, lines: &Mutex<Vec<String>>) {
    for line in BufReader::new(stdout).split(b'\n') {
        let Ok(line) = line else { return };
        let mut lines = lock(lines);
        if lines.len() < STDOUT_LINES_MAX {
            lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
    }
}

fn keep_text(mut stderr: impl Read, text: &Mutex<String>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        let mut text = lock(text);
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        let excess = text.len().saturating_sub(STDERR_BYTES_MAX);
        let cut = (excess..).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.drain(..cut);
    }
}

/// A port that nobody has. It lies below those that systems hand out to clients (from 32768 on Linux,
/// 49152 elsewhere), so that none of our own clients can take it before the server does.
fn free_port() -> Result<u16, Stop> {
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two of us at the same time begin at different places.
    let start = u16::try_from(std::process::id() * 331 % u32::from(COUNT)).unwrap_or(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (u32::from(start) + u32::from(step)).rem_euclid(u32::from(COUNT)) as u16;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Stop::fail("the check itself failed: there is no free port"))
}
