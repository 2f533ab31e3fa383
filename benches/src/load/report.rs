//! The results of a load.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::failure::{Failure, Kind};
use super::plan::Plan;

/// The maximum number of failures that a report describes.
const EXAMPLES_MAX: usize = 5;

/// The minimum duration of a load, in seconds, for which the report warns about the client's CPU
/// time. During a shorter load, the client spends most of its CPU time on startup.
const SHORT_S: f64 = 0.1;

/// The results of a load.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The server's address.
    pub addr: String,
    /// The maximum number of open connections.
    pub connections_at_once: u64,
    /// The number of threads of the load client.
    pub threads: usize,
    /// The number of connections that succeeded.
    pub completed: u64,
    /// The number of connections that failed, by the kind of their failure.
    pub failed: BTreeMap<Kind, u64>,
    /// Descriptions of the first few failures.
    pub failed_examples: Vec<String>,
    /// The part of the replies that the client verified.
    pub verified: Verified,
    /// The number of received bytes, including preambles.
    pub bytes: u64,
    /// The time in seconds from the start of the first connection to the end of the last
    /// connection.
    pub wall_s: f64,
    /// The number of gigabytes (10⁹ bytes) received per second.
    pub gb_per_s: f64,
    /// The number of successful connections per second.
    pub connections_per_s: f64,
    /// The times, in microseconds, from the planned start of a connection to the first byte of its
    /// reply.
    pub first_byte_us: Option<Percentiles>,
    /// The times, in microseconds, from the planned start of a connection to its end.
    pub end_us: Option<Percentiles>,
    /// The CPU time of the client's threads in seconds, or `None` if the system does not report it.
    pub cpu_s: Option<f64>,
}

/// The part of the replies that the client verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// The length and the hash of every reply.
    LengthAndHash,
    /// The length of every complete reply, and each byte of every reply.
    EveryByte,
    /// The length of every reply.
    Length,
    /// Only the preambles.
    Nothing,
}

/// The percentiles of several values. Each percentile is one of these values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: u64,
    /// The 90th percentile. At least 90% of the values are less than or equal to this value.
    pub p90: u64,
    /// The 99th percentile. At least 99% of the values are less than or equal to this value.
    pub p99: u64,
    /// The largest value.
    pub max: u64,
}

impl Percentiles {
    /// Computes the percentiles of `values`. Returns `None` if `values` is empty.
    pub fn of(mut values: Vec<u64>) -> Option<Self> {
        values.sort_unstable();
        let max = *values.last()?;
        let at = |percent: usize| values[(values.len() * percent).div_ceil(100).max(1) - 1];
        Some(Self { p50: at(50), p90: at(90), p99: at(99), max })
    }
}

/// The combined results of all threads: the numbers of connections, and the times to the first byte
/// and to the end of each reply.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    completed: u64,
    /// The number of non-reading clients that have received the first byte of their reply.
    pub non_reading: u64,
    pub was_connected: bool,
    pub last_event: Option<Instant>,
    failed: BTreeMap<Kind, u64>,
    examples: Vec<String>,
    first_byte_us: Vec<u64>,
    end_us: Vec<u64>,
    first_due: Option<Instant>,
    cpu: Option<Duration>,
}

impl Tally {
    pub fn record_end(
        &mut self,
        number: u64,
        due: Instant,
        result: Result<Option<Duration>, Failure>,
    ) {
        self.first_due = Some(self.first_due.map_or(due, |first| first.min(due)));
        self.last_event = Some(Instant::now());
        match result {
            Ok(first_byte) => {
                self.completed += 1;
                self.first_byte_us.extend(first_byte.map(|time| time.as_micros() as u64));
                self.end_us.push(due.elapsed().as_micros() as u64);
            }
            Err(Failure { kind, message }) => {
                *self.failed.entry(kind).or_default() += 1;
                if self.examples.len() < EXAMPLES_MAX {
                    self.examples.push(format!("connection {}: {kind}: {message}", number + 1));
                }
            }
        }
    }

