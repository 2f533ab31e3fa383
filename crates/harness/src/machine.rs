//! Describes the machine on which measurements were taken.

use std::fs;
use std::io;
use std::process::{Command, Output, Stdio};

use serde::{Deserialize, Serialize};

use crate::cleanup;

/// A description of the machine on which measurements were taken. The description does not contain
/// the name of the host, so that records can be published.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The number of cores that this program may use.
    pub cores: usize,
    /// The model of the CPU.
    pub cpu: String,
    /// The size of the memory in GiB.
    pub memory_gib: f64,
    /// The release of the operating system.
    pub kernel: String,
    /// The version of rustc that Cargo uses on this machine.
    pub rustc: String,
    /// The version of nginx, or `none`.
    pub nginx: String,
    /// The version of Node, or `none`.
    pub node: String,
    /// The commit of the kit, followed by `+` if files have changed since this commit.
    pub commit: String,
}

const UNKNOWN: &str = "unknown";

impl Machine {
    /// Describes this machine.
    #[must_use]
    pub fn current() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| UNKNOWN.to_owned()),
            memory_gib: memory_gib().unwrap_or_default(),
            kernel: kernel(),
            rustc: version("rustc", "--version"),
            nginx: version("nginx", "-v"),
            node: version("node", "--version"),
            commit: commit().unwrap_or_else(|| UNKNOWN.to_owned()),
        }
    }

    /// Returns the properties of the machine for a report. Each pair contains a label and a value.
    #[must_use]
    pub fn facts(&self) -> [(&'static str, String); 6] {
        [
            ("machine", format!("{} cores, {}", self.cores, self.cpu)),
            ("memory", format!("{:.0} GiB", self.memory_gib)),
            ("kernel", self.kernel.clone()),
            ("built with", self.rustc.clone()),
            ("other servers", format!("{}; Node {}", self.nginx, self.node)),
            ("commit", self.commit.clone()),
        ]
    }
}

/// Returns the value from the first line that has the form `name : value`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_gib() -> Option<f64> {
    let kib: f64 = field("/proc/meminfo", "MemTotal")?.split(' ').next()?.parse().ok()?;
    Some(kib / 1024.0 / 1024.0)
}

/// Returns the release of the kernel without the suffix that distributions add.
fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    match release.trim().split('-').next() {
        Some(release) if !release.is_empty() => format!("Linux {release}"),
        _ => std::env::consts::OS.to_owned(),
    }
}

fn output(program: &str, args: &[&str]) -> io::Result<Output> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    cleanup::spawn(&mut command)?.wait_with_output()
}

/// Runs a program and returns the line of its output that contains the version. nginx prints this
/// line to stderr.
fn version(program: &str, flag: &str) -> String {
    let Ok(output) = output(program, &[flag]) else { return "none".to_owned() };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().next().unwrap_or(UNKNOWN);
    line.strip_prefix("nginx version: ").unwrap_or(line).trim().to_owned()
}

fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let folder = env!("CARGO_MANIFEST_DIR");
        let output = output("git", &[&["-C", folder], args].concat()).ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changes.is_empty() { commit } else { format!("{commit}+") })
}
