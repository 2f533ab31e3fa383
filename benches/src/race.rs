//! The race: tables of its results, and the targets of the siblings.
//!
//! All values come from a [`Run`] with ids `MEASURE/SERVER/FIGURE`. A sample is the value of one
//! round.

mod targets;
mod values;

use bytesize::ByteSize;
use harness::record::Run;
use harness::table::{NO_VALUE, Table};
use serde_json::Value;

use values::{Quantity, range, spread};

/// The name of the program in records.
pub const PROGRAM: &str = "race";

/// The content of a column.
#[derive(Clone, Copy)]
enum Cell {
    /// The median, with this number of decimals.
    Median(&'static str, usize),
    /// The median, the minimum and the maximum.
    Range(Quantity),
}

/// All measures, and the columns of their tables.
const MEASURES: [(&str, &[(&str, Cell)]); 5] = {
    use Cell::{Median, Range};
    use Quantity::{Ratio, Speed};
    [
        (
            "large",
            &[
                ("GB/s", Median("gb_per_s", 2)),
                ("× nginx", Range(Ratio("gb_per_s", "nginx"))),
                ("× Node", Range(Ratio("gb_per_s", "node"))),
                ("GB/CPU-s", Median("gb_per_cpu_s", 2)),
                ("× nginx", Range(Ratio("gb_per_cpu_s", "nginx"))),
            ],
        ),
        (
            "river",
            &[
                ("clients/s", Median("connections_per_s", 0)),
                ("× Node", Range(Ratio("connections_per_s", "node"))),
                ("clients/CPU-s", Median("connections_per_cpu_s", 0)),
                ("× nginx", Range(Ratio("connections_per_cpu_s", "nginx"))),
            ],
        ),
        (
            "bytes",
            &[
                ("seconds", Median("wall_s", 3)),
                ("× Node", Range(Speed("wall_s", "node"))),
                ("CPU-s", Median("server_cpu_s", 3)),
            ],
        ),
        (
            "held",
            &[
                ("clients", Median("clients", 0)),
                ("complete", Median("served_whole", 0)),
                ("KiB/client", Median("kib_per_client", 1)),
                ("without, ms", Median("fresh_idle_ms", 2)),
                ("with, ms", Median("fresh_held_ms", 2)),
                ("ratio", Median("fresh_ms_ratio", 2)),
                ("TCP memory", Median("tcp_pressure", 2)),
            ],
        ),
        (
            "log",
            &[
                ("large, json/off", Median("large_ratio", 3)),
                ("river, json/off", Median("river_ratio", 3)),
                ("GB/s, json", Median("json_gb_per_s", 2)),
                ("clients/s, json", Median("json_connections_per_s", 0)),
            ],
        ),
    ]
};

/// Returns a table for each measure of the run, and one of the targets.
#[must_use]
pub fn tables(run: &Run) -> Vec<Table> {
    let measures = MEASURES.iter().map(|(measure, columns)| table(run, measure, columns));
    let tables = measures.chain([targets::table(run)]);
    tables.filter(|table| !table.rows.is_empty()).collect()
}

/// Returns the run as a page in Markdown.
#[must_use]
pub fn markdown(run: &Run) -> String {
    let date = run.date.split('T').next().unwrap_or_default();
    let rounds = run.options.get("rounds").unwrap_or(&Value::Null);
    let mut page = format!(
        "# Race, {date}\n\nThe values are medians of {rounds} rounds. A ratio is computed within \
         each round; the table shows the median of these ratios, with their minimum and maximum. \
         All servers ran in turns, on this machine, over loopback, and the client discarded the \
         data. A CPU-second is CPU time of the server. `docs/METHODOLOGY.md` describes the \
         measurements, and `summary.json` contains all values.\n\n| | |\n| --- | --- |\n"
    );
    for (name, value) in run.machine.facts() {
        page.push_str(&format!("| {name} | {value} |\n"));
    }
    for table in tables(run) {
        page.push_str(&format!("\n{}", table.to_markdown()));
    }
    if !run.problems.is_empty() {
        page.push_str(&format!("\n### Problems\n\n- {}\n", run.problems.join("\n- ")));
    }
    page
}

fn table(run: &Run, measure: &str, columns: &[(&str, Cell)]) -> Table {
    let headers = std::iter::once("server").chain(columns.iter().map(|(header, _)| *header));
    let mut table = Table::new(title(run, measure), headers);
    for server in servers(run, measure) {
        let cells = columns.iter().map(|&(_, cell)| match cell {
            Cell::Median(figure, decimals) => {
                let spread = spread(run, measure, server, Quantity::Figure(figure))?;
                Some(format!("{:.decimals$}", spread.median))
            }
            Cell::Range(quantity) => spread(run, measure, server, quantity).map(range),
        });
        let cells = cells.map(|cell| cell.unwrap_or_else(|| NO_VALUE.to_owned()));
        table.rows.push(std::iter::once(server.to_owned()).chain(cells).collect());
    }
    table
}

fn title(run: &Run, measure: &str) -> String {
    let option = |name: &str| run.options.get(name).and_then(Value::as_u64).unwrap_or_default();
    match measure {
        "large" => format!("large: {}, one client", ByteSize(option("large_bytes"))),
        "river" => format!("river: 157 kB, {} clients at once", option("river_clients")),
        "bytes" => "bytes: 100 kB, one byte at a time".to_owned(),
        "held" => "held: non-reading clients, and a new client without and with them".to_owned(),
        _ => "log: --log json, compared with --log off".to_owned(),
    }
}

/// Returns the servers that have values of a measure, in the order of the run.
fn servers<'a>(run: &'a Run, measure: &str) -> Vec<&'a str> {
    let ids = run.measurements.iter().filter_map(|measurement| {
        let (case, rest) = measurement.id.split_once('/')?;
        (case == measure).then_some(rest.split_once('/')?.0)
    });
    let mut servers: Vec<&str> = ids.collect();
    // The measurements of a server are contiguous.
    servers.dedup();
    servers
}

