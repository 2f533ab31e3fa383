//! What came of a plan.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::error::{Error, Kind};
use super::plan::Plan;
use crate::units::grouped;

/// So many of what went wrong are described.
const EXAMPLES_MAX: usize = 5;

/// What takes less tells nothing about who was the limit.
const SHORT_S: f64 = 0.1;

/// What came of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The server's address.
    pub addr: String,
    /// The most connections at once that were asked for.
    pub connections_at_once: u64,
    /// Event loops.
    pub threads: usize,
    /// Connections that did what they should.
    pub completed: u64,
    /// Connections that did not, by kind.
    #[serde(rename = "wrong")]
    pub failed: BTreeMap<Kind, u64>,
    /// The first few of them, described.
    #[serde(rename = "wrong_examples")]
    pub failed_examples: Vec<String>,
    /// What was verified of those that completed.
    pub verified: Verified,
    /// Bytes that came, preambles included.
    pub bytes: u64,
    /// From the first connection's beginning to the last one's end.
    pub wall_s: f64,
    /// Billions of bytes a second.
    pub gb_per_s: f64,
    /// Connections that completed, a second.
    pub connections_per_s: f64,
    /// From when a connection was due to its first byte.
    pub first_byte_us: Option<Percentiles>,
    /// From when a connection was due to its end.
    pub end_us: Option<Percentiles>,
    /// The processor time of this client, where the system tells it.
    pub cpu_s: Option<f64>,
}

/// What was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// Length and hash of every reply.
    LengthAndHash,
    /// The length of every reply; its bytes were thrown away.
    Length,
    /// Only that every reply began as it should, and ended.
    Nothing,
}

/// Some of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: u64,
    /// Nine of ten are as small or smaller.
    pub p90: u64,
    /// 99 of 100 are.
    pub p99: u64,
    /// All are.
    pub max: u64,
}

impl Percentiles {
    /// Of these values; none of none.
    #[must_use]
    pub fn of(mut values: Vec<u64>) -> Option<Self> {
        values.sort_unstable();
        let max = *values.last()?;
        // The smallest value that so many are not above.
        let at = |percent: usize| values[(values.len() * percent).div_ceil(100).max(1) - 1];
        Some(Self { p50: at(50), p90: at(90), p99: at(99), max })
    }
}

/// What a thread counts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    completed: u64,
    failed: BTreeMap<Kind, u64>,
    examples: Vec<(u64, String)>,
    pub bytes: u64,
    first_byte_us: Vec<u64>,
    end_us: Vec<u64>,
    was_ever_connected: bool,
    first_due: Option<Instant>,
    last_end: Option<Instant>,
    cpu_before: Option<Duration>,
    cpu: Option<Duration>,
}

impl Tally {
    pub fn begun(&mut self, due: Instant) {
        self.first_due.get_or_insert(due);
    }

    pub fn completed(&mut self, first_byte: Option<Duration>, end: Duration) {
        self.completed += 1;
        self.was_ever_connected = true;
        self.first_byte_us.extend(first_byte.map(|time| time.as_micros() as u64));
        self.end_us.push(end.as_micros() as u64);
        self.last_end = Some(Instant::now());
    }

    pub fn record_error(&mut self, number: u64, error: &Error, was_connected: bool) {
        *self.failed.entry(error.kind).or_default() += 1;
        self.was_ever_connected |= was_connected;
        self.last_end = Some(Instant::now());
        if self.examples.len() < EXAMPLES_MAX {
            let words = format!("connection {}: {}: {}", number + 1, error.kind, error.message);
            self.examples.push((number, words));
        }
    }

    pub fn was_never_connected(&self) -> bool {
        !self.was_ever_connected
    }

    pub fn ended(&self) -> u64 {
        self.completed + self.failed.values().sum::<u64>()
    }

    /// The thread begins to work.
    pub fn start_clock(&mut self) {
        self.cpu_before = cpu_of_this_thread();
    }

    /// The thread has nothing more to do.
    pub fn stop_clock(&mut self) {
        let spent = |before: Duration| Some(cpu_of_this_thread()?.saturating_sub(before));
        self.cpu = self.cpu_before.and_then(spent);
    }

