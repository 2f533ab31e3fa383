//! The race: tables of its results, and the targets of the siblings.
//!
//! All values come from a [`Run`] with ids `MEASURE/SERVER/FIGURE`. A sample is the value of one
//! round.

use std::collections::{BTreeMap, BTreeSet};

use bytesize::ByteSize;
use harness::record::{Measurement, Run, Spread};
use harness::table::Table;
use harness::text::significant;
use serde_json::Value;

use crate::records::{day, parts};

/// The values of one server in one round, by figure. The name of a figure ends in its unit.
pub type Figures = BTreeMap<&'static str, f64>;

#[derive(Clone, Copy)]
enum Quantity {
    /// A quantity itself.
    Figure(&'static str),
    /// The ratio of a figure to that of another server.
    Ratio(&'static str, &'static str),
    /// The ratio of another server's duration to the server's: how many times as fast it is.
    Speed(&'static str, &'static str),
}

enum Cell {
    /// The median, with this number of decimals.
    Median(&'static str, usize),
    /// The median, the minimum and the maximum.
    Range(Quantity),
}

/// The columns of all tables: the name of the table, the header, and the content. The lines of a
/// table have at most 80 characters.
const COLUMNS: [(&str, &str, Cell); 23] = {
    use Cell::{Median, Range};
    use Quantity::{Ratio, Speed};
    [
        ("large", "GB/s", Median("gb_per_s", 2)),
        ("large", "× nginx", Range(Ratio("gb_per_s", "nginx"))),
        ("large", "× Node", Range(Ratio("gb_per_s", "node"))),
        ("large, by CPU time", "GB/CPU-s", Median("gb_per_cpu_s", 2)),
        ("large, by CPU time", "× nginx", Range(Ratio("gb_per_cpu_s", "nginx"))),
        ("river", "clients/s", Median("connections_per_s", 0)),
        ("river", "× Node", Range(Ratio("connections_per_s", "node"))),
        ("river, by CPU time", "clients/CPU-s", Median("connections_per_cpu_s", 0)),
        ("river, by CPU time", "× nginx", Range(Ratio("connections_per_cpu_s", "nginx"))),
        ("bytes", "seconds", Median("wall_s", 3)),
        ("bytes", "× Node", Range(Speed("wall_s", "node"))),
        ("bytes", "CPU-s", Median("server_cpu_s", 3)),
        ("held", "clients", Median("clients", 0)),
        ("held", "served", Median("served_whole", 0)),
        ("held", "KiB", Median("kib_per_client", 1)),
        ("held", "without", Median("fresh_idle_ms", 2)),
        ("held", "with", Median("fresh_held_ms", 2)),
        ("held", "ratio", Median("fresh_ms_ratio", 2)),
        ("held", "tcp_mem", Median("tcp_pressure", 2)),
        ("log", "large json/off", Median("large_ratio", 3)),
        ("log", "river json/off", Median("river_ratio", 3)),
        ("log", "GB/s json", Median("json_gb_per_s", 2)),
        ("log", "clients/s json", Median("json_connections_per_s", 0)),
    ]
};

const MIN: &str = "≥";
const MAX: &str = "≤";

/// What the name of a sibling ends in.
const COPY: &[&str] = &[""];
const ZERO_COPY: &[&str] = &["-zero-copy"];
const BOTH: &[&str] = &["-zero-copy", ""];

/// A measure, the label of a quantity, the modes of the siblings, and the quantity.
type Subject = (&'static str, &'static str, &'static [&'static str], Quantity);

/// The targets of the siblings, in the order of `approaches::ALL`. NaN stands for no target.
const TARGETS: [(Subject, (&str, [f64; 4])); 11] = {
    use Quantity::{Figure, Ratio, Speed};
    [
        (
            ("large", "GB/CPU-s × nginx", ZERO_COPY, Ratio("gb_per_cpu_s", "nginx")),
            (MIN, [1.0, 1.2, 1.0, 1.1]),
        ),
        (("large", "GB/s × nginx", ZERO_COPY, Ratio("gb_per_s", "nginx")), (MIN, [1.0; 4])),
        (
            ("river", "speed/CPU-s × nginx", ZERO_COPY, Ratio("connections_per_cpu_s", "nginx")),
            (MIN, [f64::NAN, 1.1, 0.9, 0.95]),
        ),
        (
            ("river", "clients/s × Node", ZERO_COPY, Ratio("connections_per_s", "node")),
            (MIN, [3.0, 4.5, 4.0, 4.2]),
        ),
        (("large", "GB/s × Node", COPY, Ratio("gb_per_s", "node")), (MIN, [2.5, 1.5, 1.2, 1.5])),
        (("bytes", "speed × Node", COPY, Speed("wall_s", "node")), (MIN, [15.0, 1.5, 1.3, 1.3])),
        (
            ("held", "KiB per client", ZERO_COPY, Figure("kib_per_client")),
            (MAX, [40.0, 4.0, 5.0, 5.0]),
        ),
        (("held", "KiB per client", COPY, Figure("kib_per_client")), (MAX, [110.0, 6.0, 8.0, 6.0])),
        (("held", "latency with/without", BOTH, Figure("fresh_ms_ratio")), (MAX, [2.0; 4])),
        (("log", "large json/off", BOTH, Figure("large_ratio")), (MIN, [0.95; 4])),
        (("log", "river json/off", BOTH, Figure("river_ratio")), (MIN, [0.95; 4])),
    ]
};

/// Returns the order of steps in a round, by what each step measures. Steps that measure the same
/// are contiguous, and each round starts with another one of them.
pub fn order<T: PartialEq>(measures: &[T], round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..measures.len()).collect();
    for of_measure in order.chunk_by_mut(|&a, &b| measures[a] == measures[b]) {
        of_measure.rotate_left(round % of_measure.len());
    }
    order
}