    pub fn record_non_reading(&mut self) {
        self.non_reading += 1;
        self.last_event = Some(Instant::now());
    }

    /// Adds the CPU time of a thread. The argument is `None` if the system does not report the CPU
    /// time.
    pub fn add_cpu(&mut self, cpu: Option<Duration>) {
        self.cpu = cpu.map(|cpu| cpu + self.cpu.unwrap_or_default());
    }

    pub fn ended(&self) -> u64 {
        self.completed + self.failed.values().sum::<u64>()
    }

    pub fn into_report(self, plan: &Plan, bytes: u64) -> Report {
        let wall = self.last_event.zip(self.first_due).map(|(last, first)| last - first);
        let wall_s = wall.unwrap_or_default().as_secs_f64();
        let per_s = |count: f64| if wall_s > 0.0 { count / wall_s } else { 0.0 };
        let verified = match plan.expected.filter(|_| plan.reset_after_bytes.is_none()) {
            _ if plan.content.is_some() && !plan.is_discarding => Verified::EveryByte,
            None => Verified::Nothing,
            Some(expected) if expected.xxh3.is_none() || plan.is_discarding => Verified::Length,
            Some(_) => Verified::LengthAndHash,
        };
        Report {
            addr: plan.addr.to_string(),
            connections_at_once: plan.connections,
            threads: plan.threads,
            completed: self.completed,
            failed: self.failed,
            failed_examples: self.examples,
            verified,
            bytes,
            wall_s,
            gb_per_s: per_s(bytes as f64 / 1e9),
            connections_per_s: per_s(self.completed as f64),
            first_byte_us: Percentiles::of(self.first_byte_us),
            end_us: Percentiles::of(self.end_us),
            cpu_s: self.cpu.map(|cpu| cpu.as_secs_f64()),
        }
    }
}

impl Report {
    /// Returns the number of connections that failed.
    pub fn failed_count(&self) -> u64 {
        self.failed.values().sum()
    }
}

/// Writes the report in a readable form.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verified = match self.verified {
            Verified::LengthAndHash => "length and hash verified",
            Verified::EveryByte => "every byte verified",
            Verified::Length => "length verified",
            Verified::Nothing => "content not verified",
        };
        writeln!(f, "completed    {} ({verified})", self.completed)?;
        write!(f, "failed       {}", self.failed_count())?;
        for (at, (kind, count)) in self.failed.iter().enumerate() {
            write!(f, "{} {count} {kind}", if at == 0 { ":" } else { "," })?;
        }
        writeln!(f)?;
        for example in &self.failed_examples {
            writeln!(f, "             {example}")?;
        }
        writeln!(f, "bytes        {} in {:.3} s", self.bytes, self.wall_s)?;
        let per_s = self.connections_per_s;
        writeln!(f, "speed        {:.3} GB/s, {per_s:.1} connections/s", self.gb_per_s)?;
        for (name, percentiles) in [("first byte", self.first_byte_us), ("end", self.end_us)] {
            if let Some(Percentiles { p50, p90, p99, max }) = percentiles {
                writeln!(f, "{name:12} p50 {p50} µs, p90 {p90} µs, p99 {p99} µs, max {max} µs")?;
            }
        }
        let Some(cpu_s) = self.cpu_s else { return Ok(()) };
        let threads_s = self.wall_s * self.threads as f64;
        let percent = if threads_s > 0.0 { 100.0 * cpu_s / threads_s } else { 0.0 };
        let of = if self.threads == 1 { "one core" } else { "its threads" };
        writeln!(f, "client CPU   {cpu_s:.3} s, {percent:.0}% of {of}")?;
        if percent > 90.0 && self.wall_s > SHORT_S {
            writeln!(
                f,
                "             the client is the bottleneck; use `--threads` or `--discard`"
            )?;
        }
        Ok(())
    }
}
