//! Where results are, and how they are kept.
//!
//! Criterion leaves a folder for each bench under `target/criterion`, `footprint` one file; a record
//! (`benches/records/DATE-MACHINE/`) has both, each as one JSON file, beside the page made of them.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::footprint::Footprint;
use crate::machine::Machine;

/// The files of a record.
pub const SUITES_FILE: &str = "criterion.json";
/// The footprint.
pub const FOOTPRINT_FILE: &str = "footprint.json";
/// The race between all servers.
pub const PEERS_FILE: &str = "peers.json";

/// What the suites found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Suites {
    /// When the last of them ended, UTC.
    pub date: String,
    /// On what, when they were gathered.
    pub machine: Machine,
    /// Bench by bench, by id.
    pub benches: Vec<Measured>,
}

/// What one bench found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// `chunk_size/tokio/64KiB`.
    pub id: String,
    /// `chunk_size`.
    pub group: String,
    /// `tokio`.
    pub function: String,
    /// `64KiB`, where there is one.
    pub parameter: Option<String>,
    /// What one iteration moved.
    pub amount: Option<Amount>,
    /// How long one iteration took.
    pub median_ns: Interval,
}

/// What one iteration moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// So many bytes.
    Bytes(u64),
    /// So many clients.
    Elements(u64),
}

/// A figure, and where it lies with 95 % confidence, as far as one run can tell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The figure.
    pub point: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Measured {
    /// Bytes or clients a second.
    #[must_use]
    pub fn per_s(&self) -> Option<f64> {
        let amount = match self.amount? {
            Amount::Bytes(amount) | Amount::Elements(amount) => amount,
        };
        Some(amount as f64 / (self.median_ns.point / 1e9))
    }
}

/// Everything that a page is made of.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// Of the suites, if they ran.
    pub suites: Option<Suites>,
    /// Of `footprint`, if it ran.
    pub footprint: Option<Footprint>,
    /// Of the race between all servers, as it was written.
    pub peers: Option<serde_json::Value>,
}

impl Results {
    /// Those of the last runs here, from `target`.
    ///
    /// # Errors
    ///
    /// When something is there that cannot be read.
    pub fn of_here() -> Result<Self, String> {
        let suites = gather(&criterion_folder())?;
        Ok(Self { suites, footprint: read(&footprint_file())?, peers: None })
    }

    /// Those of a record.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be read.
    pub fn of_record(folder: &Path) -> Result<Self, String> {
        if !folder.is_dir() {
            return Err(format!("there is no folder {}", folder.display()));
        }
        Ok(Self {
            suites: read(&folder.join(SUITES_FILE))?,
            footprint: read(&folder.join(FOOTPRINT_FILE))?,
            peers: read(&folder.join(PEERS_FILE))?,
        })
    }

    /// Those of a record by its path, by its name in `benches/records`, or, as `now`, those of the
    /// last runs here.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub fn named(name: &str) -> Result<Self, String> {
        let folder = Path::new(name);
        match name {
            "now" => Self::of_here(),
            _ if folder.is_dir() => Self::of_record(folder),
            _ => Self::of_record(&records_folder().join(name)),
        }
    }

    /// Whether there is nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.suites.is_none() && self.footprint.is_none() && self.peers.is_none()
    }

    /// Writes suites and footprint into a folder, raw.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        if let Some(suites) = &self.suites {
            let json = serde_json::to_string_pretty(suites)?;
            fs::write(folder.join(SUITES_FILE), json + "\n")?;
        }
        if let Some(footprint) = &self.footprint {
            let json = serde_json::to_string_pretty(footprint)?;
            fs::write(folder.join(FOOTPRINT_FILE), json + "\n")?;
        }
        Ok(())
    }
}

/// Cargo's folder for what was built.
#[must_use]
pub fn target_folder() -> PathBuf {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours = || benches.parent().unwrap_or(benches).join("target");
    env::var_os("CARGO_TARGET_DIR").map_or_else(ours, PathBuf::from)
}

fn criterion_folder() -> PathBuf {
    let usual = || target_folder().join("criterion");
    env::var_os("CRITERION_HOME").map_or_else(usual, PathBuf::from)
}

/// Where `footprint` writes unless it is told otherwise.
#[must_use]
pub fn footprint_file() -> PathBuf {
    target_folder().join(FOOTPRINT_FILE)
}

/// Where the kit keeps its records.
#[must_use]
pub fn records_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("records")
}

