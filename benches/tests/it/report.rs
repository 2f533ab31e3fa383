//! The page, from results to what a browser gets.

use benches::footprint::{Calls, Footprint, Held, Job};
use benches::records::{Amount, Interval, Measured, Results, Suites};
use benches::report;
use benches::suite::CHUNK_SIZES;

fn bench(group: &str, function: &str, parameter: Option<&str>, ns: f64) -> Measured {
    let parameter = parameter.map(str::to_owned);
    let behind = parameter.as_ref().map(|parameter| format!("/{parameter}"));
    Measured {
        id: format!("{group}/{function}{}", behind.unwrap_or_default()),
        group: group.to_owned(),
        function: function.to_owned(),
        parameter,
        amount: Some(Amount::Bytes(16_384)),
        median_ns: Interval { point: ns, low: ns * 0.9, high: ns * 1.1 },
    }
}

fn suites() -> Suites {
    let mut benches = Vec::new();
    for (at, approach) in approaches::ALL.iter().enumerate() {
        for (size, _) in CHUNK_SIZES {
            benches.push(bench("chunk_size", approach.name, Some(size), 1e8 + at as f64 * 1e6));
        }
        let by_pool = format!("{}-by-pool", approach.name);
        benches.push(bench("chunk_size", &by_pool, Some("1B"), 16_384.0 * 33_000.0));
        benches.push(bench("throughput", approach.name, Some("1MiB"), 1e6));
        benches.push(bench("clients", approach.name, Some("16"), 1e6));
        benches.push(bench("connect", approach.name, None, 45_000.0));
    }
    benches.push(bench("throughput", "floor-memory", Some("64MiB"), 1e5));
    Suites { date: "2026-11-25T01:02:03Z".to_owned(), benches, ..Suites::default() }
}

fn footprint() -> Footprint {
    let job = |server: &str, chunk_bytes| Job {
        server: server.to_owned(),
        chunk_bytes,
        file_bytes: 1 << 20,
        fetches: 3,
        wall_s: 0.1,
        cpu_s: 0.05,
        switches_voluntary: 10,
        switches_involuntary: 1,
        threads: 3,
        peak_memory_bytes: 7 << 20,
        system_calls: Some([("sendto".to_owned(), Calls { calls: 20, errors: 1 })].into()),
    };
    let held = |server: &str, clients| Held {
        server: server.to_owned(),
        clients,
        memory_bytes: clients << 20,
        threads: 3,
    };
    Footprint {
        jobs: ["tokio", "tokio-zero-copy", "node"].map(|server| job(server, 65_536)).into(),
        held: vec![held("tokio", 1), held("tokio", 256), held("node", 1)],
        untraced: Some("a <reason>".to_owned()),
        ..Footprint::default()
    }
}

fn page(results: &Results) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = report::write(results, folder.path()).unwrap();
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let mut files: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    (std::fs::read_to_string(path).unwrap(), files)
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let peers = r#"{"date":"2026-11-24T00:00:00Z","samples":[
        {"round":1,"measure":"large","server":"nginx","figures":{"gb_per_s":4.0}}]}"#;
    let peers = serde_json::from_str(peers).unwrap();
    let results =
        Results { suites: Some(suites()), footprint: Some(footprint()), peers: Some(peers) };
    let (page, files) = page(&results);
    for elsewhere in ["http:", "https:", "src=", "url(", "@import", "<script", "<link rel=\"style"]
    {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    let drawings = files.iter().filter(|file| file.ends_with(".svg")).count();
    assert_eq!(page.matches("<svg").count(), drawings);
    assert!(drawings >= 11 && files.contains(&"report.html".to_owned()), "{files:?}");
    for part in [
        "suites 2026-11-25",
        "race 2026-11-24",
        "prefers-color-scheme:dark",
        "Tokio 33 µs a byte instead of 6.2 µs",
        "Why smol's file reads",
        ">nginx<",
        "No system calls were counted: a &lt;reason&gt;",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn half_of_the_results_make_a_page_too() {
    let results = Results { suites: Some(suites()), ..Results::default() };
    let (of_suites, _) = page(&results);
    assert!(of_suites.contains("just footprint") && !of_suites.contains("CPU-seconds"));
    let results = Results { footprint: Some(footprint()), ..Results::default() };
    let (of_footprint, files) = page(&results);
    assert!(of_footprint.contains("just bench") && of_footprint.contains("CPU-seconds"));
    assert!(files.contains(&"memory.svg".to_owned()), "{files:?}");
}
