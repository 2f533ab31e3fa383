//! Tests the values from records in pages.

use harness::record::{Measurement, Record, Run};

use crate::repository::Repository;

pub const TESTS: &[(&str, fn())] = &[
    ("race_has_medians_and_ratios_of_rounds", race_has_medians_and_ratios_of_rounds),
    ("footprints_and_suites_are_found", footprints_and_suites_are_found),
    ("errors_list_the_valid_alternatives", errors_list_the_valid_alternatives),
    ("numbers_have_a_suitable_form", numbers_have_a_suitable_form),
    ("newest_complete_record_is_used", newest_complete_record_is_used),
];

fn record() -> Record {
    let rounds = |id: &str, samples: &[f64]| Measurement {
        samples: samples.iter().copied().map(Some).collect(),
        ..Measurement::single(id, 0.0)
    };
    let single = |values: &[(&str, f64)]| -> Vec<Measurement> {
        values.iter().map(|(id, value)| Measurement::single(*id, *value)).collect()
    };
    let run = |program: &str, measurements| Run {
        program: program.to_owned(),
        measurements,
        ..Run::default()
    };
    let race = vec![
        rounds("large/tokio/gb_per_s", &[2.0, 3.0, 4.0]),
        rounds("large/node/gb_per_s", &[1.0, 1.0, 8.0]),
        rounds("river/tokio/connections_per_s", &[19_349.4]),
        rounds("bytes/tokio/wall_s", &[0.1556]),
        Measurement { samples: vec![None], ..Measurement::single("log/tokio/river_ratio", 0.0) },
    ];
    let footprint = single(&[
        ("1B/std/calls/sendto", 1_016_385.0),
        ("1B/std/calls/close", 2.0),
        ("1B/node/calls/sendto", 10_163_870.0),
        ("non-reading-1024/std/memory_bytes", 4_718_592.0),
        ("non-reading-1024/std/threads", 1026.0),
        ("non-reading-1024/tokio/threads", 2.0),
    ]);
    let suites = single(&[
        ("connect/tokio", 45_210.0),
        ("connect/std", 999.4),
        ("chunk_size/std/1KiB", 24.9e6),
        ("chunk_size/std/1B", 2.0e9),
    ]);
    Record::new([run("race", race), run("footprint", footprint), run("suites", suites)])
}

/// Creates a repository with a record, and with a lesson that contains these queries.
fn repository(queries: &[&str]) -> Repository {
    let repository = Repository::new();
    record().write(&repository.path().join("benches/records/2026-01-02-b")).unwrap();
    let value = |query: &&str| format!("A <!-- figure: {query} -->?<!-- /figure -->.\n\n");
    let values: String = queries.iter().map(value).collect();
    repository.write("lessons/01-a.md", &format!("# A\n\n{values}"));
    repository
}

/// Fills in a lesson with these queries, and compares the inserted values with the expected values.
fn check(expected: &[(&str, &str)]) {
    let queries: Vec<&str> = expected.iter().map(|(query, _)| *query).collect();
    let repository = repository(&queries);
    repository.notes(&["fill"], 0);
    let page = repository.read("lessons/01-a.md");
    for (query, value) in expected {
        let filled = format!("<!-- figure: {query} -->{value}<!-- /figure -->");
        assert!(page.contains(&filled), "{filled}: {page}");
    }
}

fn race_has_medians_and_ratios_of_rounds() {
    check(&[
        ("race/large/tokio/gb_per_s", "3.00"),
        ("race/large/tokio/gb_per_s / node", "2.0"),
        ("race/large/tokio/gb_per_s / node round 2", "2.00"),
        ("race/large/node/gb_per_s / tokio", "0.50"),
    ]);
}

fn footprints_and_suites_are_found() {
    check(&[
        ("footprint/1B/std/calls", "1,016,387"),
        ("footprint/1B/std/calls/sendto", "1,016,385"),
        ("footprint/1B/node/calls / std", "10.0"),
        ("footprint/non-reading-1024/std/threads / tokio round 0", "513"),
        (
            "footprint/non-reading-1024/std/threads / footprint/non-reading-1024/tokio/threads",
            "513.0",
        ),
        ("suites/chunk_size/std/1KiB", "24.9 ms"),
    ]);
}

fn numbers_have_a_suitable_form() {
    check(&[
        ("race/river/tokio/connections_per_s", "19,349"),
        ("race/bytes/tokio/wall_s", "0.156"),
        ("race/bytes/tokio/wall_s round 1", "0.2"),
        ("footprint/non-reading-1024/std/memory_mib", "4.5"),
        ("suites/connect/std", "999 ns"),
        ("suites/connect/tokio", "45.2 µs"),
        ("suites/connect/tokio round 0", "45 µs"),
        ("suites/chunk_size/std/1B", "2.00 s"),
    ]);
}

fn errors_list_the_valid_alternatives() {
    let expected = [
        (
            "race/large/tokyo/gb_per_s",
            "the record has no server `tokyo`; help: did you mean `tokio`?",
        ),
        ("race/large/tokio/gb_per_s / nodes", "help: did you mean `node`?"),
        (
            "race/x/y/z",
            "the record has no measurement `x`; help: use one of large, river, bytes, log",
        ),
        ("race/large/tokio/x", "the record has no quantity `x`; help: use one of gb_per_s"),
        ("footprint/non-reading-1000/std/memory_mib", "help: did you mean `non-reading-1024`?"),
        ("footprint/1B/std/memory", "help: did you mean `memory_mib`?"),
        ("footprint/1B/std/calls/sendt", "no system call `sendt`; help: did you mean `sendto`?"),
        ("footprint/1B/std", "`footprint/1B/std` has no quantity; help: use one of calls"),
        (
            "suites/chunk_size/std/64MiB",
            "the record has no size `64MiB`; help: use one of 1KiB, 1B",
        ),
        ("peers/large", "no program `peers`; help: use one of race, footprint, suites"),
        ("race/log/tokio/river_ratio", "all rounds of `race/log/tokio/river_ratio` failed"),
        ("race/large/tokio/gb_per_s / node round x", "is not a query; help: write `PROGRAM/ID`"),
    ];
    let output =
        repository(&expected.map(|(query, _)| query)).notes(&["check", "lessons/01-a.md"], 1);
    let lines: Vec<&str> = output.lines().collect();
    assert!(lines.len() > expected.len(), "{output}");
    for (line, (query, error)) in lines.iter().zip(expected) {
        assert!(line.contains(error), "{query}: {error}: {line}");
    }
}

fn newest_complete_record_is_used() {
    let repository = repository(&["race/large/tokio/gb_per_s"]);
    let newer = Record::new(record().runs.into_iter().take(1));
    newer.write(&repository.path().join("benches/records/2026-01-03-c")).unwrap();
    repository.write("benches/records/2026-01-04-d/race.md", "");
    repository.notes(&["fill"], 0);
    assert!(repository.read("lessons/01-a.md").contains("-->3.00<!--"));
}
