//! Reads and writes the results of the last runs on this machine, and the records.
//!
//! `race` and `footprint` each write one file to `target/measure`. Criterion writes one folder per
//! benchmark to `target/criterion`. A record is a folder in `benches/records`.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use harness::machine::Machine;
use harness::record::{Amount, Measurement, PROGRAMS, Record, Run, SUMMARY};
use serde_json::Value;

/// The name that stands for the results of the last runs on this machine.
pub const NOW: &str = "now";

/// Reads a record. `name` is the path or the name of the record's folder, or `now` for the results
/// of the last runs.
///
/// # Errors
///
/// Fails if a file cannot be read, or if there is no record with this name.
pub fn load(name: &str) -> io::Result<Record> {
    let folder = Path::new(name);
    if name != NOW {
        let by_name = records_folder().join(name);
        return Record::read(if folder.is_dir() { folder } else { &by_name });
    }
    let default = || target_folder().join("criterion");
    let criterion = env::var_os("CRITERION_HOME").map_or_else(default, PathBuf::from);
    let runs = PROGRAMS.iter().map(|program| match *program {
        "suites" => suites(&criterion),
        program => Run::read(&measured_file(program)),
    });
    Ok(Record::new(runs.collect::<io::Result<Vec<_>>>()?.into_iter().flatten()))
}

/// Reads the latest results that Criterion wrote to its folder. Returns `None` if the folder
/// contains no results.
///
/// # Errors
///
/// Fails if a file cannot be read.
pub fn suites(folder: &Path) -> io::Result<Option<Run>> {
    let mut folders = Vec::new();
    find_results(folder, &mut folders);
    let mut measurements = Vec::new();
    let mut last = None;
    for folder in folders {
        let estimates = folder.join("estimates.json");
        let benchmark = read(&folder.join("benchmark.json"))?;
        let Some(measurement) = measurement(&benchmark, &read(&estimates)?) else { continue };
        measurements.push(measurement);
        last = last.max(fs::metadata(&estimates).and_then(|file| file.modified()).ok());
    }
    let Some(last) = last else { return Ok(None) };
    measurements.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Some(Run {
        program: "suites".to_owned(),
        date: humantime::format_rfc3339_seconds(last).to_string(),
        machine: Machine::current(),
        measurements,
        ..Run::default()
    }))
}

/// Adds runs to the record in a folder and returns the record. Creates the folder if necessary. A
/// new run replaces an older run of the same program. The runs of other programs do not change.
///
/// # Errors
///
/// Fails if the record cannot be read or written.
pub fn add(folder: &Path, runs: &Record) -> io::Result<Record> {
    let is_saved = folder.join(SUMMARY).exists();
    let saved = if is_saved { Record::read(folder)? } else { Record::default() };
    let run_of = |program: &&str| runs.run(program).or(saved.run(program)).cloned();
    let record = Record::new(PROGRAMS.iter().filter_map(run_of));
    record.write(folder)?;
    Ok(record)
}

/// Returns the path of the folder for a record with this date. The folder may not exist yet.
pub fn folder_of(date: &str, machine: &str) -> PathBuf {
    records_folder().join(format!("{}-{machine}", day(date)))
}

/// Returns the date from a time that has the format of RFC 3339.
pub fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or(time)
}

/// Calls `part` with the ids of all measurements and returns the results without duplicates.
pub(crate) fn parts<'a>(run: &'a Run, part: impl Fn(&'a str) -> Option<&'a str>) -> Vec<&'a str> {
    let mut parts = Vec::new();
    for part in run.measurements.iter().filter_map(|measurement| part(&measurement.id)) {
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts
}

/// Returns the path of Cargo's target folder.
pub fn target_folder() -> PathBuf {
    let default = || workspace().join("target");
    env::var_os("CARGO_TARGET_DIR").map_or_else(default, PathBuf::from)
}

/// Returns the path of the file that contains the last run of `race` or `footprint`.
pub fn measured_file(program: &str) -> PathBuf {
    target_folder().join("measure").join(format!("{program}.json"))
}

/// Returns the path of the folder that contains the records.
pub fn records_folder() -> PathBuf {
    workspace().join("benches/records")
}

fn workspace() -> &'static Path {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    benches.parent().unwrap_or(benches)
}

/// Finds the folders named `new`, each of which contains the latest results of a benchmark.
fn find_results(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()).filter(|path| path.is_dir()) {
        match path.ends_with("new") {
            true => found.push(path),
            false => find_results(&path, found),
        }
    }
}

/// Reads a JSON file that Criterion wrote. Returns `null` if the file does not exist, for example
/// because the benchmark was interrupted.
fn read(path: &Path) -> io::Result<Value> {
    let at = |error: String| io::Error::other(format!("`{}`: {error}", path.display()));
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Value::Null),
        Err(error) => Err(at(error.to_string())),
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| at(error.to_string())),
    }
}

fn measurement(benchmark: &Value, estimates: &Value) -> Option<Measurement> {
    let median = &estimates["median"];
    let interval = &median["confidence_interval"];
    let throughput = &benchmark["throughput"];
    let bytes = throughput["Bytes"].as_u64().map(Amount::Bytes);
    Some(Measurement {
        interval: Some([interval["lower_bound"].as_f64()?, interval["upper_bound"].as_f64()?]),
        amount: bytes.or(throughput["Elements"].as_u64().map(Amount::Clients)),
        ..Measurement::single(benchmark["full_id"].as_str()?, median["point_estimate"].as_f64()?)
    })
}
