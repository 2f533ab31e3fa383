//! Starts, measures and stops a server as a process.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use harness::port::{self, Listening};
use harness::{Group, TempFolder, describe_exit, text, usage};

use super::participant::{Participant, Settings};
use crate::cpu;
use crate::load::{self, Expected, Hold, Job, Plan, Report};
use crate::suite::noise_file;

/// The maximum time until a server listens. The time is long because strace makes the start slower.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The interval at which the launcher checks whether a server listens.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// The maximum time until a server ends after `SIGTERM`. The time is long because strace makes the
/// shutdown slower.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The time between the end of the last connection and the reading of the CPU time. During this
/// time, a server completes work that it postponed, such as writing its log.
const SETTLE_TIME: Duration = Duration::from_millis(50);

/// The maximum segment size of a non-reading client, in bytes. Every network supports segments of
/// this size (RFC 9293, 3.7.1). With larger segments, the kernel would accept megabytes per client
/// on loopback.
const SEGMENT_BYTES: u32 = 536;

/// The maximum time until all non-reading clients have connected. This constant is also the maximum
/// time for which a client waits for data.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(120);

/// A file that servers send, and the expected reply.
#[derive(Clone, Debug)]
pub struct ServedFile {
    path: PathBuf,
    expected: Expected,
}

impl ServedFile {
    /// Computes the hash of a file. After this call, the file is in the page cache.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn new(path: PathBuf) -> io::Result<Self> {
        Ok(Self { expected: Expected::of_file(&path)?, path })
    }
}

/// Starts servers and writes the files that these servers send.
#[derive(Debug)]
pub struct Launcher {
    program: PathBuf,
    folder: TempFolder,
    files: HashMap<u64, ServedFile>,
}

impl Launcher {
    /// Creates a temporary folder in `folder`. The launcher starts siblings as processes of
    /// `program`, which must call [`main_of_server`](super::main_of_server) first. Usually,
    /// `program` is the program that calls this function.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be created.
    pub fn new(program: PathBuf, folder: &Path) -> io::Result<Self> {
        Ok(Self { program, folder: TempFolder::within(folder)?, files: HashMap::new() })
    }

    /// Returns the path of the folder for the files of the servers.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns a file whose length is `bytes`. Writes the file if it does not exist.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn file(&mut self, bytes: u64) -> io::Result<ServedFile> {
        if !self.files.contains_key(&bytes) {
            let served = ServedFile::new(noise_file(self.folder(), bytes)?)?;
            self.files.insert(bytes, served);
        }
        Ok(self.files[&bytes].clone())
    }

    /// Starts a server on a free port of 127.0.0.1 and waits until the server listens.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be started, if it ends early, or if it does not listen within
    /// `START_TIMEOUT`.
    pub fn start(
        &self,
        participant: &Participant,
        served: &ServedFile,
        settings: Settings<'_>,
    ) -> io::Result<Server> {
        let folder = self.folder();
        let port = port::free()?;
        let mut words = settings.prefix.to_vec();
        words.extend(participant.command(&self.program, settings, (&served.path, port), folder)?);
        let stderr = folder.join("stderr.txt");
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stderr(File::create(&stderr)?);
        command.stdout(match settings {
            Settings { is_quiet: true, .. } => Stdio::null(),
            Settings { is_piped: true, .. } => Stdio::piped(),
            _ => File::create(folder.join("stdout.txt"))?.into(),
        });
        let group = Group::spawn(&mut command).map_err(|error| {
            let program = words[0].to_string_lossy();
            io::Error::other(match error.kind() {
                io::ErrorKind::NotFound => format!("`{program}` is not installed"),
                _ => format!("cannot start `{program}`: {error}"),
            })
        })?;
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let mut server = Server { group, addr, served: served.clone(), stderr };
        server.wait_until_listening()?;
        Ok(server)
    }
}

/// A server that is running. Dropping this value kills the server's processes.
#[derive(Debug)]
pub struct Server {
    group: Group,
    addr: SocketAddr,
    served: ServedFile,
    stderr: PathBuf,
}