/// Returns one measurement per figure. `None` stands for a failed round.
pub fn measurements(id: &str, rounds: &[Option<Figures>]) -> Vec<Measurement> {
    let figures: BTreeSet<_> = rounds.iter().flatten().flat_map(BTreeMap::keys).collect();
    let measurement = |figure: &&str| Measurement {
        id: format!("{id}/{figure}"),
        samples: rounds.iter().map(|round| round.as_ref()?.get(figure).copied()).collect(),
        ..Measurement::default()
    };
    figures.into_iter().map(measurement).collect()
}

/// Returns the tables of the run's measures, and one of the targets.
pub fn tables(run: &Run) -> Vec<Table> {
    let tables = COLUMNS.chunk_by(|a, b| a.0 == b.0).map(|columns| table(run, columns));
    let tables = tables.chain([targets(run)]);
    tables.filter(|table| !table.rows.is_empty()).collect()
}

/// Returns the run as a page in Markdown.
pub fn markdown(run: &Run) -> String {
    let rounds = run.options.get("rounds").unwrap_or(&Value::Null);
    let mut page = format!(
        "# Race, {}\n\nValues are medians of {rounds} rounds. A ratio is the median of the \
         ratios of the rounds, with the smallest and the largest. All servers ran in turns on this \
         machine, over loopback, and the client discarded what it received. A CPU-second is a \
         second of the server's CPU time. [The methodology](../../../docs/METHODOLOGY.md#the-race) \
         explains how the race works, and `summary.json` contains all values.\n\n\
         | | |\n| --- | --- |\n",
        day(&run.date)
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

fn table(run: &Run, columns: &[(&str, &str, Cell)]) -> Table {
    let name = columns[0].0;
    let measure = name.split(',').next().unwrap_or(name);
    let title = title(run, measure) + &name[measure.len()..];
    let headers = ["server"].into_iter().chain(columns.iter().map(|(_, header, _)| *header));
    let mut table = Table::new(title, headers);
    let of_measure = format!("{measure}/");
    for server in parts(run, |id| id.strip_prefix(&of_measure)?.split('/').next()) {
        let cells = columns.iter().map(|(.., cell)| match *cell {
            Cell::Median(figure, decimals) => {
                let spread = spread(run, measure, server, Quantity::Figure(figure))?;
                Some(format!("{:.decimals$}", spread.median))
            }
            Cell::Range(quantity) => spread(run, measure, server, quantity).map(range),
        });
        table.push(server, cells);
    }
    table
}

fn title(run: &Run, measure: &str) -> String {
    let option = |name: &str| run.options.get(name).and_then(Value::as_u64).unwrap_or_default();
    let text = match measure {
        "large" => format!("{}, one client", ByteSize(option("large_bytes"))),
        "river" => format!("157 kB, {} clients at once", option("river_clients")),
        "bytes" => "100 kB, one byte at a time".to_owned(),
        "held" => "KiB per non-reading client, ms of a new client without and with them".to_owned(),
        _ => "--log json, compared with --log off".to_owned(),
    };
    format!("{measure}: {text}")
}

/// Returns a row for each target whose quantity was measured.
fn targets(run: &Run) -> Table {
    let mut table = Table::new("", ["server", "target", "actual", ""]);
    let mut met_count = 0;
    for ((measure, label, modes, quantity), (sign, values)) in TARGETS {
        let siblings = approaches::ALL.iter().zip(values);
        let servers = modes.iter().flat_map(|mode| siblings.clone().map(move |it| (mode, it)));
        for (mode, (approach, value)) in servers {
            let server = format!("{}{mode}", approach.name);
            let actual = spread(run, measure, &server, quantity);
            let Some(actual) = actual.filter(|_| !value.is_nan()) else { continue };
            let is_met = if sign == MIN { actual.median >= value } else { actual.median <= value };
            met_count += usize::from(is_met);
            let verdict = if is_met { "met" } else { "missed" };
            let cells = [format!("{sign} {value}"), range(actual), verdict.to_owned()];
            table.push(&format!("{server} {measure}, {label}"), cells.map(Some));
        }
    }
    table.title = format!("targets: {met_count} of {} met", table.rows.len());
    table
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
    let [median, min, max] = [spread.median, spread.min, spread.max].map(significant);
    format!("{median} ({min}–{max})")
}
