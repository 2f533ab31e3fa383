//! The tables of the race, and the targets of the siblings.
//!
//! The tables show the measurements of a [`Run`]. The ids of these measurements have the form
//! `SCENARIO/SERVER/QUANTITY`, and each sample is the value of one round.

use std::collections::{BTreeMap, BTreeSet};

use bytesize::ByteSize;
use harness::record::{Measurement, Run, Spread};
use harness::table::Table;
use harness::text::significant;
use serde_json::Value;

use crate::records::{day, parts};

/// The values of one server in one round, by name of the quantity. Each name ends in the unit of
/// the value.
pub type Values = BTreeMap<&'static str, f64>;

#[derive(Clone, Copy)]
enum Quantity {
    /// The value of the quantity with this name.
    Value(&'static str),
    /// The quantity of a server, divided by the same quantity of a reference server. The strings are
    /// the name of the quantity and the name of the reference server.
    Ratio(&'static str, &'static str),
    /// The speed of a server relative to a reference server. The value is the duration that was
    /// measured for the reference server, divided by the duration that was measured for the server.
    /// The strings are the name of the duration and the name of the reference server.
    Speed(&'static str, &'static str),
}

enum Cell {
    /// The median of a quantity. The fields are the name of the quantity, and the number of
    /// decimals.
    Median(&'static str, usize),
    /// The median, the minimum and the maximum of a quantity.
    Range(Quantity),
}

/// The columns of all tables. Each entry contains the name of the table, the header of the column,
/// and the content of the cells. The name of a table consists of its scenario and, if necessary,
/// its subject. The lines of each table have at most 80 characters.
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
        ("non-reading, memory", "clients", Median("clients", 0)),
        ("non-reading, memory", "complete replies", Median("complete_replies", 0)),
        ("non-reading, memory", "KiB per client", Median("kib_per_client", 1)),
        ("non-reading, memory", "TCP memory ratio", Median("tcp_pressure", 2)),
        ("non-reading, latency of a new client", "ms without", Median("latency_without_ms", 2)),
        ("non-reading, latency of a new client", "ms with", Median("latency_with_ms", 2)),
        ("non-reading, latency of a new client", "with/without", Median("latency_ratio", 2)),
        ("log", "large json/off", Median("large_ratio", 3)),
        ("log", "river json/off", Median("river_ratio", 3)),
        ("log", "GB/s json", Median("json_gb_per_s", 2)),
        ("log", "clients/s json", Median("json_connections_per_s", 0)),
    ]
};

/// The signs that precede a target if the target is a minimum or a maximum.
const MIN: &str = "≥";
const MAX: &str = "≤";

/// The suffixes of siblings' names. The constants stand for copy mode, for zero-copy mode, and for
/// both modes.
const COPY: &[&str] = &[""];
const ZERO_COPY: &[&str] = &["-zero-copy"];
const BOTH: &[&str] = &["-zero-copy", ""];

/// The subject of a target. The fields are the scenario, the label of the quantity, the suffixes of
/// the siblings' names, and the quantity.
type Subject = (&'static str, &'static str, &'static [&'static str], Quantity);

