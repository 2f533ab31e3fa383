//! The format of all measurements.
//!
//! A [`Run`] contains the measurements of one program: `race`, `footprint`, `suites` or `soak`. A
//! [`Record`] contains one run of each program and is saved as `summary.json` in the folder
//! `benches/records/DATE-MACHINE`. All values in the lessons, the README, the report and the
//! comparison of records are read from this file.
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
//!       "problems": ["nginx was not measured: `nginx` is not installed"],
//!       "measurements": [
//!         { "id": "large/tokio/gb_per_s", "samples": [3.1, null, 3.2] }
//!       ]
//!     }
//!   ]
//! }
//! ```
//!
//! The id of a measurement consists of the scenario or the size, the server, and the quantity. The
//! name of the quantity ends in its unit. Examples are `large/tokio/gb_per_s` in the race and
//! `64KiB/tokio/cpu_s` in the footprint. The suites use the ids of Criterion, and the unit of the
//! suites' values is nanoseconds per iteration. In the race, each sample is the value of one round,
//! and `null` means that the round failed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::machine::Machine;

/// The version of the format. The version must be increased if older programs cannot read new
/// records.
pub const SCHEMA: u32 = 1;

/// The name of the file that contains the values of a record.
pub const SUMMARY: &str = "summary.json";

/// The names of the programs, in the order in which records contain their runs.
pub const PROGRAMS: [&str; 3] = ["race", "footprint", "suites"];

/// The saved results of one complete benchmark run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The version of the format. The current version is [`SCHEMA`].
    pub schema: u32,
    /// The runs. A record contains at most one run of each program.
    pub runs: Vec<Run>,
}

/// The results of one run of a program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// One of [`PROGRAMS`], `soak`, or the name of a single experiment.
    pub program: String,
    /// The start of the run, in UTC (RFC 3339).
    pub date: String,
    /// The machine on which the program ran.
    pub machine: Machine,
    /// The settings that apply to all measurements of the run.
    pub options: BTreeMap<String, Value>,
    /// The descriptions of failed measurements. Each description states the reason for the failure
    /// and does not end in a period.
    pub problems: Vec<String>,
    /// All values.
    pub measurements: Vec<Measurement>,
}

/// One measured quantity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The id of a benchmark in the suites. In the race and the footprint, the id consists of the
    /// scenario or the size, the server and the quantity.
    pub id: String,
    /// The measured values. A repeated measurement has several values.
    pub samples: Vec<Option<f64>>,
    /// The 95% confidence interval of the median. Only measurements of the suites have an interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// The amount of work per iteration of a benchmark, such as `{"bytes": 16384}` or `{"clients":
    /// 64}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
}

/// The amount of work per iteration of a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// A number of bytes.
    Bytes(u64),
    /// A number of clients that receive a reply.
    Clients(u64),
}

/// The median, minimum and maximum of several values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median, which is the middle value or the mean of the two middle values.
    pub median: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
}

impl Spread {
    /// Computes the median, minimum and maximum. Returns `None` if there are no values.
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
    /// Creates a measurement with a single value.
    #[must_use]
    pub fn single(id: impl Into<String>, value: f64) -> Self {
        Self { id: id.into(), samples: vec![Some(value)], ..Self::default() }
    }

    /// Returns the median, minimum and maximum of all samples. Returns `None` if all rounds failed.
    #[must_use]
    pub fn spread(&self) -> Option<Spread> {
        Spread::of(self.samples.iter().copied().flatten())
    }

    /// Returns the median, minimum and maximum of the ratios of this measurement to another
    /// measurement. Each ratio compares two values from the same round. If the machine is slow in
    /// one round, both values change, but their ratio hardly changes.
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

    /// Reads a run from a file. Returns `None` if the file does not exist.
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

    /// Writes the run to a file, with one line per measurement.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write(path, &serde_json::to_value(self)?)
    }
}

impl Record {
    /// Creates a record from runs.
    #[must_use]
    pub fn new(runs: impl IntoIterator<Item = Run>) -> Self {
        Self { schema: SCHEMA, runs: runs.into_iter().collect() }
    }

    /// Reads the record in a folder.
    ///
    /// # Errors
    ///
    /// Fails if the folder contains no record, or if the record has a different schema.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SUMMARY);
        let bytes = fs::read(&path).map_err(|error| at(&path, error))?;
        let record: Self = serde_json::from_slice(&bytes).map_err(|error| at(&path, error))?;
        match record.schema {
            SCHEMA => Ok(record),
            other => Err(at(&path, format!("expected schema {SCHEMA}, got {other}"))),
        }
    }

    /// Writes the record to a folder. Creates the folder if necessary.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        write(&folder.join(SUMMARY), &serde_json::to_value(self)?)
    }

    /// Returns the run of a program, or `None` if the record does not contain the program.
    #[must_use]
    pub fn run(&self, program: &str) -> Option<&Run> {
        self.runs.iter().find(|run| run.program == program)
    }

    /// Returns a measurement by its path. The path consists of the name of the program, a `/`, and
    /// the id of the measurement. An example is `race/large/tokio/gb_per_s`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Measurement> {
        let (program, id) = path.split_once('/')?;
        self.run(program)?.get(id)
    }
}

/// Returns the folder of the newest record that contains a run of each program. The name of a
/// record's folder begins with the date of the record.
///
/// # Errors
///
/// Fails if no record contains a run of each program.
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

/// Creates an error whose text contains the path of a file and an error.
fn at(path: &Path, error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("`{}`: {error}", path.display()))
}

/// Writes a JSON file in which each measurement is on one line.
fn write(path: &Path, value: &Value) -> io::Result<()> {
    fs::write(path, pretty(value, 0) + "\n").map_err(|error| at(path, error))
}

/// Formats JSON with one line per field and per element. Each measurement is on one line. `depth`
/// is the number of objects and arrays that contain `value`.
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