    pub fn add(&mut self, other: Self) {
        self.completed += other.completed;
        self.bytes += other.bytes;
        for (kind, count) in other.failed {
            *self.failed.entry(kind).or_default() += count;
        }
        self.examples.extend(other.examples);
        self.examples.sort();
        self.examples.truncate(EXAMPLES_MAX);
        self.first_byte_us.extend(other.first_byte_us);
        self.end_us.extend(other.end_us);
        self.first_due = match (self.first_due, other.first_due) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.last_end = self.last_end.max(other.last_end);
        self.cpu = match (self.cpu, other.cpu) {
            (Some(one), Some(other)) => Some(one + other),
            (one, other) => one.or(other),
        };
    }
}

#[cfg(unix)]
fn cpu_of_this_thread() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).ok()
}

/// The standard library does not say it here.
#[cfg(not(unix))]
fn cpu_of_this_thread() -> Option<Duration> {
    None
}

impl Report {
    pub(super) fn of(plan: &Plan, tally: Tally, began: Instant) -> Self {
        let began = tally.first_due.unwrap_or(began);
        let ended = tally.last_end.unwrap_or(began);
        let wall_s = ended.saturating_duration_since(began).as_secs_f64();
        let per_s = |count: f64| if wall_s > 0.0 { count / wall_s } else { 0.0 };
        let verified = match plan.expected {
            _ if plan.reset_after_bytes.is_some() => Verified::Nothing,
            None => Verified::Nothing,
            Some(expected) if expected.xxh3.is_none() || plan.is_discarding => Verified::Length,
            Some(_) => Verified::LengthAndHash,
        };
        Self {
            addr: plan.addr.to_string(),
            connections_at_once: plan.connections,
            threads: plan.threads,
            completed: tally.completed,
            failed: tally.failed,
            failed_examples: tally.examples.into_iter().map(|(_, words)| words).collect(),
            verified,
            bytes: tally.bytes,
            wall_s,
            gb_per_s: per_s(tally.bytes as f64 / 1e9),
            connections_per_s: per_s(tally.completed as f64),
            first_byte_us: Percentiles::of(tally.first_byte_us),
            end_us: Percentiles::of(tally.end_us),
            cpu_s: tally.cpu.map(|cpu| cpu.as_secs_f64()),
        }
    }

    /// Connections that did not do what they should.
    #[must_use]
    pub fn failed_count(&self) -> u64 {
        self.failed.values().sum()
    }
}

/// For people, in 80 columns.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verified = match self.verified {
            Verified::LengthAndHash => "length and hash verified",
            Verified::Length => "length verified, the hash was not",
            Verified::Nothing => "nothing verified but that it came",
        };
        writeln!(f, "completed    {} ({verified})", grouped(self.completed))?;
        write!(f, "failed       {}", grouped(self.failed_count()))?;
        for (at, (kind, count)) in self.failed.iter().enumerate() {
            let before = if at == 0 { ": " } else { ", " };
            write!(f, "{before}{} {kind}", grouped(*count))?;
        }
        writeln!(f)?;
        for example in &self.failed_examples {
            writeln!(f, "             {example}")?;
        }
        writeln!(f, "bytes        {} in {:.3} s", grouped(self.bytes), self.wall_s)?;
        let per_s = self.connections_per_s;
        writeln!(f, "speed        {:.3} GB/s, {per_s:.1} connections/s", self.gb_per_s)?;
        for (name, percentiles) in [("first byte", self.first_byte_us), ("end", self.end_us)] {
            let Some(Percentiles { p50, p90, p99, max }) = percentiles else { continue };
            writeln!(f, "{name:12} p50 {p50} µs, p90 {p90} µs, p99 {p99} µs, max {max} µs")?;
        }
        if let Some(cpu_s) = self.cpu_s {
            let threads_s = self.wall_s * self.threads as f64;
            let percent = if threads_s > 0.0 { cpu_s / threads_s * 100.0 } else { 0.0 };
            let of = if self.threads == 1 { "a core" } else { "its threads" };
            writeln!(f, "own CPU      {cpu_s:.3} s, {percent:.0} % of {of}")?;
            // What is over at once is all start-up.
            if percent > 90.0 && self.wall_s > SHORT_S {
                writeln!(f, "             this client is the limit: --threads, or --discard")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_there() {
        assert_eq!(Percentiles::of(vec![]), None);
        let one = Percentiles::of(vec![7]).unwrap();
        assert_eq!(one, Percentiles { p50: 7, p90: 7, p99: 7, max: 7 });
        let hundred = Percentiles::of((1..=100).rev().collect()).unwrap();
        assert_eq!(hundred, Percentiles { p50: 50, p90: 90, p99: 99, max: 100 });
    }
}
