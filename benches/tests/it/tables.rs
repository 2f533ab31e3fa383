//! Tests the tables of the race and of the footprint.

use benches::footprint::{self, Cost};
use benches::race;
use harness::record::{Measurement, Run};
use harness::table::Table;

const MIB: f64 = 1024.0 * 1024.0;

/// Returns a run that contains one measurement per value. Each measurement has one sample.
fn run_of(values: &[(&str, f64)]) -> Run {
    let single = |&(id, value): &(&str, f64)| Measurement::single(id, value);
    Run { measurements: values.iter().map(single).collect(), ..Run::default() }
}

fn large_run() -> Run {
    let mut run = run_of(&[
        ("large/std/gb_per_s", 12.34),
        ("large/std/gb_per_cpu_s", 23.45),
        ("large/tokio-zero-copy/gb_per_s", 37.02),
        ("large/tokio-zero-copy/gb_per_cpu_s", 23.45),
        ("large/nginx/gb_per_s", 24.68),
        ("large/nginx/gb_per_cpu_s", 23.45),
    ]);
    run.options = [("rounds", 3), ("large_bytes", 1 << 30)]
        .map(|(name, value)| (name.to_owned(), value.into()))
        .into();
    run.problems.push("node was not measured: `node` is not installed".to_owned());
    run
}

#[test]
fn tables_of_the_race_contain_medians_and_ratios() {
    let tables = race::tables(&large_run());
    assert_eq!(tables.len(), 3);
    let expected = "\
large: 1.0 GiB, one client
server            GB/s           × nginx  × Node
std              12.34  0.50 (0.50–0.50)       –
tokio-zero-copy  37.02  1.50 (1.50–1.50)       –
nginx            24.68                 –       –
";
    assert_eq!(tables[0].to_string(), expected);
    let expected = "\
large: 1.0 GiB, one client, by CPU time
server           GB/CPU-s           × nginx
std                 23.45  1.00 (1.00–1.00)
tokio-zero-copy     23.45  1.00 (1.00–1.00)
nginx               23.45                 –
";
    assert_eq!(tables[1].to_string(), expected);
    assert_eq!(tables[2].title, "targets: 1 of 2 met");
}

#[test]
fn a_shorter_duration_is_a_higher_speed() {
    let run = run_of(&[("bytes/std/wall_s", 0.5), ("bytes/node/wall_s", 8.0)]);
    let rows = &race::tables(&run)[0].rows;
    assert_eq!(rows[0].join(" | "), "std | 0.500 | 16.0 (16.0–16.0) | –");
    assert_eq!(rows[1].join(" | "), "node | 8.000 | – | –");
}

fn assert_fits(table: &Table) {
    for line in table.to_string().lines() {
        let count = line.chars().count();
        assert!(count <= 80, "expected at most 80 characters, got {count}: `{line}`");
    }
}

#[test]
fn every_table_of_the_race_fits_into_80_columns() {
    let values = [
        ("large", "gb_per_s", 123.4),
        ("large", "gb_per_cpu_s", 123.4),
        ("river", "connections_per_s", 123_456.0),
        ("river", "connections_per_cpu_s", 123_456.0),
        ("bytes", "wall_s", 12.345),
        ("bytes", "server_cpu_s", 12.345),
        ("non-reading", "clients", 9_900.0),
        ("non-reading", "complete_replies", 9_900.0),
        ("non-reading", "kib_per_client", 123.4),
        ("non-reading", "latency_without_ms", 123.45),
        ("non-reading", "latency_with_ms", 123.45),
        ("non-reading", "latency_ratio", 12.34),
        ("non-reading", "tcp_pressure", 0.25),
        ("log", "large_ratio", 1.0),
        ("log", "river_ratio", 1.0),
        ("log", "json_gb_per_s", 123.4),
        ("log", "json_connections_per_s", 123_456.0),
    ];
    let mut run = Run::default();
    for (scenario, quantity, value) in values {
        for (server, part) in [("async-std-zero-copy", 1.0), ("nginx", 1.1), ("node", 0.03)] {
            let id = format!("{scenario}/{server}/{quantity}");
            let samples = vec![Some(value * part), Some(value * part * 0.9)];
            run.measurements.push(Measurement { id, samples, ..Measurement::default() });
        }
    }
    let tables = race::tables(&run);
    assert_eq!(tables.len(), 9);
    for table in tables {
        assert_fits(&table);
        assert!(table.rows.iter().all(|row| row.len() == table.headers.len()), "{table}");
    }
}

#[test]
fn every_table_of_the_records_fits_into_80_columns() {
    for name in ["2026-11-25-linux-2-cores", "2026-11-29-linux-2-cores"] {
        let record = benches::records::load(name).unwrap();
        let race = race::tables(record.run("race").unwrap());
        let footprint = footprint::tables(record.run("footprint").unwrap());
        assert!(race.len() == 9 && footprint.len() == 9, "{race:?} {footprint:?}");
        for table in race.iter().chain(&footprint) {
            assert_fits(table);
        }
    }
}

