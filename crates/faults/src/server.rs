//! A sibling that runs as a separate process.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use harness::text::{elapsed, error_line};
use harness::{Group, Signal, TempFolder, describe_exit, port, usage};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;
use serve_core::Approach;

use crate::fault::{Result, fail};

/// The length of a file that does not fit into the buffers of a connection, in bytes.
const LONG_FILE_BYTES: u64 = 64 << 20;

/// The grace period of each server, and the maximum time from `SIGTERM` until the exit.
const GRACE: &str = "1s";
const EXIT_LIMIT: Duration = Duration::from_secs(2);

/// The time for which the suite waits for a server that does not exit, so that the table contains a
/// time that exceeds the limit by far.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum time until a server listens.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for which the suite waits for the end of a server that may be crashing.
const END_TIMEOUT: Duration = Duration::from_millis(300);

/// The interval at which the suite checks a condition.
pub const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A server that has not been started.
pub struct Start {
    approach: &'static str,
    args: Vec<String>,
    prefix: Vec<String>,
    host: IpAddr,
    file: PathBuf,
    folder: TempFolder,
    stdout: Option<Stdio>,
}

impl Start {
    /// Prepares a server that sends a long file of zeros.
    pub fn new(approach: &Approach, args: &[&str]) -> Result<Self> {
        let folder = TempFolder::new()?;
        let file = folder.path().join("file.bin");
        File::create(&file)?.set_len(LONG_FILE_BYTES)?;
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        let host = Ipv4Addr::LOCALHOST.into();
        Ok(Self { approach: approach.name, args, prefix: vec![], host, file, folder, stdout: None })
    }

    /// Replaces the content of the file.
    pub fn content(self, content: &[u8]) -> Result<Self> {
        fs::write(&self.file, content)?;
        Ok(self)
    }

    /// Sets the length of the file. The file is sparse, so it needs no memory.
    pub fn file_bytes(self, bytes: u64) -> Result<Self> {
        File::create(&self.file)?.set_len(bytes)?;
        Ok(self)
    }

    /// Returns the path of the file.
    pub fn path(&self) -> PathBuf {
        self.file.clone()
    }

    /// Serves a different file.
    pub fn file(self, file: &Path) -> Self {
        Self { file: file.to_owned(), ..self }
    }

    /// Listens on this address instead of 127.0.0.1.
    pub fn host(self, host: IpAddr) -> Self {
        Self { host, ..self }
    }

    /// Starts the server with another program, whose command begins with these words.
    pub fn prefix(self, words: &[impl AsRef<str>]) -> Self {
        Self { prefix: words.iter().map(|word| word.as_ref().to_owned()).collect(), ..self }
    }

    /// Connects the server's stdout, which is otherwise a file that [`Server::log`] reads.
    pub fn stdout(self, stdout: impl Into<Stdio>) -> Self {
        Self { stdout: Some(stdout.into()), ..self }
    }

    /// Starts the server, and waits until it listens.
    pub fn listen(self) -> Result<Server> {
        let mut server = self.spawn()?;
        server.wait_until_listening()?;
        Ok(server)
    }

