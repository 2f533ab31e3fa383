//! Tests the charts of the report.

use std::fs;

use benches::report;
use harness::TempFolder;
use harness::record::{Amount, Measurement, Record, Run};

/// Returns the content of the chart's file. `name` is the name of the chart. `values` contains the
/// path and the value of each measurement. The values of the suites are in bytes per second or
/// clients per second.
fn chart(name: &str, values: &[(String, f64)]) -> String {
    let mut runs: Vec<Run> = Vec::new();
    for (path, value) in values {
        let (program, id) = path.split_once('/').unwrap();
        let measurement = match program {
            "suites" => Measurement {
                amount: Some(Amount::Bytes(1)),
                ..Measurement::single(id, 1e9 / value)
            },
            _ => Measurement::single(id, *value),
        };
        match runs.iter_mut().find(|run| run.program == program) {
            Some(run) => run.measurements.push(measurement),
            None => runs.push(Run {
                program: program.to_owned(),
                measurements: vec![measurement],
                ..Run::default()
            }),
        }
    }
    let folder = TempFolder::new().unwrap();
    report::write(&Record::new(runs), folder.path()).unwrap();
    fs::read_to_string(folder.path().join(format!("{name}.svg"))).unwrap()
}

fn values(values: &[(&str, f64)]) -> Vec<(String, f64)> {
    values.iter().map(|(path, value)| ((*path).to_owned(), *value)).collect()
}

/// Returns the content of all text elements that have these attributes.
fn texts<'a>(svg: &'a str, attributes: &str) -> Vec<&'a str> {
    let texts = svg.split("<text ").filter(|text| text.starts_with(attributes));
    texts.map(|text| text.split(['>', '<']).nth(1).unwrap()).collect()
}

const Y_AXIS: &str = "class=\"soft\" text-anchor=\"end\"";
const X_AXIS: &str = "class=\"soft\" text-anchor=\"middle\"";

#[test]
fn ticks_are_round_and_enclose_all_values() {
    let ticks = |low, high| {
        let values = [("suites/clients/tokio/1", low), ("suites/clients/tokio/16", high)];
        texts(&chart("clients", &self::values(&values)), Y_AXIS).join(" ")
    };
    assert_eq!(ticks(3.0, 4000.0), "1 10 100 1,000 10,000");
    assert_eq!(ticks(3.0, 12.0), "2 5 10 20");
    assert_eq!(ticks(1.0, 1.0), "0.5 1 2");
}

#[test]
fn names_do_not_overlap() {
    for value in [1.0, 1000.0] {
        let mut all = values(&[("suites/clients/tokio/1", 1.0), ("suites/clients/tokio/2", 1e3)]);
        for approach in approaches::ALL {
            all.push((format!("suites/clients/{}/16", approach.name), value));
            all.push((format!("suites/clients/{}/256", approach.name), value));
        }
        let svg = chart("clients", &all);
        let names = svg.split("<text x=\"313.0\" y=\"").skip(1);
        let places: Vec<f64> =
            names.map(|name| name.split('"').next().unwrap().parse().unwrap()).collect();
        assert_eq!(places.len(), approaches::ALL.len());
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= 16.0), "{places:?}");
        assert!(places[0] >= 40.0 && places[places.len() - 1] <= 245.0, "{places:?}");
    }
}

#[test]
fn lines_have_names_and_marks() {
    let mut all = values(&[("suites/throughput/baseline-memory/64MiB", 1e9)]);
    for size in ["1B", "64KiB"] {
        all.push((format!("suites/chunk_size/tokio/{size}"), 1e6));
        all.push((format!("suites/chunk_size/smol/{size}"), 1e6));
        for (quantity, value) in [("fetches", 1.0), ("file_bytes", 1e6), ("wall_s", 1.0)] {
            all.push((format!("footprint/{size}/node/{quantity}"), value));
        }
    }
    all.push(("suites/chunk_size/tokio-by-pool/1B".to_owned(), 1e3));
    let svg = chart("chunk-size-tokio", &all);
    assert_eq!(texts(&svg, "class=\"title\""), ["tokio: bytes per second"]);
    for name in ["tokio", "Node", "baseline", "by pool"] {
        assert!(svg.contains(&format!(">{name}<")), "expected the name {name}, got {svg}");
    }
    // In this chart, the line of smol is in the background and has no name.
    assert!(!svg.contains(">smol<") && svg.contains("<path class=\"line dim\""), "{svg}");
    assert_eq!(svg.matches("<path class=\"line").count(), 5);
    assert!(svg.contains("<path class=\"c1 mark\" d=\"M"), "{svg}");
    assert!(svg.contains("prefers-color-scheme"), "{svg}");
}

#[test]
fn values_have_units() {
    let speeds = [("suites/throughput/std/64KiB", 1e3), ("suites/throughput/std/64MiB", 4e9)];
    let svg = chart("throughput", &values(&speeds));
    assert_eq!(texts(&svg, X_AXIS), ["64K", "64M", "file size in bytes"]);
    let ticks = texts(&svg, Y_AXIS);
    assert_eq!(
        [ticks[0], ticks[2], ticks[5], ticks[7]],
        ["100 B/s", "10 kB/s", "10 MB/s", "1 GB/s"]
    );
    let memory = [
        ("footprint/non-reading-1/std/memory_bytes", 524_288.0),
        ("footprint/non-reading-1024/std/memory_bytes", 104_857_600.0),
    ];
    let svg = chart("memory", &values(&memory));
    assert_eq!(texts(&svg, X_AXIS), ["1", "1,024", "non-reading clients"]);
    assert_eq!(texts(&svg, Y_AXIS), ["0.1 MiB", "1 MiB", "10 MiB", "100 MiB", "1,000 MiB"]);
}

#[test]
fn bars_are_sorted_and_both_modes_have_the_same_style() {
    let speeds = [
        ("race/large/nginx/gb_per_s", 4.0),
        ("race/large/tokio/gb_per_s", 2.5),
        ("race/large/tokio-zero-copy/gb_per_s", 6.125),
    ];
    let svg = chart("race-large", &values(&speeds));
    let names = texts(&svg, "text-anchor=\"end\"");
    assert_eq!(names, ["tokio-zero-copy", "nginx", "tokio"]);
    let styles: Vec<&str> = svg.split(" mark\"").map(|it| it.rsplit('"').next().unwrap()).collect();
    assert_eq!(styles[..3], ["c1", "ref", "c1"]);
    assert!(svg.contains(">6.12 GB<") && svg.contains(">2.50 GB<"), "{svg}");
}
