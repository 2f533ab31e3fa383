//! Tables of the footprint.

use harness::record::Run;
use harness::table::{NO_VALUE, Table};
use harness::text::significant;

use super::cost::Cost;

type Value = fn(Cost<'_>) -> Option<f64>;

/// A title, and the value of each cell.
const OF_CHUNKS: [(&str, Value); 8] = [
    ("MB per second, as the client sees it", |cost| Some(cost.get("bytes_per_s")? / 1e6)),
    ("CPU-seconds of the server per GiB", |cost| cost.get("cpu_s_per_gib")),
    ("System calls per MiB, including failed ones", |cost| cost.get("calls_per_mib")),
    ("Reads per chunk", |cost| Some(cost.reads()? / cost.chunks()?)),
    ("Writes per chunk", |cost| Some(cost.writes()? / cost.chunks()?)),
    ("Context switches per MiB", |cost| cost.get("switches_per_mib")),
    ("Threads", |cost| cost.get("threads")),
    ("Peak memory in MiB", |cost| cost.get("peak_memory_mib")),
];

/// Returns all tables that have values. Each row is a server; each column is a chunk size or a
/// number of non-reading clients.
#[must_use]
pub fn tables(run: &Run) -> Vec<Table> {
    let (clients, chunks): (Vec<_>, Vec<_>) =
        cases(run).into_iter().partition(|case| case.starts_with("held-"));
    let of_chunks = OF_CHUNKS.map(|(title, value)| table(run, title, &chunks, value));
    let title = "Memory in MiB, by number of non-reading clients";
    let memory = table(run, title, &clients, |cost| cost.get("memory_mib"));
    of_chunks.into_iter().chain([memory]).filter(Table::has_values).collect()
}

/// Returns the chunk sizes and the numbers of non-reading clients, in the order of the run.
fn cases(run: &Run) -> Vec<&str> {
    part(run, |id| id.split('/').next())
}

/// Returns a part of each id, without repetitions.
fn part<'a>(run: &'a Run, part: impl Fn(&'a str) -> Option<&'a str>) -> Vec<&'a str> {
    let mut parts = Vec::new();
    for part in run.measurements.iter().filter_map(|measurement| part(&measurement.id)) {
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts
}

fn table(run: &Run, title: &str, cases: &[&str], value: Value) -> Table {
    let columns = cases.iter().map(|case| case.trim_start_matches("held-"));
    let mut table = Table::new(title, std::iter::once("server").chain(columns));
    for server in part(run, |id| id.split('/').nth(1)) {
        let cell = |case| value(Cost::new(run, case, server));
        let cells = cases.iter().map(|case| cell(case).map_or(NO_VALUE.to_owned(), significant));
        table.rows.push(std::iter::once(server.to_owned()).chain(cells).collect());
    }
    table
}

#[cfg(test)]
mod tests {
    use harness::record::Measurement;

    use super::*;

    const MIB: f64 = 1024.0 * 1024.0;

    #[test]
    fn rows_are_servers_and_columns_are_cases() {
        let measurements = [
            ("held-1/tokio/memory_bytes", 5.0 * MIB),
            ("held-1/tokio/threads", 4.0),
            ("held-1/node/memory_bytes", 60.0 * MIB),
            ("held-16/tokio/memory_bytes", 20.0 * MIB),
            ("1KiB/tokio/threads", 4.0),
        ];
        let measurements = measurements.map(|(id, value)| Measurement::single(id, value)).into();
        let tables = tables(&Run { measurements, ..Run::default() });
        let text: Vec<String> = tables.iter().map(ToString::to_string).collect();
        let memory = "Memory in MiB, by number of non-reading clients\n\
                      server     1    16\n\
                      tokio   5.00  20.0\n\
                      node    60.0     –\n";
        let threads = "Threads\nserver  1KiB\ntokio   4.00\nnode       –\n";
        assert_eq!(text, [threads, memory]);
    }
}
