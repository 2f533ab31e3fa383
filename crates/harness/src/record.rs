//! The format of all measurements.
//!
//! A [`Run`] contains what one program measured: `race`, `footprint` or `suites`. A [`Record`] is a
//! folder `benches/records/DATE-MACHINE` whose `summary.json` contains one run of each program. The
//! lessons, the README, the report and the comparison of records take all values from it.
//!
//! ```json
//! {
//!   "schema": 1,
//!   "runs": [
//!     {
//!       "program": "race",
//!       "date": "2026-11-29T11:22:09Z",
//!       "machine": { "cores": 2, "cpu": "…" },
//!       "options": { "rounds": 5, "large_bytes": 1073741824 },
//!       "problems": ["nginx: `nginx` is not installed"],
//!       "measurements": [
//!         { "id": "large/tokio/gb_per_s", "samples": [3.1, null, 3.2] }
//!       ]
//!     }
//!   ]
//! }
//! ```
//!
//! The id of a measurement names the case, the server and the quantity, whose name ends in its
//! unit: `large/tokio/gb_per_s` (race), `64KiB/tokio/cpu_s` (footprint). The ids of the suites are
//! those of Criterion; their unit is nanoseconds per iteration. In the race, a sample is the value
//! of one round; `null` means that the round failed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::machine::Machine;

/// The version of the format. It changes if older programs cannot read a record.
pub const SCHEMA: u32 = 1;

/// The name of the file in the folder of a record.
pub const SUMMARY: &str = "summary.json";

/// The programs, in the order in which records contain them.
pub const PROGRAMS: [&str; 3] = ["race", "footprint", "suites"];

/// The saved results of one complete benchmark run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`]
    pub schema: u32,
    /// At most one run of each program.
    pub runs: Vec<Run>,
}

/// The results of one program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// One of [`PROGRAMS`].
    pub program: String,
    /// The start of the run, in UTC (RFC 3339).
    pub date: String,
    /// The machine on which the run was made.
    pub machine: Machine,
    /// The settings of the run that concern all measurements.
    pub options: BTreeMap<String, Value>,
    /// The measurements that failed, each with the reason.
    pub problems: Vec<String>,
    /// All values.
    pub measurements: Vec<Measurement>,
}

/// One measured quantity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Names the case, the server and the quantity, or is the id of a benchmark.
    pub id: String,
    /// The values; several if the measurement was repeated.
    pub samples: Vec<Option<f64>>,
    /// The 95% confidence interval of the suites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// What one iteration of a suite transfers: `{"bytes": 16384}` or `{"clients": 64}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
}

/// What one iteration of a benchmark transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// A number of bytes.
    Bytes(u64),
    /// A number of clients that are served.
    Clients(u64),
}

/// The median, minimum and maximum of several values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle value, or the mean of the two middle ones.
    pub median: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
}

impl Spread {
    /// Returns `None` if there are no values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => (values[middle - 1] + values[middle]) / 2.0,
            _ => values[middle],
        };
        Some(Self { median, min, max })
    }
}

impl Measurement {
    /// A measurement that was made once.
    #[must_use]
    pub fn single(id: impl Into<String>, value: f64) -> Self {
        Self { id: id.into(), samples: vec![Some(value)], ..Self::default() }
    }

    /// The spread of all samples. Returns `None` if all rounds failed.
    #[must_use]
    pub fn spread(&self) -> Option<Spread> {
        Spread::of(self.samples.iter().copied().flatten())
    }

    /// The ratios of this measurement to another one, round by round. A machine that is slower in
    /// one round slows both, so that the ratio hardly changes.
    #[must_use]
    pub fn ratio(&self, baseline: &Self) -> Option<Spread> {
        let pairs = self.samples.iter().zip(&baseline.samples);
        Spread::of(pairs.filter_map(|(value, baseline)| {
            let baseline = (*baseline)?;
            (baseline != 0.0).then_some((*value)? / baseline)
        }))
    }
}

impl Run {
    /// Returns the measurement with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Measurement> {
        self.measurements.iter().find(|measurement| measurement.id == id)
    }

    /// Reads a run from a file. Returns `None` if there is no file.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or does not contain a run.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(path, error)),
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| at(path, error)),
        }
    }

    /// Writes the run to a file. Each measurement is on a line of its own.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write(path, &serde_json::to_value(self)?)
    }
}

impl Record {
    /// Makes a record of some runs.
    #[must_use]
    pub fn new(runs: impl IntoIterator<Item = Run>) -> Self {
        Self { schema: SCHEMA, runs: runs.into_iter().collect() }
    }

    /// Reads the record in a folder.
    ///
    /// # Errors
    ///
    /// Fails if the folder contains no record, or one in another format.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SUMMARY);
        let bytes = fs::read(&path).map_err(|error| at(&path, error))?;
        let record: Self = serde_json::from_slice(&bytes).map_err(|error| at(&path, error))?;
        match record.schema {
            SCHEMA => Ok(record),
            other => Err(at(&path, format!("unknown schema {other}, expected {SCHEMA}"))),
        }
    }

    /// Writes the record to a folder, which is created if necessary.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        write(&folder.join(SUMMARY), &serde_json::to_value(self)?)
    }

    /// Returns the run of a program.
    #[must_use]
    pub fn run(&self, program: &str) -> Option<&Run> {
        self.runs.iter().find(|run| run.program == program)
    }

    /// Returns a measurement by the name of its program and its id: `race/large/tokio/gb_per_s`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Measurement> {
        let (program, id) = path.split_once('/')?;
        self.run(program)?.get(id)
    }
}

/// Returns the folder of the newest record that contains a run of each program. Names of records
/// begin with their date.
///
/// # Errors
///
/// Fails if there is none.
pub fn newest(records: &Path) -> io::Result<PathBuf> {
    let entries = fs::read_dir(records).map_err(|error| at(records, error))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let is_complete = |folder: &PathBuf| {
        let record = Record::read(folder);
        record.is_ok_and(|record| PROGRAMS.iter().all(|program| record.run(program).is_some()))
    };
    let newest = folders.into_iter().rev().find(is_complete);
    newest.ok_or_else(|| at(records, "no folder contains a complete record"))
}

/// Adds the path to an error.
fn at(path: &Path, error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("`{}`: {error}", path.display()))
}

/// Writes JSON with the elements of `measurements` on one line each.
fn write(path: &Path, value: &Value) -> io::Result<()> {
    fs::write(path, pretty(value, 0) + "\n").map_err(|error| at(path, error))
}

/// Formats JSON with a line per field and per element, but a measurement on one line. The depth is
/// the number of enclosing values.
fn pretty(value: &Value, depth: usize) -> String {
    let (open, items, close) = match value {
        Value::Object(fields) if !fields.is_empty() && !fields.contains_key("samples") => {
            let line = |(key, value): (&String, &Value)| {
                format!("{}: {}", Value::from(key.as_str()), pretty(value, depth + 1))
            };
            ('{', fields.iter().map(line).collect::<Vec<_>>(), '}')
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            ('[', items.iter().map(|item| pretty(item, depth + 1)).collect(), ']')
        }
        other => return other.to_string(),
    };
    let (indent, end) = ("  ".repeat(depth + 1), "  ".repeat(depth));
    format!("{open}\n{indent}{}\n{end}{close}", items.join(&format!(",\n{indent}")))
}
