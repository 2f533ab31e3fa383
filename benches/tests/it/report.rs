//! Tests the page and the charts that are generated from a record.

use benches::report;
use benches::suite::CHUNK_SIZES;
use harness::TempFolder;
use harness::record::{Amount, Measurement, Record, Run};

fn benchmark(id: String, ns: f64) -> Measurement {
    Measurement {
        interval: Some([ns * 0.9, ns * 1.1]),
        amount: Some(Amount::Bytes(16_384)),
        ..Measurement::single(id, ns)
    }
}

fn run(program: &str, measurements: Vec<Measurement>) -> Run {
    let (program, date) = (program.to_owned(), "2026-11-25T01:02:03Z".to_owned());
    Run { program, date, measurements, ..Run::default() }
}

fn suites() -> Run {
    let mut benchmarks = vec![benchmark("throughput/baseline-memory/64MiB".to_owned(), 1e5)];
    for (index, approach) in approaches::ALL.iter().enumerate() {
        let name = approach.name;
        for (size, _) in CHUNK_SIZES {
            let ns = 1e8 + index as f64 * 1e6;
            benchmarks.push(benchmark(format!("chunk_size/{name}/{size}"), ns));
        }
        let ns = 16_384.0 * 33_000.0;
        benchmarks.push(benchmark(format!("chunk_size/{name}-by-pool/1B"), ns));
        benchmarks.push(benchmark(format!("throughput/{name}/1MiB"), 1e6));
        benchmarks.push(benchmark(format!("clients/{name}/16"), 1e6));
        benchmarks.push(benchmark(format!("connect/{name}"), 45_000.0));
    }
    run("suites", benchmarks)
}

fn footprint() -> Run {
    let mut measurements = Vec::new();
    for server in ["tokio", "tokio-zero-copy", "node"] {
        for (quantity, value) in [
            ("fetches", 3.0),
            ("file_bytes", 1_048_576.0),
            ("wall_s", 0.1),
            ("cpu_s", 0.05),
            ("calls/sendto", 20.0),
            ("errors/sendto", 1.0),
        ] {
            measurements.push(Measurement::single(format!("64KiB/{server}/{quantity}"), value));
        }
    }
    for id in ["non-reading-1/tokio", "non-reading-256/tokio", "non-reading-1/node"] {
        measurements.push(Measurement::single(format!("{id}/memory_bytes"), 1_048_576.0));
    }
    let problems = vec!["a <reason>".to_owned()];
    Run { problems, ..run("footprint", measurements) }
}

/// Generates a page from runs. Returns the page, and the names of all files that were written.
fn page(runs: impl IntoIterator<Item = Run>) -> (String, Vec<String>) {
    let folder = TempFolder::new().unwrap();
    let path = report::write(&Record::new(runs), folder.path()).unwrap();
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let mut files: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    (std::fs::read_to_string(path).unwrap(), files)
}

#[test]
fn the_page_loads_nothing_from_the_network() {
    let race = run("race", vec![Measurement::single("large/nginx/gb_per_s", 4.0)]);
    let (page, files) = page([race, footprint(), suites()]);
    for part in ["http:", "https:", "src=", "url(", "@import", "<script", "<link rel=\"style"] {
        assert!(!page.contains(part), "expected a page without `{part}`");
    }
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    let charts = files.iter().filter(|file| file.ends_with(".svg")).count();
    assert_eq!(page.matches("<svg").count(), charts);
    assert!(charts >= 11, "{files:?}");
    for file in ["report.html", "chunk-size-tokio.svg", "memory.svg"] {
        assert!(files.iter().any(|it| it == file), "expected {file}, got {files:?}");
    }
    for part in [
        "suites 2026-11-25",
        "race 2026-11-25",
        "prefers-color-scheme: dark",
        "Tokio then needs 33 µs per byte instead of 6.2 µs",
        "Why the smol sibling does not use",
        ">nginx<",
        "<caption>large: 0 B, one client</caption>",
        "<caption>Time per iteration, with the 95% confidence interval</caption>",
        "Problem: a &lt;reason&gt;.",
    ] {
        assert!(page.contains(part), "expected a page with `{part}`");
    }
}

#[test]
fn a_page_can_be_generated_from_one_program() {
    let (of_suites, _) = page([suites()]);
    assert!(of_suites.contains("just footprint") && !of_suites.contains("CPU-seconds"));
    let (of_footprint, files) = page([footprint()]);
    assert!(of_footprint.contains("just bench") && of_footprint.contains("CPU-seconds"));
    assert!(files.contains(&"memory.svg".to_owned()), "{files:?}");
}

/// Returns a record with one benchmark. `point` is the median, and `spread` is half the width of
/// its confidence interval.
fn record_of(point: f64, spread: f64) -> Record {
    let measurement = Measurement {
        interval: Some([point - spread, point + spread]),
        ..Measurement::single("connect/std", point)
    };
    let program = "suites".to_owned();
    Record::new([Run { program, measurements: vec![measurement], ..Run::default() }])
}

#[test]
fn overlapping_intervals_and_small_differences_are_noise() {
    let verdict = |b: Record| {
        let tables = report::diff(&record_of(1000.0, 20.0), &b).unwrap();
        tables[0].rows[0].last().unwrap().clone()
    };
    assert_eq!(verdict(record_of(1300.0, 300.0)), "noise");
    assert_eq!(verdict(record_of(1045.0, 1.0)), "noise");
    assert_eq!(verdict(record_of(1300.0, 30.0)), "B is slower");
    assert_eq!(verdict(record_of(500.0, 30.0)), "B is faster");
    assert!(report::diff(&record_of(1.0, 1.0), &Record::default()).is_err());
}