/// What stands in a file; nothing if there is none.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, String> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
        Ok(text) => text,
    };
    let value = serde_json::from_str(&text);
    value.map(Some).map_err(|error| format!("{}: {error}", path.display()))
}

/// Criterion's `benchmark.json`, as far as it matters here.
#[derive(Deserialize)]
struct OfBench {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
    throughput: Option<serde_json::Value>,
    full_id: String,
}

/// Criterion's `estimates.json`.
#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
    confidence_interval: ConfidenceInterval,
}

#[derive(Deserialize)]
struct ConfidenceInterval {
    lower_bound: f64,
    upper_bound: f64,
}

/// What criterion left in its folder; nothing if it left nothing.
fn gather(folder: &Path) -> Result<Option<Suites>, String> {
    let mut found = Vec::new();
    find_new(folder, &mut found);
    let mut benches = Vec::new();
    let mut last = None;
    for folder in found {
        let of_bench: Option<OfBench> = read(&folder.join("benchmark.json"))?;
        let estimates = folder.join("estimates.json");
        let (Some(bench), Some(found)) = (of_bench, read::<Estimates>(&estimates)?) else {
            continue;
        };
        let modified = fs::metadata(&estimates).and_then(|file| file.modified()).ok();
        last = last.max(modified);
        let median = found.median;
        benches.push(Measured {
            amount: bench.throughput.as_ref().and_then(amount),
            // What a bench without a parameter is called stands where a parameter would.
            parameter: bench.function_id.as_ref().and(bench.value_str.clone()),
            function: bench.function_id.or(bench.value_str).unwrap_or_default(),
            group: bench.group_id,
            id: bench.full_id,
            median_ns: Interval {
                point: median.point_estimate,
                low: median.confidence_interval.lower_bound,
                high: median.confidence_interval.upper_bound,
            },
        });
    }
    if benches.is_empty() {
        return Ok(None);
    }
    benches.sort_by(|one, other| one.id.cmp(&other.id));
    let date = humantime::format_rfc3339_seconds(last.unwrap_or_else(SystemTime::now)).to_string();
    Ok(Some(Suites { date, machine: Machine::look(), benches }))
}

/// `{"Bytes": 65536}` or `{"Elements": 1}`.
fn amount(throughput: &serde_json::Value) -> Option<Amount> {
    let number = |name: &str| throughput.get(name).and_then(serde_json::Value::as_u64);
    number("Bytes").map(Amount::Bytes).or(number("Elements").map(Amount::Elements))
}

/// All folders named `new` below, which hold a bench's last results.
fn find_new(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()) {
        match path.ends_with("new") {
            true => found.push(path),
            false => find_new(&path, found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_criterion_left_is_gathered() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(gather(folder.path()).unwrap(), None);
        let leave = |path: &str, bench: &str| {
            let new = folder.path().join(path).join("new");
            fs::create_dir_all(&new).unwrap();
            fs::write(new.join("benchmark.json"), bench).unwrap();
            let estimates = r#"{"median":{"confidence_interval":{"confidence_level":0.95,
                "lower_bound":1e6,"upper_bound":3e6},"point_estimate":2e6,"standard_error":1.0}}"#;
            fs::write(new.join("estimates.json"), estimates).unwrap();
        };
        leave(
            "chunk_size/tokio/1B",
            r#"{"group_id":"chunk_size","function_id":"tokio","value_str":"1B",
                "throughput":{"Bytes":16384},"full_id":"chunk_size/tokio/1B"}"#,
        );
        leave(
            "connect/std",
            r#"{"group_id":"connect","function_id":null,"value_str":"std",
                "throughput":{"Elements":1},"full_id":"connect/std"}"#,
        );
        let suites = gather(folder.path()).unwrap().unwrap();
        let [bytes, connect] = &suites.benches[..] else { panic!("{suites:?}") };
        assert_eq!((bytes.function.as_str(), bytes.parameter.as_deref()), ("tokio", Some("1B")));
        assert_eq!(bytes.per_s(), Some(8_192_000.0));
        assert_eq!((connect.function.as_str(), connect.parameter.as_deref()), ("std", None));
        assert_eq!(connect.median_ns, Interval { point: 2e6, low: 1e6, high: 3e6 });

        let results = Results { suites: Some(suites), ..Results::default() };
        let record = folder.path().join("record");
        results.write(&record).unwrap();
        let read = Results::of_record(&record).unwrap();
        assert_eq!(read.suites, results.suites);
        assert!(read.footprint.is_none() && read.peers.is_none());
        assert!(Results::named("no such record").is_err());
    }
}