#[test]
fn each_round_starts_with_a_different_server() {
    let scenarios = ["large", "large", "large", "river", "river", "river"];
    assert_eq!(race::order(&scenarios, 1), [1, 2, 0, 4, 5, 3]);
    assert_eq!(race::order(&scenarios, 2), [2, 0, 1, 5, 3, 4]);
    assert_eq!(race::order(&scenarios, 3), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_failed_round_has_no_sample() {
    let rounds = [Some([("a", 1.0), ("b", 2.0)].into()), None, Some([("a", 3.0)].into())];
    let measurements = race::measurements("log/std", &rounds);
    let actual: Vec<_> = measurements.into_iter().map(|it| (it.id, it.samples)).collect();
    let expected = [
        ("log/std/a".to_owned(), vec![Some(1.0), None, Some(3.0)]),
        ("log/std/b".to_owned(), vec![Some(2.0), None, None]),
    ];
    assert_eq!(actual, expected);
}

#[test]
fn targets_are_in_the_order_of_the_siblings() {
    let names: Vec<&str> = approaches::ALL.iter().map(|approach| approach.name).collect();
    assert_eq!(names, ["std", "tokio", "async-std", "smol", "mio"]);
}

#[test]
fn a_target_is_met_or_missed() {
    let run = run_of(&[
        ("river/tokio-zero-copy/connections_per_cpu_s", 110.0),
        ("river/smol-zero-copy/connections_per_cpu_s", 90.0),
        ("river/nginx/connections_per_cpu_s", 100.0),
        ("river/std-zero-copy/connections_per_cpu_s", 50.0),
        ("non-reading/smol/kib_per_client", 5.0),
        ("non-reading/std-zero-copy/kib_per_client", 41.0),
    ]);
    let table = race::tables(&run).pop().unwrap();
    assert_eq!(table.title, "targets: 2 of 4 met");
    let rows: Vec<String> = table.rows.iter().map(|row| row.join(" | ")).collect();
    let expected = [
        "tokio-zero-copy river, speed/CPU-s × nginx | ≥ 1.1 | 1.10 (1.10–1.10) | met",
        "smol-zero-copy river, speed/CPU-s × nginx | ≥ 0.95 | 0.90 (0.90–0.90) | missed",
        "std-zero-copy non-reading, KiB/client | ≤ 40 | 41.0 (41.0–41.0) | missed",
        "smol non-reading, KiB/client | ≤ 6 | 5.00 (5.00–5.00) | met",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn the_page_of_the_race_contains_tables_and_problems() {
    let page = race::markdown(&large_run());
    assert!(page.contains("\n### large: 1.0 GiB, one client\n\n| server | GB/s |"), "{page}");
    assert!(page.contains("| tokio-zero-copy | 37.02 | 1.50 (1.50–1.50) |"), "{page}");
    assert!(page.ends_with("\n- node was not measured: `node` is not installed\n"), "{page}");
}

#[test]
fn costs_are_per_byte_and_calls_are_per_client() {
    let mut run = run_of(&[
        ("64KiB/tokio/fetches", 1024.0),
        ("64KiB/tokio/file_bytes", MIB),
        ("64KiB/tokio/wall_s", 0.5),
        ("64KiB/tokio/cpu_s", 0.25),
        ("64KiB/tokio/switches_voluntary", 1024.0),
        ("64KiB/tokio/switches_involuntary", 1024.0),
    ]);
    let cost = Cost::new(&run, "64KiB", "tokio");
    assert_eq!(cost.get("bytes_per_s"), Some(2.0 * 1024.0 * MIB));
    assert_eq!(cost.get("cpu_s_per_gib"), Some(0.25));
    assert_eq!(cost.get("switches_per_mib"), Some(2.0));
    assert_eq!(cost.chunks(), Some(16.0));
    assert_eq!((cost.get("calls_per_mib"), cost.reads(), cost.writes()), (None, None, None));

    let calls = run_of(&[
        ("64KiB/tokio/calls/preadv2", 16.0),
        ("64KiB/tokio/errors/preadv2", 0.0),
        ("64KiB/tokio/calls/sendto", 20.0),
        ("64KiB/tokio/errors/sendto", 3.0),
        ("64KiB/tokio/calls/recvfrom", 5.0),
        ("64KiB/tokio/errors/recvfrom", 4.0),
    ]);
    run.measurements.extend(calls.measurements);
    let cost = Cost::new(&run, "64KiB", "tokio");
    assert_eq!((cost.reads(), cost.writes()), (Some(16.0), Some(17.0)));
    assert_eq!(cost.get("calls_per_mib"), Some(41.0));
}

#[test]
fn rows_are_servers_and_columns_are_sizes() {
    let run = run_of(&[
        ("non-reading-1/tokio/memory_bytes", 5.0 * MIB),
        ("non-reading-1/tokio/threads", 4.0),
        ("non-reading-1/node/memory_bytes", 60.0 * MIB),
        ("non-reading-16/tokio/memory_bytes", 20.0 * MIB),
        ("1KiB/tokio/threads", 4.0),
    ]);
    let text: Vec<String> = footprint::tables(&run).iter().map(ToString::to_string).collect();
    let memory = "Memory in MiB, by number of non-reading clients\n\
                  server     1    16\n\
                  tokio   5.00  20.0\n\
                  node    60.0     –\n";
    let threads = "Threads\nserver  1KiB\ntokio   4.00\nnode       –\n";
    assert_eq!(text, [threads, memory]);
}

#[test]
fn failed_rounds_and_missing_servers_have_no_value() {
    let mut run = large_run();
    for measurement in &mut run.measurements {
        measurement.samples.push(measurement.id.starts_with("large/nginx").then_some(99.0));
    }
    let rows = &race::tables(&run)[0].rows;
    // The second round has no ratio, because only nginx has a value in this round.
    assert_eq!(rows[0].join(" | "), "std | 12.34 | 0.50 (0.50–0.50) | –");
    assert_eq!(rows[2].join(" | "), "nginx | 61.84 | – | –");
    assert!(rows.iter().all(|row| row[0] != "node"));
}
