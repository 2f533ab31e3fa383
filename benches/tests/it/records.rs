//! Tests that the results of the last runs and the records are read and written.

use std::fs;
use std::path::Path;

use benches::records::{add, load, records_folder, suites};
use harness::TempFolder;
use harness::record::{Amount, Measurement, PROGRAMS, Record, Run};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

#[test]
fn the_results_of_criterion_are_read() {
    let folder = TempFolder::new().unwrap();
    assert_eq!(suites(folder.path()).unwrap(), None);
    let write = |path: &str, throughput: &str| {
        let new = folder.path().join(path).join("new");
        fs::create_dir_all(&new).unwrap();
        let benchmark = format!(r#"{{"full_id":"{path}","throughput":{throughput}}}"#);
        fs::write(new.join("benchmark.json"), benchmark).unwrap();
        let estimates = r#"{"median":{"confidence_interval":{"confidence_level":0.95,
            "lower_bound":1e6,"upper_bound":3e6},"point_estimate":2e6,"standard_error":1.0}}"#;
        fs::write(new.join("estimates.json"), estimates).unwrap();
    };
    write("connect/std", r#"{"Elements":1}"#);
    write("chunk_size/tokio/1B", r#"{"Bytes":16384}"#);
    fs::create_dir_all(folder.path().join("interrupted/new")).unwrap();
    let run = suites(folder.path()).unwrap().unwrap();
    let measurement = |id: &str, amount| Measurement {
        interval: Some([1e6, 3e6]),
        amount: Some(amount),
        ..Measurement::single(id, 2e6)
    };
    let expected = [
        measurement("chunk_size/tokio/1B", Amount::Bytes(16_384)),
        measurement("connect/std", Amount::Clients(1)),
    ];
    assert_eq!(run.measurements, expected);
    assert_eq!(run.program, "suites");
}

#[test]
fn new_runs_are_added_to_a_record() {
    let folder = TempFolder::new().unwrap();
    let record = |runs: &[(&str, &str)]| {
        Record::new(runs.iter().map(|(program, date)| Run {
            program: (*program).to_owned(),
            date: (*date).to_owned(),
            ..Run::default()
        }))
    };
    let first = record(&[("race", "1"), ("footprint", "1")]);
    assert_eq!(add(folder.path(), &first).unwrap(), first);
    let next = record(&[("footprint", "2"), ("suites", "2")]);
    let expected = record(&[("race", "1"), ("footprint", "2"), ("suites", "2")]);
    assert_eq!(add(folder.path(), &next).unwrap(), expected);
    assert_eq!(Record::read(folder.path()).unwrap(), expected);
}

#[test]
fn a_record_is_found_by_its_name_or_its_folder() {
    let by_name = load("2026-11-29-linux-2-cores").unwrap();
    let folder = records_folder().join("2026-11-29-linux-2-cores");
    assert_eq!(load(&folder.to_string_lossy()).unwrap(), by_name);
    assert_eq!(by_name.runs.len(), PROGRAMS.len());
    assert!(load("no-record").unwrap_err().to_string().contains("no-record"));
}

#[test]
fn writing_a_record_again_does_not_change_it() {
    let (folder, name) = (TempFolder::new().unwrap(), "2026-11-29-linux-2-cores");
    add(folder.path(), &load(name).unwrap()).unwrap();
    let bytes = |folder: &Path| fs::read(folder.join("summary.json")).unwrap();
    assert!(bytes(folder.path()) == bytes(&records_folder().join(name)));
}

/// Returns arbitrary JSON with the field names of Criterion.
fn json() -> impl Strategy<Value = Value> {
    const NAMES: &[&str] =
        &["full_id", "throughput", "Bytes", "median", "confidence_interval", "lower_bound"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |value| {
        let fields = prop::collection::btree_map(select(NAMES), value, 0..4);
        fields.prop_map(|fields| json!(fields))
    })
}

proptest! {
    // This test writes files.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_results_of_criterion_are_read_or_ignored(benchmark in json(), estimates in json()) {
        let folder = TempFolder::new().unwrap();
        let new = folder.path().join("new");
        fs::create_dir(&new).unwrap();
        fs::write(new.join("benchmark.json"), benchmark.to_string()).unwrap();
        fs::write(new.join("estimates.json"), estimates.to_string()).unwrap();
        let run = suites(folder.path()).unwrap();
        prop_assert!(run.is_none_or(|run| run.measurements.len() == 1));
    }
}
