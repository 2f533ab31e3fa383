//! The race: tables of its results, and the targets of the siblings.
//!
//! All values come from a [`Run`] with ids `MEASURE/SERVER/FIGURE`. A sample is the value of one
//! round.

use bytesize::ByteSize;
use harness::record::{Run, Spread};
use harness::table::{NO_VALUE, Table};
use serde_json::Value;

/// The name of the program in records.
pub const PROGRAM: &str = "race";

/// A value of a server.
#[derive(Clone, Copy, Debug)]
enum Quantity {
    /// A figure itself.
    Figure(&'static str),
    /// The ratio of a figure to that of another server.
    Ratio(&'static str, &'static str),
    /// The ratio of another server's duration to the server's: how many times as fast it is.
    Speed(&'static str, &'static str),
}

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
                ("served", Median("served_whole", 0)),
                ("KiB", Median("kib_per_client", 1)),
                ("without ms", Median("fresh_idle_ms", 2)),
                ("with ms", Median("fresh_held_ms", 2)),
                ("ratio", Median("fresh_ms_ratio", 2)),
                ("tcp_mem", Median("tcp_pressure", 2)),
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

/// A measure, the label of a quantity, whether it is that of zero-copy mode, and the quantity.
type Subject = (&'static str, &'static str, bool, Quantity);

/// A target for each sibling, in the order of `approaches::ALL`. NaN stands for no target.
#[derive(Clone, Copy)]
enum Limit {
    AtLeast([f64; 4]),
    AtMost([f64; 4]),
}

const MEMORY: Quantity = Quantity::Figure("kib_per_client");

/// The latency of a new client while others read nothing is at most this times its latency before.
const LATENCY_MAX: Limit = Limit::AtMost([2.0; 4]);
const LATENCY: Quantity = Quantity::Figure("fresh_ms_ratio");

/// The speed with a log is at least this times the speed without one.
const LOG_MIN: Limit = Limit::AtLeast([0.95; 4]);
const LOG_LARGE: Quantity = Quantity::Figure("large_ratio");
const LOG_RIVER: Quantity = Quantity::Figure("river_ratio");

const TARGETS: [(Subject, Limit); 14] = {
    use Limit::{AtLeast, AtMost};
    use Quantity::{Ratio, Speed};
    [
        (
            ("large", "GB/CPU-s × nginx", true, Ratio("gb_per_cpu_s", "nginx")),
            AtLeast([1.0, 1.2, 1.0, 1.1]),
        ),
        (("large", "GB/s × nginx", true, Ratio("gb_per_s", "nginx")), AtLeast([1.0; 4])),
        (
            ("river", "clients/CPU-s × nginx", true, Ratio("connections_per_cpu_s", "nginx")),
            AtLeast([f64::NAN, 1.1, 0.9, 0.95]),
        ),
        (
            ("river", "clients/s × Node", true, Ratio("connections_per_s", "node")),
            AtLeast([3.0, 4.5, 4.0, 4.2]),
        ),
        (("large", "GB/s × Node", false, Ratio("gb_per_s", "node")), AtLeast([2.5, 1.5, 1.2, 1.5])),
        (("bytes", "speed × Node", false, Speed("wall_s", "node")), AtLeast([15.0, 1.5, 1.3, 1.3])),
        (("held", "KiB per client", true, MEMORY), AtMost([40.0, 4.0, 5.0, 5.0])),
        (("held", "KiB per client", false, MEMORY), AtMost([110.0, 6.0, 8.0, 6.0])),
        (("held", "latency with/without", true, LATENCY), LATENCY_MAX),
        (("held", "latency with/without", false, LATENCY), LATENCY_MAX),
        (("log", "large json/off", true, LOG_LARGE), LOG_MIN),
        (("log", "large json/off", false, LOG_LARGE), LOG_MIN),
        (("log", "river json/off", true, LOG_RIVER), LOG_MIN),
        (("log", "river json/off", false, LOG_RIVER), LOG_MIN),
    ]
};

/// Returns a table for each measure of the run, and one of the targets.
#[must_use]
pub fn tables(run: &Run) -> Vec<Table> {
    let measures = MEASURES.iter().map(|(measure, columns)| table(run, measure, columns));
    let tables = measures.chain([targets(run)]);
    tables.filter(|table| !table.rows.is_empty()).collect()
}

/// Returns the run as a page in Markdown.
#[must_use]
pub fn markdown(run: &Run) -> String {
    let date = run.date.split('T').next().unwrap_or_default();
    let rounds = run.options.get("rounds").unwrap_or(&Value::Null);
    let mut page = format!(
        "# Race, {date}\n\nValues are medians of {rounds} rounds. A ratio is the median of the \
         ratios of the rounds, with the smallest and the largest. All servers ran in turns on this \
         machine, over loopback, and the client discarded what it received. A CPU-second is a \
         second of the server's CPU time. [The methodology](../../../docs/METHODOLOGY.md#the-race) \
         explains how the race works, and `summary.json` contains all values.\n\n| | |\n| --- | --- |\n"
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
        "held" => {
            "held: KiB per non-reading client, ms of a new client without and with them".to_owned()
        }
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

/// Returns a row for each target whose quantity was measured.
fn targets(run: &Run) -> Table {
    let mut rows = Vec::new();
    let mut met_count = 0;
    for ((measure, label, is_zero_copy, quantity), limit) in TARGETS {
        let (sign, values) = match limit {
            Limit::AtLeast(values) => ("≥", values),
            Limit::AtMost(values) => ("≤", values),
        };
        for (approach, value) in approaches::ALL.iter().zip(values) {
            let mode = if is_zero_copy { "-zero-copy" } else { "" };
            let server = format!("{}{mode}", approach.name);
            let actual = spread(run, measure, &server, quantity);
            let Some(actual) = actual.filter(|_| !value.is_nan()) else { continue };
            let is_met = match limit {
                Limit::AtLeast(_) => actual.median >= value,
                Limit::AtMost(_) => actual.median <= value,
            };
            met_count += usize::from(is_met);
            let verdict = if is_met { "met" } else { "missed" };
            let name = format!("{server} {measure}, {label}");
            rows.push(vec![name, format!("{sign} {value}"), range(actual), verdict.to_owned()]);
        }
    }
    let title = format!("targets: {met_count} of {} met", rows.len());
    Table { rows, ..Table::new(title, ["server", "target", "actual", ""]) }
}

/// Returns a value of a server, if it was measured. Ratios are computed within each round.
fn spread(run: &Run, measure: &str, server: &str, quantity: Quantity) -> Option<Spread> {
    let of = |server: &str, figure: &str| run.get(&format!("{measure}/{server}/{figure}"));
    match quantity {
        Quantity::Figure(figure) => of(server, figure)?.spread(),
        Quantity::Ratio(_, other) | Quantity::Speed(_, other) if other == server => None,
        Quantity::Ratio(figure, other) => of(server, figure)?.ratio(of(other, figure)?),
        Quantity::Speed(figure, other) => of(other, figure)?.ratio(of(server, figure)?),
    }
}

/// Formats the median, the minimum and the maximum.
fn range(spread: Spread) -> String {
    format!("{:.2} ({:.2}–{:.2})", spread.median, spread.min, spread.max)
}