/// The targets of the siblings, in the order of `approaches::ALL`, followed by the optional compio
/// sibling. NaN means that a sibling has no target.
const TARGETS: [(Subject, (&str, [f64; 6])); 16] = {
    use Quantity::{Ratio, Speed, Value};
    const NONE: f64 = f64::NAN;
    [
        (
            ("large", "GB/CPU-s × nginx", ZERO_COPY, Ratio("gb_per_cpu_s", "nginx")),
            (MIN, [1.0, 1.2, 1.0, 1.1, NONE, NONE]),
        ),
        (
            ("large", "GB/CPU-s × Tokio", ZERO_COPY, Ratio("gb_per_cpu_s", "tokio-zero-copy")),
            (MIN, [NONE, NONE, NONE, NONE, 0.97, NONE]),
        ),
        (
            ("large", "GB/CPU-s × Tokio", COPY, Ratio("gb_per_cpu_s", "tokio")),
            (MIN, [NONE, NONE, NONE, NONE, 0.97, NONE]),
        ),
        (
            ("large", "GB/s × nginx", ZERO_COPY, Ratio("gb_per_s", "nginx")),
            (MIN, [1.0, 1.0, 1.0, 1.0, 1.0, NONE]),
        ),
        (
            ("river", "speed/CPU-s × nginx", ZERO_COPY, Ratio("connections_per_cpu_s", "nginx")),
            (MIN, [NONE, 1.1, 0.9, 0.95, 1.0, 0.85]),
        ),
        (
            ("river", "speed/CPU-s × nginx", COPY, Ratio("connections_per_cpu_s", "nginx")),
            (MIN, [NONE, NONE, NONE, NONE, 0.85, NONE]),
        ),
        (
            (
                "river",
                "speed/CPU-s × Tokio",
                ZERO_COPY,
                Ratio("connections_per_cpu_s", "tokio-zero-copy"),
            ),
            (MIN, [NONE, NONE, NONE, NONE, 1.05, NONE]),
        ),
        (
            ("river", "clients/s × Node", ZERO_COPY, Ratio("connections_per_s", "node")),
            (MIN, [3.0, 4.5, 4.0, 4.2, 4.5, NONE]),
        ),
        (
            ("large", "GB/s × Node", COPY, Ratio("gb_per_s", "node")),
            (MIN, [2.5, 1.5, 1.2, 1.5, 1.5, NONE]),
        ),
        (
            ("bytes", "speed × Node", COPY, Speed("wall_s", "node")),
            (MIN, [15.0, 1.5, 1.3, 1.3, 1.5, NONE]),
        ),
        (
            ("bytes", "speed × Tokio", COPY, Speed("wall_s", "tokio")),
            (MIN, [NONE, NONE, NONE, NONE, 0.95, NONE]),
        ),
        (
            ("non-reading", "KiB/client", ZERO_COPY, Value("kib_per_client")),
            (MAX, [40.0, 4.0, 5.0, 5.0, 1.0, NONE]),
        ),
        (
            ("non-reading", "KiB/client", COPY, Value("kib_per_client")),
            (MAX, [110.0, 6.0, 8.0, 6.0, 1.0, NONE]),
        ),
        (
            ("non-reading", "latency ratio", BOTH, Value("latency_ratio")),
            (MAX, [2.0, 2.0, 2.0, 2.0, 2.0, NONE]),
        ),
        (
            ("log", "large json/off", BOTH, Value("large_ratio")),
            (MIN, [0.95, 0.95, 0.95, 0.95, 0.95, NONE]),
        ),
        (
            ("log", "river json/off", BOTH, Value("river_ratio")),
            (MIN, [0.95, 0.95, 0.95, 0.95, 0.95, NONE]),
        ),
    ]
};

/// Returns the indexes of the steps, in the order in which a round executes the steps. `scenarios`
/// contains the scenario of each step. Consecutive steps with the same scenario form a group.
/// Within a group, each round starts with a different step.
pub fn order<T: PartialEq>(scenarios: &[T], round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scenarios.len()).collect();
    for of_scenario in order.chunk_by_mut(|&a, &b| scenarios[a] == scenarios[b]) {
        of_scenario.rotate_left(round % of_scenario.len());
    }
    order
}

/// Returns one measurement per quantity. The samples of a measurement are the values of the rounds,
/// with `None` for a round that failed.
pub fn measurements(id: &str, rounds: &[Option<Values>]) -> Vec<Measurement> {
    let quantities: BTreeSet<_> = rounds.iter().flatten().flat_map(BTreeMap::keys).collect();
    let measurement = |quantity: &&str| Measurement {
        id: format!("{id}/{quantity}"),
        samples: rounds.iter().map(|round| round.as_ref()?.get(quantity).copied()).collect(),
        ..Measurement::default()
    };
    quantities.into_iter().map(measurement).collect()
}

/// Returns the tables of all scenarios in the run, and a table of the targets.
pub fn tables(run: &Run) -> Vec<Table> {
    let tables = COLUMNS.chunk_by(|a, b| a.0 == b.0).map(|columns| table(run, columns));
    let tables = tables.chain([targets(run)]);
    tables.filter(|table| !table.rows.is_empty()).collect()
}