impl Server {
    /// Waits until the server listens. Does not connect to the server, because the server would
    /// need CPU time and system calls for this connection.
    fn wait_until_listening(&mut self) -> io::Result<()> {
        let started = Instant::now();
        loop {
            if let Listening::At(ip) = port::listening(self.addr.port()) {
                self.addr.set_ip(ip);
                return Ok(());
            }
            if let Some(status) = self.group.status() {
                let status = format!("the server ended with {}", describe_exit(status));
                return Err(self.error(status));
            }
            if started.elapsed() > START_TIMEOUT {
                let message = format!("the server did not listen within {START_TIMEOUT:?}");
                return Err(self.error(message));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Creates an error whose text consists of a message and the line of the server's stderr that
    /// best explains the failure.
    fn error(&self, message: String) -> io::Error {
        io::Error::other(match text::error_line(&self.stderr()) {
            Some(line) => format!("{message}; stderr: {line}"),
            None => message,
        })
    }

    /// Returns a plan for one client that verifies the whole reply. All servers get the same
    /// request. The request contains the name of the file, because nginx needs this name.
    pub fn plan(&self) -> Plan {
        let name = self.served.path.file_name().unwrap_or_default().to_string_lossy();
        let mut plan = Plan::new(self.addr);
        plan.request = format!("GET /{name} HTTP/1.0\r\n\r\n").into_bytes();
        plan.expected = Some(self.served.expected);
        plan
    }

    /// Executes a plan.
    ///
    /// # Errors
    ///
    /// Fails if a connection failed or a reply was incorrect.
    pub fn load(&self, plan: Plan) -> io::Result<Report> {
        self.check(load::run(plan)?)
    }

    /// Executes a plan with clients that discard the data. Returns the report, and the CPU time in
    /// seconds that the server used.
    ///
    /// # Errors
    ///
    /// Fails if a connection failed, if a reply was incorrect, or if a process of the server ended.
    pub fn time(&self, plan: Plan) -> io::Result<(Report, f64)> {
        let before = cpu::read(&self.pids())?;
        let report = self.load(Plan { is_discarding: true, ..plan })?;
        thread::sleep(SETTLE_TIME);
        Ok((report, cpu::seconds_between(&before, &cpu::read(&self.pids())?)?))
    }

    fn check(&self, report: Report) -> io::Result<Report> {
        let failed = report.failed_count();
        if failed == 0 {
            return Ok(report);
        }
        let total = report.completed + failed;
        let example = report.failed_examples.first().map_or("", String::as_str);
        Err(self.error(format!("{failed} of {total} connections failed; {example}")))
    }

    /// Connects clients that read nothing while `inspect` runs. When `inspect` has returned, the
    /// clients read the whole reply. `plan` is the plan for one client. Returns the report, and the
    /// result of `inspect`.
    ///
    /// The clients have small segments and receive buffers, as on a network. They connect from an
    /// address that no earlier connection used. Otherwise, the kernel would accept megabytes per
    /// client, and the server would have no unsent data.
    ///
    /// # Errors
    ///
    /// Fails if `inspect` fails, if a connection fails, or if a reply is incorrect.
    pub fn with_non_reading_clients<T>(
        &self,
        (clients, buffer_bytes): (u64, usize),
        mut plan: Plan,
        inspect: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<(Report, T)> {
        plan = plan.with_connections(clients, clients);
        plan.hold = Some(Hold::UntilReleased);
        plan.max_segment_bytes = Some(SEGMENT_BYTES);
        plan.receive_buffer_bytes = Some(buffer_bytes);
        plan.timeout = CLIENT_TIMEOUT;
        plan.source = Some(port::unused_loopback());
        let job = Job::new(plan)?;
        let inspect = || {
            if !job.wait_for_non_reading_clients(CLIENT_TIMEOUT) {
                let count = job.non_reading_clients();
                let message = format!(
                    "expected {clients} clients to receive a byte within {CLIENT_TIMEOUT:?}, \
                     got {count}"
                );
                return Err(io::Error::other(message));
            }
            let value = inspect()?;
            let ended = job.progress().0;
            let message = format!("{ended} non-reading clients were disconnected");
            if ended == 0 { Ok(value) } else { Err(io::Error::other(message)) }
        };
        let (report, value) = thread::scope(|scope| {
            let running = scope.spawn(|| job.run());
            let value = inspect();
            job.release();
            (running.join(), value)
        });
        let report = report.map_err(|_| io::Error::other("the load client panicked"))?;
        // If `inspect` failed, return the error from `inspect`, because this error is the cause of
        // the errors in the report.
        let value = value?;
        Ok((self.check(report?)?, value))
    }

    /// Returns the port on which the server listens.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Returns the ids of the server's processes.
    pub fn pids(&self) -> Vec<u32> {
        self.group.pids()
    }

    /// Returns the memory of the server's processes in bytes (proportional set size, PSS).
    ///
    /// # Errors
    ///
    /// Fails if the server has ended.
    pub fn memory_bytes(&self) -> io::Result<u64> {
        usage::memory_bytes(&self.pids()).ok_or_else(|| self.error("the server ended".to_owned()))
    }

    /// Returns the pipe that contains the server's stdout, or `None` if the stdout is not a pipe.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.group.child().stdout.take()
    }

    /// Returns what the server has printed to stderr, or an empty string if the file cannot be read.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Returns the content of the file that the server sends.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn content(&self) -> io::Result<Vec<u8>> {
        fs::read(&self.served.path)
    }

    /// Returns the exit status of the server, or `None` if the server is running.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.group.status()
    }

    /// Sends `SIGTERM` to the server. Kills the server if it does not end within `STOP_TIMEOUT`.
    /// Returns the exit status of the server.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.group.stop(STOP_TIMEOUT)
    }
}