#[cfg(test)]
mod tests {
    use harness::record::Measurement;

    use super::*;

    fn run() -> Run {
        let mut measurements = Vec::new();
        for (server, factor) in [("std", 1.0), ("tokio-zero-copy", 3.0), ("nginx", 2.0)] {
            for (figure, value) in [("gb_per_s", 12.34 * factor), ("gb_per_cpu_s", 23.45)] {
                let id = format!("large/{server}/{figure}");
                measurements.push(Measurement {
                    samples: vec![Some(value); 3],
                    id,
                    ..Measurement::default()
                });
            }
        }
        let options =
            [("rounds".to_owned(), 3.into()), ("large_bytes".to_owned(), (1 << 30).into())];
        let problems = vec!["absent: node: `node` is not installed".to_owned()];
        Run { options: options.into(), problems, measurements, ..Run::default() }
    }

    /// A run with a value for each cell of each table.
    fn complete_run() -> Run {
        let mut run = Run::default();
        for (measure, columns) in MEASURES {
            for server in ["async-std-zero-copy", "nginx", "node"] {
                for (_, cell) in columns {
                    let (Cell::Median(figure, _)
                    | Cell::Range(
                        Quantity::Ratio(figure, _)
                        | Quantity::Speed(figure, _)
                        | Quantity::Figure(figure),
                    )) = cell;
                    let samples = vec![Some(20_480.0), Some(25_162.0)];
                    let id = format!("{measure}/{server}/{figure}");
                    run.measurements.push(Measurement { samples, id, ..Measurement::default() });
                }
            }
        }
        run
    }

    #[test]
    fn a_table_has_medians_and_ratios() {
        let tables = tables(&run());
        assert_eq!(tables.len(), 2);
        let expected = "\
large: 1.0 GiB, one client
server            GB/s           × nginx  × Node  GB/CPU-s           × nginx
std              12.34  0.50 (0.50–0.50)       –     23.45  1.00 (1.00–1.00)
tokio-zero-copy  37.02  1.50 (1.50–1.50)       –     23.45  1.00 (1.00–1.00)
nginx            24.68                 –       –     23.45                 –
";
        assert_eq!(tables[0].to_string(), expected);
        assert_eq!(tables[1].title, "targets: 1 of 2 met");
    }

    #[test]
    fn every_table_fits_into_100_columns() {
        let tables = tables(&complete_run());
        assert_eq!(tables.len(), MEASURES.len() + 1);
        for table in tables {
            for line in table.to_string().lines() {
                assert!(line.chars().count() <= 100, "{line}");
            }
            assert!(table.rows.iter().all(|row| row.len() == table.headers.len()), "{table}");
        }
    }

    #[test]
    fn the_page_contains_tables_and_problems() {
        let page = markdown(&run());
        assert!(page.contains("\n### large: 1.0 GiB, one client\n\n| server | GB/s |"), "{page}");
        assert!(page.contains("| tokio-zero-copy | 37.02 | 1.50 (1.50–1.50) |"), "{page}");
        assert!(page.ends_with("\n- absent: node: `node` is not installed\n"), "{page}");
    }
}