/// Returns a page in Markdown that shows the results of the run.
pub fn markdown(run: &Run) -> String {
    let rounds = run.options.get("rounds").unwrap_or(&Value::Null);
    let mut page = format!(
        "# Race, {}\n\nEach value is the median of {rounds} rounds. Ratios are computed within \
         each round. The tables show the median, the minimum and the maximum of these ratios. All \
         servers took turns on this machine, over loopback, and the client discarded the data. A \
         CPU-second is a second of the server's CPU time. [The methodology]\
         (../../../docs/METHODOLOGY.md#the-race) explains how the race works, and `summary.json` \
         contains all values.\n\n\
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
    let scenario = name.split(',').next().unwrap_or(name);
    let title = title(run, scenario) + &name[scenario.len()..];
    let headers = ["server"].into_iter().chain(columns.iter().map(|(_, header, _)| *header));
    let mut table = Table::new(title, headers);
    let of_scenario = format!("{scenario}/");
    for server in parts(run, |id| id.strip_prefix(&of_scenario)?.split('/').next()) {
        let cells = columns.iter().map(|(.., cell)| match *cell {
            Cell::Median(quantity, decimals) => {
                let spread = spread(run, scenario, server, Quantity::Value(quantity))?;
                Some(format!("{:.decimals$}", spread.median))
            }
            Cell::Range(quantity) => spread(run, scenario, server, quantity).map(range),
        });
        table.push(server, cells);
    }
    table
}

fn title(run: &Run, scenario: &str) -> String {
    let option = |name: &str| run.options.get(name).and_then(Value::as_u64).unwrap_or_default();
    let text = match scenario {
        "large" => format!("{}, one client", ByteSize(option("large_bytes"))),
        "river" => format!("157 kB, {} clients at a time", option("river_clients")),
        "bytes" => "100 kB in chunks of one byte".to_owned(),
        "non-reading" => "clients that read nothing".to_owned(),
        _ => "--log json, compared with --log off".to_owned(),
    };
    format!("{scenario}: {text}")
}

/// Returns a table of the targets. Omits targets whose quantities were not measured.
fn targets(run: &Run) -> Table {
    let mut table = Table::new("", ["server", "target", "actual", "result"]);
    let mut met_count = 0;
    for ((scenario, label, modes, quantity), (sign, values)) in TARGETS {
        let siblings = |mode| approaches::built().zip(values).map(move |it| (mode, it));
        let servers = modes.iter().flat_map(siblings);
        for (mode, (approach, value)) in servers {
            let server = format!("{}{mode}", approach.name);
            let actual = spread(run, scenario, &server, quantity);
            let Some(actual) = actual.filter(|_| !value.is_nan()) else { continue };
            let is_met = if sign == MIN { actual.median >= value } else { actual.median <= value };
            met_count += usize::from(is_met);
            let verdict = if is_met { "met" } else { "missed" };
            let cells = [format!("{sign} {value}"), range(actual), verdict.to_owned()];
            table.push(&format!("{server} {scenario}, {label}"), cells.map(Some));
        }
    }
    table.title = format!("targets: {met_count} of {} met", table.rows.len());
    table
}

/// Returns the median, the minimum and the maximum of a quantity. Returns `None` if the quantity
/// was not measured. A ratio compares two values from the same round.
fn spread(run: &Run, scenario: &str, server: &str, quantity: Quantity) -> Option<Spread> {
    let of = |server: &str, quantity: &str| run.get(&format!("{scenario}/{server}/{quantity}"));
    match quantity {
        Quantity::Value(quantity) => of(server, quantity)?.spread(),
        Quantity::Ratio(_, other) | Quantity::Speed(_, other) if other == server => None,
        Quantity::Ratio(quantity, other) => of(server, quantity)?.ratio(of(other, quantity)?),
        Quantity::Speed(quantity, other) => of(other, quantity)?.ratio(of(server, quantity)?),
    }
}

/// Formats a spread as its median, with the minimum and the maximum in parentheses.
fn range(spread: Spread) -> String {
    let [median, min, max] = [spread.median, spread.min, spread.max].map(significant);
    format!("{median} ({min}–{max})")
}
