//! The measurements of an exercise, as `exercise.toml` describes them.

use anyhow::{Result, ensure};
use serde::Deserialize;

/// A measurement and its limits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasurePlan {
    pub what: MeasureKind,
    /// The name of the measurement, if two measurements have the same kind. The default is the name
    /// of the kind.
    name: Option<String>,
    /// The number of concurrent non-reading clients.
    #[serde(default)]
    pub clients: usize,
    /// The length of the served file in bytes.
    pub bytes: Option<u64>,
    /// The chunk size in bytes for the server.
    pub chunk: Option<usize>,
    pub at_most: Option<f64>,
    pub at_least: Option<f64>,
    /// The system calls that `blocked-in` expects, separated by spaces.
    pub is: Option<String>,
    /// The word that the source must not contain, for `source-lacks`.
    pub word: Option<String>,
    /// The text that is printed for the learner if the value is outside the limits.
    #[serde(default)]
    pub explanation: String,
    /// Additional text for a server in Rust.
    #[serde(default)]
    pub rust: String,
}

/// The kind of a measurement.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum MeasureKind {
    /// The number of the server's threads while clients are connected.
    Threads,
    /// The number of system calls that read the file while the server sends it to one client.
    ReadCalls,
    /// The growth of the server's memory in KiB while clients are connected.
    MemoryKib,
    /// The server's CPU time in milliseconds. If the plan has no non-reading clients, the value is
    /// the CPU time that the server needs to send the file to one client. Otherwise, the value is
    /// the CPU time that the server uses in one second while these clients are connected.
    CpuMs,
    /// The system call in which one of the server's threads waits while clients are connected.
    BlockedIn,
    /// The number of threads that wait for data of the file at the same time. The file is a FIFO
    /// without data.
    ReadingThreads,
    /// The speed at which the server sends the file, as a multiple of the starter's speed.
    TimesStarter,
    /// The number of threads that the server starts for clients while other clients do not read.
    StartedThreads,
    /// The server's CPU time per client and the starter's, which are shown and not graded.
    CpuPerClient,
    /// The absence of a word from the learner's source files.
    SourceLacks,
}

impl MeasureKind {
    /// The default name of a measurement of this kind.
    fn name(self) -> &'static str {
        match self {
            Self::Threads => "threads",
            Self::ReadCalls => "read-calls",
            Self::MemoryKib => "memory-kib",
            Self::CpuMs => "cpu-ms",
            Self::BlockedIn => "blocked-in",
            Self::ReadingThreads => "reading-threads",
            Self::TimesStarter => "times-starter",
            Self::StartedThreads => "started-threads",
            Self::CpuPerClient => "cpu-per-client",
            Self::SourceLacks => "source-lacks",
        }
    }
}

impl MeasurePlan {
    /// The name of the measurement in `exercise.toml` and in the output.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(self.what.name())
    }

    /// Checks the conditions that the types of the fields do not express.
    pub fn validate(&self) -> Result<()> {
        let has_bound = self.at_most.is_some() || self.at_least.is_some();
        let (is_complete, help) = match self.what {
            MeasureKind::BlockedIn => (self.is.is_some() && !has_bound, "is = \"sendfile\""),
            MeasureKind::SourceLacks => (self.word.is_some() && !has_bound, "word = \"async_std\""),
            MeasureKind::CpuPerClient => (!has_bound, "no value"),
            _ => (has_bound && self.is.is_none(), "at_most or at_least"),
        };
        ensure!(is_complete, "measurement `{}` requires {help} and no other limit", self.name());
        Ok(())
    }

    /// Describes the expected value in one line.
    pub fn title(&self) -> String {
        let with_clients = match self.clients {
            0 | 1 => "with one non-reading client".to_owned(),
            several => format!("with {several} non-reading clients"),
        };
        let bytes = self.bytes.unwrap_or(1 << 20);
        let subject = match self.what {
            MeasureKind::Threads => format!("Threads {with_clients}"),
            MeasureKind::ReadCalls => format!("System calls that read a file of {bytes} bytes"),
            MeasureKind::MemoryKib => format!("Memory growth in KiB {with_clients}"),
            MeasureKind::CpuMs if self.clients == 0 => {
                format!("CPU time in ms to send {bytes} bytes")
            }
            MeasureKind::CpuMs => format!("CPU time in ms per second {with_clients}"),
            MeasureKind::ReadingThreads => {
                format!("Threads that read the file at the same time {with_clients}")
            }
            MeasureKind::TimesStarter => "Speed, as a multiple of the starter's speed".to_owned(),
            MeasureKind::StartedThreads => {
                format!("Threads started for new clients {with_clients}")
            }
            MeasureKind::CpuPerClient => return "CPU time per client".to_owned(),
            MeasureKind::BlockedIn => {
                return format!("A thread waits in {} {with_clients}", self.expected_calls());
            }
            MeasureKind::SourceLacks => {
                let word = self.word.as_deref().unwrap_or_default();
                return format!("The source does not contain `{word}`");
            }
        };
        format!("{subject}: {}", self.limits())
    }

    /// Describes the limits of a number.
    pub fn limits(&self) -> String {
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => String::new(),
        }
    }

    /// Describes the system calls that a `blocked-in` measurement expects.
    pub fn expected_calls(&self) -> String {
        self.calls().collect::<Vec<_>>().join(" or ")
    }

    /// The system calls that a `blocked-in` measurement expects.
    pub fn calls(&self) -> impl Iterator<Item = &str> {
        self.is.as_deref().unwrap_or_default().split_whitespace()
    }
}
