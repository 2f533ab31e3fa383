//! Tests the format of records, and the values that are computed from samples.

use std::fs;

use harness::TempFolder;
use harness::record::{Measurement, PROGRAMS, Record, Run, SUMMARY, Spread, newest};
use serde_json::Value;

fn measurement(id: &str, samples: &[Option<f64>]) -> Measurement {
    Measurement { id: id.to_owned(), samples: samples.to_vec(), ..Measurement::default() }
}

fn run(program: &str) -> Run {
    let id = "large/tokio/gb_per_s";
    Run {
        program: program.to_owned(),
        options: [("rounds".to_owned(), Value::from(3))].into(),
        problems: vec!["nginx was not measured: `nginx` is not installed".to_owned()],
        measurements: vec![measurement(id, &[Some(6.0), Some(3.0), None])],
        ..Run::default()
    }
}

#[test]
fn the_median_of_an_even_number_of_values_is_a_mean() {
    assert_eq!(Spread::of([]), None);
    let odd = Spread::of([3.0, 1.0, 2.0]).unwrap();
    assert_eq!((odd.median, odd.min, odd.max), (2.0, 1.0, 3.0));
    assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
}

#[test]
fn ratios_are_computed_round_by_round() {
    // In the second round, both servers were half as fast as in the first round. In the third
    // round, the measurement of one server failed.
    let tokio = measurement("tokio", &[Some(6.0), Some(3.0), None, Some(1.0)]);
    let nginx = measurement("nginx", &[Some(4.0), Some(2.0), Some(9.0), Some(0.0)]);
    let ratio = tokio.ratio(&nginx).unwrap();
    assert_eq!((ratio.median, ratio.min, ratio.max), (1.5, 1.5, 1.5));
    assert_eq!(tokio.spread().unwrap().median, 3.0);
    assert_eq!(tokio.ratio(&measurement("none", &[None; 4])), None);
}

#[test]
fn a_written_record_can_be_read() {
    let folder = TempFolder::new().unwrap();
    let record = Record::new(PROGRAMS.map(run));
    record.write(folder.path()).unwrap();
    assert_eq!(Record::read(folder.path()).unwrap(), record);
    let text = fs::read_to_string(folder.path().join(SUMMARY)).unwrap();
    let line = r#"        {"id":"large/tokio/gb_per_s","samples":[6.0,3.0,null]}"#;
    assert!(text.lines().any(|it| it == line), "{text}");
    let found = record.get("race/large/tokio/gb_per_s").unwrap();
    assert_eq!(found.samples, [Some(6.0), Some(3.0), None]);
    assert_eq!(record.get("race/large/smol/gb_per_s"), None);
}

#[test]
fn the_newest_complete_record_is_found() {
    let folder = TempFolder::new().unwrap();
    let error = newest(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("no folder contains a complete record"), "{error}");
    let at = |name: &str| folder.path().join(name);
    Record::new(PROGRAMS.map(run)).write(&at("2026-11-28-a")).unwrap();
    Record::new(PROGRAMS.map(run)).write(&at("2026-11-29-b")).unwrap();
    Record::new([run("race")]).write(&at("2026-11-30-c")).unwrap();
    assert_eq!(newest(folder.path()).unwrap(), at("2026-11-29-b"));
    let other = r#"{"schema": 2, "runs": []}"#;
    fs::write(at("2026-11-29-b").join(SUMMARY), other).unwrap();
    let error = Record::read(&at("2026-11-29-b")).unwrap_err().to_string();
    assert!(error.ends_with("expected schema 1, got 2"), "{error}");
}