    /// Starts the server.
    pub fn spawn(self) -> Result<Server> {
        let addr = SocketAddr::new(self.host, port::free()?);
        let mut words = self.prefix.into_iter();
        let program = env::current_exe()?;
        let mut command = match words.next() {
            Some(first) => {
                let mut command = Command::new(first);
                command.args(words).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.arg(format!("serve-{}", self.approach)).arg(self.file);
        command.args(["--host", &addr.ip().to_string(), "--port", &addr.port().to_string()]);
        for (flag, value) in [("--grace", GRACE), ("--log", "json")] {
            if !self.args.iter().any(|arg| arg == flag) {
                command.args([flag, value]);
            }
        }
        let stdout = match self.stdout {
            Some(stdout) => stdout,
            None => File::create(self.folder.path().join("log"))?.into(),
        };
        let stderr = File::create(self.folder.path().join("stderr"))?;
        command.args(self.args).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let group = Group::spawn(&mut command)?;
        Ok(Server { group, addr, folder: self.folder })
    }
}

/// A server process. Dropping the value kills the process.
pub struct Server {
    pub group: Group,
    pub addr: SocketAddr,
    folder: TempFolder,
}

impl Server {
    /// Waits until the server listens. Fails if the server exits.
    pub fn wait_until_listening(&mut self) -> Result<()> {
        let is_listening = wait_until(LISTEN_TIMEOUT, || {
            self.group.status().is_some() || usage::listens(&[self.group.id()])
        });
        if let Some(end) = self.end() {
            return fail(format!("{end} at startup"));
        }
        match is_listening {
            true => Ok(()),
            false => fail(format!("not listening after {}", elapsed(LISTEN_TIMEOUT))),
        }
    }

    /// Returns how the process ended and what it reported, or `None` if it is running.
    pub fn end(&mut self) -> Option<String> {
        let status = self.group.status()?;
        let end = describe_exit(status);
        let is_error = |line: &String| {
            ["error: ", "panicked", "memory allocation"].iter().any(|words| line.contains(words))
        };
        Some(match error_line(&self.stderr()).filter(is_error) {
            Some(line) if !status.success() => format!("{end}, {line}"),
            _ => end,
        })
    }

    /// Returns how the process ended, or the symptom if it is still running after a moment.
    pub fn end_or(&mut self, symptom: String) -> String {
        self.group.wait(END_TIMEOUT);
        self.end().unwrap_or(symptom)
    }

    /// Returns the path of a file in the server's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn stderr(&self) -> String {
        read_lossy(&self.path("stderr"))
    }

    pub fn log(&self) -> String {
        read_lossy(&self.path("log"))
    }

    /// Returns the logged events with this name.
    pub fn events(&self, name: &str) -> Vec<Value> {
        let events = self.log();
        let events = events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["event"] == name).collect()
    }

    /// Returns the kinds of all logged errors.
    pub fn error_kinds(&self) -> Vec<String> {
        let errors = self.events("error");
        errors.iter().filter_map(|error| Some(error["kind"].as_str()?.to_owned())).collect()
    }

    /// Waits until the log contains at least `count` events with this name. Returns whether it does.
    pub fn wait_for(&self, count: usize, name: &str, timeout: Duration) -> bool {
        wait_until(timeout, || self.events(name).len() >= count)
    }

    /// Sets a resource limit of the process.
    pub fn limit(&self, resource: Resource, limit: Option<u64>) -> Result<()> {
        let maximum = getrlimit(resource).maximum;
        let pid = i32::try_from(self.group.id()).ok().and_then(Pid::from_raw);
        prlimit(pid, resource, Rlimit { current: limit.or(maximum), maximum })
            .map_err(std::io::Error::from)?;
        Ok(())
    }

    /// Returns a value in KiB from the process's status, such as `VmData`.
    pub fn status_kib(&self, name: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.group.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let value = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        value.map_or_else(|| fail(format!("no `{name}` in the status of the server")), Ok)
    }

    /// Returns the part of a core that the processes use during `span`, in percent. The time for
    /// which a runnable thread waits for a core counts as use.
    pub fn core_percent(&self, others: &[u32], span: Duration) -> f64 {
        let pids = [others, &[self.group.id()]].concat();
        let used = || usage::cpu_time_and_wait(&pids).unwrap_or_default();
        let (started, before) = (Instant::now(), used());
        thread::sleep(span);
        100.0 * used().saturating_sub(before).as_secs_f64() / started.elapsed().as_secs_f64()
    }

    /// Sends `SIGTERM`. The server must exit with code 0 within the grace period and one second.
    pub fn terminate(&mut self) -> Result {
        if let Some(end) = self.end() {
            return fail(format!("{end} before SIGTERM"));
        }
        let started = Instant::now();
        self.group.signal(Signal::Terminate);
        self.group.wait(EXIT_TIMEOUT);
        let took = started.elapsed();
        let Some(end) = self.end() else {
            return fail(format!("running {} after SIGTERM", elapsed(took)));
        };
        let measured = format!("{end} after {}", elapsed(took));
        match self.group.status().and_then(|status| status.code()) {
            Some(0) if took <= EXIT_LIMIT => Ok(measured),
            _ => fail(measured),
        }
    }
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// Waits until a condition is true, or until the timeout expires. Returns whether it is true.
pub fn wait_until(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if started.elapsed() >= timeout {
            return false;
        }
        thread::sleep(POLL_INTERVAL);
    }
}
