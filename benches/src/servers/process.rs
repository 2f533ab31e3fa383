//! A server as a process, from its start to its end.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use harness::port::{self, Listening};
use harness::{Group, TempFolder, describe_exit, text, usage};

use super::participant::{Participant, Settings};
use crate::cpu;
use crate::load::{self, Expected, Hold, Job, Plan, Report};
use crate::suite::noise_file;

/// How long a server may take to listen. With strace, this takes long.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The interval between two checks whether a server listens.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// How long a server may take to end. With strace, this takes long.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Work that a server postpones until its clients have left counts too, for example a log that is
/// written later.
const REST: Duration = Duration::from_millis(50);

/// The maximum size of a segment of a non-reading client, in bytes. Each network carries segments
/// of this size (RFC 9293, 3.7.1). With larger ones, the kernel accepts megabytes within one
/// machine.
const SEGMENT_BYTES: u32 = 536;

/// How long non-reading clients may take to connect, or wait for data.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(120);

/// A file to serve.
#[derive(Clone, Debug)]
pub struct Served {
    path: PathBuf,
    expected: Expected,
}

impl Served {
    /// Reads a file, so that it is in the page cache.
    pub fn new(path: PathBuf) -> io::Result<Self> {
        Ok(Self { expected: Expected::of_file(&path)?, path })
    }
}

/// Starts servers, and makes the files that they send.
#[derive(Debug)]
pub struct Launcher {
    program: PathBuf,
    folder: TempFolder,
    files: HashMap<u64, Served>,
}

impl Launcher {
    /// Creates a temporary folder within another folder. The program must call
    /// [`main_of_server`](super::main_of_server), and should be the caller itself.
    pub fn new(program: PathBuf, folder: &Path) -> io::Result<Self> {
        Ok(Self { program, folder: TempFolder::within(folder)?, files: HashMap::new() })
    }

    /// The folder for the files of the servers.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns a file with this number of bytes, which is written if it does not exist.
    pub fn file(&mut self, bytes: u64) -> io::Result<Served> {
        if !self.files.contains_key(&bytes) {
            let served = Served::new(noise_file(self.folder(), bytes)?)?;
            self.files.insert(bytes, served);
        }
        Ok(self.files[&bytes].clone())
    }

    /// Starts a server, and waits until it listens.
    pub fn start(
        &self,
        participant: &Participant,
        served: &Served,
        settings: Settings<'_>,
    ) -> io::Result<Server> {
        let folder = self.folder();
        let port = port::free()?;
        let mut words = settings.prefix.to_vec();
        words.extend(participant.command(&self.program, settings, (&served.path, port), folder)?);
        let stderr = folder.join("stderr.txt");
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stderr(File::create(&stderr)?);
        match settings.is_quiet {
            true => command.stdout(Stdio::null()),
            false => command.stdout(File::create(folder.join("stdout.txt"))?),
        };
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

/// A server that listens. It is killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    group: Group,
    addr: SocketAddr,
    served: Served,
    stderr: PathBuf,
}

impl Server {
    /// Waits without connecting, because a connection would be measured.
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

    /// Adds the most important line of stderr to an error.
    fn error(&self, message: String) -> io::Error {
        let stderr = fs::read_to_string(&self.stderr).unwrap_or_default();
        io::Error::other(match text::error_line(&stderr) {
            Some(line) => format!("{message}; its stderr: {line}"),
            None => message,
        })
    }

    /// Returns a plan for one client that verifies the whole reply. Its request is the same for all
    /// servers: nginx needs the name of the file.
    pub fn plan(&self) -> Plan {
        let name = self.served.path.file_name().unwrap_or_default().to_string_lossy();
        let mut plan = Plan::new(self.addr);
        plan.request = format!("GET /{name} HTTP/1.0\r\n\r\n").into_bytes();
        plan.expected = Some(self.served.expected);
        plan
    }

    /// Carries out a plan.
    pub fn load(&self, plan: Plan) -> io::Result<Report> {
        self.check(load::run(plan)?)
    }

    /// Carries out a plan whose clients discard the data. Also returns the CPU time that the server
    /// used for it, in seconds.
    pub fn time(&self, plan: Plan) -> io::Result<(Report, f64)> {
        let before = cpu::read(&self.pids())?;
        let report = self.load(Plan { is_discarding: true, ..plan })?;
        thread::sleep(REST);
        Ok((report, cpu::seconds_between(&before, &cpu::read(&self.pids())?)?))
    }

    fn check(&self, report: Report) -> io::Result<Report> {
        let failed = report.failed_count();
        if failed == 0 {
            return Ok(report);
        }
        let total = report.completed + failed;
        let example = report.failed_examples.first().map_or("", String::as_str);
        Err(self.error(format!("{failed} of {total} connections failed: {example}")))
    }

    /// Connects clients that read nothing until `look` has returned, and then everything.
    ///
    /// They have small segments and receive buffers, as on a network, and come from an address that
    /// no earlier connection used. Otherwise the kernel would accept megabytes for each client, and
    /// the server would have nothing left to send.
    pub fn with_non_reading_clients<T>(
        &self,
        (clients, buffer_bytes): (u64, usize),
        mut plan: Plan,
        look: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<(Report, T)> {
        plan = plan.with_connections(clients, clients);
        plan.hold = Some(Hold::UntilReleased);
        plan.max_segment_bytes = Some(SEGMENT_BYTES);
        plan.receive_buffer_bytes = Some(buffer_bytes);
        plan.timeout = CLIENT_TIMEOUT;
        plan.source = Some(port::unused_loopback());
        let job = Job::new(plan)?;
        let look = || {
            if !job.wait_for_non_reading_clients(CLIENT_TIMEOUT) {
                let count = job.non_reading_clients();
                let message = format!("only {count} of {clients} clients got a byte in time");
                return Err(io::Error::other(message));
            }
            let seen = look()?;
            let ended = job.progress().0;
            let message = format!("{ended} non-reading clients were disconnected");
            if ended == 0 { Ok(seen) } else { Err(io::Error::other(message)) }
        };
        let (report, seen) = thread::scope(|scope| {
            let running = scope.spawn(|| job.run());
            let seen = look();
            job.release();
            (running.join(), seen)
        });
        let report = report.map_err(|_| io::Error::other("the load client panicked"))?;
        // An error while the clients read nothing is the cause of later errors.
        let seen = seen?;
        Ok((self.check(report?)?, seen))
    }

    /// The port on which the server listens.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Returns the ids of the server's processes.
    pub fn pids(&self) -> Vec<u32> {
        self.group.pids()
    }

    /// Reads the memory of the server, in bytes (PSS).
    pub fn memory_bytes(&self) -> io::Result<u64> {
        usage::memory_bytes(&self.pids()).ok_or_else(|| self.error("the server ended".to_owned()))
    }

    /// Shuts the server down.
    pub fn stop(mut self) {
        self.group.stop(STOP_TIMEOUT);
    }
}
