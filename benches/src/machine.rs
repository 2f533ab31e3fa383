//! What the figures were taken on.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// What the figures were taken on. Its name is nobody's business.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Those that this program may use.
    pub cores: usize,
    /// The model.
    pub cpu: String,
    /// All of it.
    pub memory_gib: f64,
    /// Its release.
    pub kernel: String,
    /// What a build here uses.
    pub rustc: String,
    /// Its version, or none.
    pub nginx: String,
    /// Its version, or none.
    pub node: String,
    /// The commit of the kit, with a + where something was not committed.
    pub commit: String,
}

const UNKNOWN: &str = "unknown";

impl Machine {
    /// Looks around here.
    #[must_use]
    pub fn look() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| UNKNOWN.to_owned()),
            memory_gib: memory_gib().unwrap_or_default(),
            kernel: kernel(),
            rustc: said("rustc", &["--version"]),
            nginx: said("nginx", &["-v"]),
            node: said("node", &["--version"]),
            commit: commit(),
        }
    }

    /// Fact and value, for people.
    #[must_use]
    pub fn facts(&self) -> [(&'static str, String); 6] {
        [
            ("machine", format!("{} cores, {}", self.cores, self.cpu)),
            ("memory", format!("{:.0} GiB", self.memory_gib)),
            ("kernel", self.kernel.clone()),
            ("built with", self.rustc.clone()),
            ("peers", format!("{}; Node {}", self.nginx, self.node)),
            ("commit", self.commit.clone()),
        ]
    }
}

/// The value of a line `name : value`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_gib() -> Option<f64> {
    let kib: f64 = field("/proc/meminfo", "MemTotal")?.split(' ').next()?.parse().ok()?;
    Some(kib / 1024.0 / 1024.0)
}

/// The release without what a provider adds to it.
fn kernel() -> String {
    if !cfg!(target_os = "linux") {
        return std::env::consts::OS.to_owned();
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    format!("Linux {}", release.split('-').next().unwrap_or(release))
}

/// The first line that a program says of itself; nginx says it on stderr.
fn said(program: &str, args: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(args).output() else { return "none".to_owned() };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().next().unwrap_or(UNKNOWN);
    line.strip_prefix("nginx version: ").unwrap_or(line).trim().to_owned()
}

fn commit() -> String {
    let git = |args: &[&str]| {
        let folder = env!("CARGO_MANIFEST_DIR");
        let output = Command::new("git").args(["-C", folder]).args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    match git(&["rev-parse", "--short", "HEAD"]) {
        None => UNKNOWN.to_owned(),
        Some(commit) => match git(&["status", "--porcelain", "--untracked-files=no"]) {
            Some(changes) if changes.is_empty() => commit,
            _ => format!("{commit}+"),
        },
    }
}
