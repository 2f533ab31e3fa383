//! A server as a process, started for one measurement.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::load::{self, Expected, Plan, Report};
use crate::process::Group;
use crate::sibling::Sibling;

/// How long a server may take to listen; under strace that is long.
const START_TIMEOUT: Duration = Duration::from_secs(30);

const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// Who is looked at.
#[derive(Clone, Debug)]
pub struct Subject {
    /// In tables and records.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What a server is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// One of the kit's own.
    Sibling(Sibling),
    /// The note's server.
    Node,
}

impl Subject {
    /// All: each sibling in both its ways, and the note's server.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut siblings: Vec<Sibling> = Sibling::all().collect();
        siblings.sort_by_key(|sibling| sibling.is_zero_copy);
        let of = |sibling: Sibling| Self { name: sibling.name(), kind: Kind::Sibling(sibling) };
        let mut all: Vec<Self> = siblings.into_iter().map(of).collect();
        all.push(Self { name: "node".to_owned(), kind: Kind::Node });
        all
    }

    /// The words that start it.
    pub(super) fn words(
        &self,
        program: &Path,
        file: &Path,
        port: u16,
        chunk_bytes: u64,
    ) -> Vec<OsString> {
        let chunk = chunk_bytes.to_string();
        match self.kind {
            Kind::Sibling(sibling) => {
                let mut words = sibling.words(program.as_os_str(), file, port, "off");
                words.extend(["--chunk-size", &chunk].map(Into::into));
                if sibling.approach.has_workers {
                    let workers = crate::suite::WORKERS.to_string();
                    words.extend(["--workers", &workers].map(Into::into));
                }
                words
            }
            Kind::Node => {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
                let script = folder.join("../lessons/node/original.mjs");
                let port = port.to_string();
                vec!["node".into(), script.into(), file.into(), port.into(), chunk.into()]
            }
        }
    }
}

/// One that listens.
#[derive(Debug)]
pub(super) struct Server {
    addr: SocketAddr,
    group: Group,
    expected: Expected,
}

impl Server {
    /// Starts it anew, and waits until it listens.
    pub fn start(words: &[OsString], file: &Path, port: u16) -> Result<Self, String> {
        let said = |error: io::Error| error.to_string();
        let expected = Expected::of_file(file).map_err(said)?;
        let stderr = file.with_extension("stderr");
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(&stderr).map_err(said)?);
        let group = Group::spawn(&mut command).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("{} is not installed", words[0].to_string_lossy()),
            _ => format!("{}: {error}", words[0].to_string_lossy()),
        })?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Self { addr, group, expected };
        server.wait_until_listening(port, &stderr)?;
        Ok(server)
    }

    /// Looks without connecting: a client more would count.
    fn wait_until_listening(&mut self, port: u16, stderr: &Path) -> Result<(), String> {
        let until = Instant::now() + START_TIMEOUT;
        while !is_listening(port) {
            if let Some(status) = self.group.ended() {
                let words = fs::read_to_string(stderr).unwrap_or_default();
                let line = words.trim().lines().next_back().unwrap_or("no words");
                return Err(format!("it ended ({status}): {line}"));
            }
            if Instant::now() > until {
                return Err(format!("it did not listen within {START_TIMEOUT:?}"));
            }
            thread::sleep(LOOK_INTERVAL);
        }
        Ok(())
    }

    /// One client who takes the file, says nothing, and verifies all of it.
    pub fn plan(&self) -> Plan {
        let mut plan = Plan::new(self.addr);
        plan.request.clear();
        plan.expected = Some(self.expected);
        plan
    }

    /// Carries out a plan that has to go well.
    pub fn load(plan: Plan) -> Result<Report, String> {
        let report = load::run(plan).map_err(|error| error.to_string())?;
        match report.failed_examples.first() {
            Some(example) => Err(format!("{} went wrong: {example}", report.failed_count())),
            None => Ok(report),
        }
    }

    pub fn cpu(&self) -> Result<BTreeMap<u32, Duration>, String> {
        self.group.cpu()
    }

    pub fn cpu_s_since(&self, before: &BTreeMap<u32, Duration>) -> Result<f64, String> {
        self.group.cpu_s_since(before)
    }

    pub fn memory_bytes(&self) -> Result<u64, String> {
        self.group.memory_bytes()
    }

    /// Of all threads that are there: the switches since they began, voluntary and not; and how many
    /// threads that are.
    pub fn switches(&self) -> Result<Switches, String> {
        let mut all = Switches::default();
        for pid in self.group.pids() {
            let folder = format!("/proc/{pid}/task");
            let tasks = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
            for task in tasks.filter_map(Result::ok) {
                // It may end at any moment.
                let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
                all.voluntary += field(&status, "voluntary_ctxt_switches:").unwrap_or(0);
                all.involuntary += field(&status, "nonvoluntary_ctxt_switches:").unwrap_or(0);
                all.threads += 1;
            }
        }
        Ok(all)
    }

    pub fn peak_memory_bytes(&self) -> Result<u64, String> {
        let of = |pid: u32| {
            let path = format!("/proc/{pid}/status");
            let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
            let kib = field(&status, "VmHWM:").ok_or_else(|| format!("{path} has no VmHWM"))?;
            Ok(kib * 1024)
        };
        self.group.pids().into_iter().map(of).sum()
    }

    pub fn stop(mut self) {
        self.group.stop();
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Switches {
    pub voluntary: u64,
    pub involuntary: u64,
    pub threads: u64,
}

/// The number behind a name in `/proc/PID/status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn is_listening(port: u16) -> bool {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let end = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Local address, remote address, state: 0A is LISTEN.
        fields.get(1).is_some_and(|local| local.ends_with(&end)) && fields.get(3) == Some(&"0A")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let status =
            "VmHWM:\t   1784 kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t5\n";
        assert_eq!(field(status, "VmHWM:"), Some(1784));
        assert_eq!(field(status, "voluntary_ctxt_switches:"), Some(7));
        assert_eq!(field(status, "nonvoluntary_ctxt_switches:"), Some(5));
        assert_eq!(field(status, "VmPeak:"), None);
    }

    #[test]
    fn who_listens_is_seen() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_listening(port));
        drop(listener);
        assert!(!is_listening(port));
    }
}
