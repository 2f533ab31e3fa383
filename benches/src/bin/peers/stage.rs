//! Where it happens: the files that are served, and a server while it is measured.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use benches::load::{self, Expected, Kind, Plan, Report};
use benches::process::Group;
use benches::suite::write_file;

use crate::peer::{Peer, StartOptions};

/// How long a server may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(20);

const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// What a server puts off until after its clients counts, too: a log that is written late, say.
const AFTERWARDS: Duration = Duration::from_millis(50);

/// Another program may take a port that was free a moment ago.
const STARTS_MAX: usize = 3;

/// A file to serve.
#[derive(Clone, Debug)]
pub struct Served {
    pub path: PathBuf,
    pub expected: Expected,
    /// What all clients say, the same to all servers: nginx wants to be told the file's name.
    request: Vec<u8>,
}

impl Served {
    /// Looks at a file, and so warms the page cache.
    pub fn new(path: PathBuf) -> io::Result<Self> {
        let expected = Expected::of_file(&path)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let request = format!("GET /{} HTTP/1.0\r\n\r\n", name.unwrap_or_default()).into_bytes();
        Ok(Self { path, expected, request })
    }

    /// Makes a file of so many bytes, no two places of which look alike.
    pub fn make(path: PathBuf, bytes: u64) -> io::Result<Self> {
        write_file(&path, bytes)?;
        Self::new(path)
    }
}

/// How a server is started, beyond its file.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    pub chunk_bytes: Option<u64>,
    pub is_logging: bool,
    pub clients: Option<u64>,
    /// Whether the first fetch compares the hash, or the length alone.
    pub is_hash_verified: bool,
}

/// As most measures want it.
pub const USUAL: Start =
    Start { chunk_bytes: None, is_logging: true, clients: None, is_hash_verified: true };

/// A server that listens, and has served one client right.
#[derive(Debug)]
pub struct Server<'a> {
    served: &'a Served,
    addr: SocketAddr,
    group: Group,
    stderr: PathBuf,
}

impl<'a> Server<'a> {
    /// Starts a server anew. What it writes goes into the folder.
    pub fn start(
        peer: &Peer,
        served: &'a Served,
        start: Start,
        folder: &Path,
    ) -> Result<Self, String> {
        let mut tries = 1;
        loop {
            match Self::start_once(peer, served, start, folder) {
                Err(words) if words.contains("in use") && tries < STARTS_MAX => tries += 1,
                result => return result,
            }
        }
    }

    fn start_once(
        peer: &Peer,
        served: &'a Served,
        start: Start,
        folder: &Path,
    ) -> Result<Self, String> {
        let io = |error: io::Error| error.to_string();
        let port = free_port().map_err(io)?;
        let words = peer.words(StartOptions {
            file: &served.path,
            port,
            chunk_bytes: start.chunk_bytes,
            is_logging: start.is_logging,
            clients: start.clients,
            folder,
        });
        let words = words.map_err(io)?;
        let stderr = folder.join("stderr.txt");
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null());
        command.stdout(File::create(folder.join("stdout.txt")).map_err(io)?);
        command.stderr(File::create(&stderr).map_err(io)?);
        let group = Group::spawn(&mut command).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("{} is not installed", words[0].to_string_lossy()),
            _ => format!("{}: {error}", words[0].to_string_lossy()),
        })?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Self { served, addr, group, stderr };
        server.first_fetch(start.is_hash_verified)?;
        Ok(server)
    }

    /// Waits until it listens, and looks whether it serves what it should.
    fn first_fetch(&mut self, is_hash_verified: bool) -> Result<(), String> {
        let until = Instant::now() + START_TIMEOUT;
        loop {
            let mut plan = self.plan();
            plan.is_discarding = !is_hash_verified;
            let report = load::run(plan).map_err(|error| error.to_string())?;
            if report.failed_count() == 0 {
                return Ok(());
            }
            if let Some(status) = self.group.ended() {
                return Err(self.last_words().unwrap_or_else(|| format!("it ended: {status}")));
            }
            if !report.failed.contains_key(&Kind::Refused) || Instant::now() > until {
                return Err(report.failed_examples.join("; "));
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// The line of stderr that says most.
    fn last_words(&self) -> Option<String> {
        let text = fs::read_to_string(&self.stderr).ok()?;
        let is_telling =
            |line: &&str| line.to_lowercase().contains("error:") || line.contains("[emerg]");
        let line = text.lines().find(is_telling).or(text.trim().lines().last())?;
        Some(line.trim().to_owned()).filter(|line| !line.is_empty())
    }

    /// One client that takes the file.
    pub fn plan(&self) -> Plan {
        let mut plan = Plan::new(self.addr);
        plan.request.clone_from(&self.served.request);
        plan.expected = Some(self.served.expected);
        plan
    }

    /// Carries out a plan that has to go well.
    pub fn load(&self, plan: Plan) -> Result<Report, String> {
        self.judge(load::run(plan).map_err(|error| error.to_string())?)
    }

    /// A report that has to be good.
    pub fn judge(&self, report: Report) -> Result<Report, String> {
        if report.failed_count() == 0 {
            return Ok(report);
        }
        let of = report.completed + report.failed_count();
        let mut words = format!("{} of {of} went wrong: ", report.failed_count());
        words.push_str(report.failed_examples.first().map_or("", String::as_str));
        if let Some(last) = self.last_words() {
            words.push_str(&format!("; its stderr: {last}"));
        }
        Err(words)
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn cpu(&self) -> Result<BTreeMap<u32, Duration>, String> {
        self.group.cpu()
    }

    /// The processor time since, when the server has come to rest.
    pub fn cpu_s_since(&self, before: &BTreeMap<u32, Duration>) -> Result<f64, String> {
        thread::sleep(AFTERWARDS);
        self.group.cpu_s_since(before)
    }

    pub fn memory_bytes(&self) -> Result<u64, String> {
        self.group.memory_bytes()
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_file_has_its_length_and_no_period() {
        let folder = tempfile::tempdir().unwrap();
        let served = Served::make(folder.path().join("a.bin"), 2_100_000).unwrap();
        assert_eq!(served.expected.bytes, 2_100_000);
        assert_eq!(served.request, b"GET /a.bin HTTP/1.0\r\n\r\n");
        let content = fs::read(&served.path).unwrap();
        assert_ne!(content[..1000], content[1_000_000..1_001_000]);
    }
}
