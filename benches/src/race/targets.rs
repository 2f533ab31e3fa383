//! The values that the siblings should reach.

use harness::record::Run;
use harness::table::Table;

use super::values::{Quantity, range, spread};

/// A target for each sibling in one mode.
struct Target {
    measure: &'static str,
    /// The quantity, for people.
    label: &'static str,
    is_zero_copy: bool,
    quantity: Quantity,
    limit: Limit,
    /// In the order of `approaches::ALL`.
    values: [Option<f64>; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    AtLeast,
    AtMost,
}

const LARGE_PER_S: Quantity = Quantity::Ratio("gb_per_s", "nginx");
const LARGE_PER_CPU_S: Quantity = Quantity::Ratio("gb_per_cpu_s", "nginx");
const LARGE_NODE: Quantity = Quantity::Ratio("gb_per_s", "node");
const RIVER_PER_CPU_S: Quantity = Quantity::Ratio("connections_per_cpu_s", "nginx");
const RIVER_NODE: Quantity = Quantity::Ratio("connections_per_s", "node");
const BYTES_NODE: Quantity = Quantity::Speed("wall_s", "node");
const MEMORY: Quantity = Quantity::Figure("kib_per_client");
const LATENCY: Quantity = Quantity::Figure("fresh_ms_ratio");
const LOG_LARGE: Quantity = Quantity::Figure("large_ratio");
const LOG_RIVER: Quantity = Quantity::Figure("river_ratio");

/// The maximum ratio of a new client's latency while others read nothing to its latency before.
const LATENCY_RATIO: f64 = 2.0;
/// The minimum ratio of the speed with a log to the speed without one.
const LOG_RATIO: f64 = 0.95;

const fn target(
    (measure, label): (&'static str, &'static str),
    is_zero_copy: bool,
    quantity: Quantity,
    limit: Limit,
    values: [Option<f64>; 4],
) -> Target {
    Target { measure, label, is_zero_copy, quantity, limit, values }
}

const fn each(values: [f64; 4]) -> [Option<f64>; 4] {
    [Some(values[0]), Some(values[1]), Some(values[2]), Some(values[3])]
}

const TARGETS: [Target; 14] = {
    use Limit::{AtLeast, AtMost};
    let river = [None, Some(1.1), Some(0.9), Some(0.95)];
    let large = ("large", "GB/s × Node");
    let memory = ("held", "KiB per client");
    let latency = ("held", "latency with/without");
    let log_large = ("log", "large json/off");
    let log_river = ("log", "river json/off");
    [
        target(
            ("large", "GB/CPU-s × nginx"),
            true,
            LARGE_PER_CPU_S,
            AtLeast,
            each([1.0, 1.2, 1.0, 1.1]),
        ),
        target(("large", "GB/s × nginx"), true, LARGE_PER_S, AtLeast, each([1.0; 4])),
        target(("river", "clients/CPU-s × nginx"), true, RIVER_PER_CPU_S, AtLeast, river),
        target(
            ("river", "clients/s × Node"),
            true,
            RIVER_NODE,
            AtLeast,
            each([3.0, 4.5, 4.0, 4.2]),
        ),
        target(large, false, LARGE_NODE, AtLeast, each([2.5, 1.5, 1.2, 1.5])),
        target(("bytes", "speed × Node"), false, BYTES_NODE, AtLeast, each([15.0, 1.5, 1.3, 1.3])),
        target(memory, true, MEMORY, AtMost, each([40.0, 4.0, 5.0, 5.0])),
        target(memory, false, MEMORY, AtMost, each([110.0, 6.0, 8.0, 6.0])),
        target(latency, true, LATENCY, AtMost, each([LATENCY_RATIO; 4])),
        target(latency, false, LATENCY, AtMost, each([LATENCY_RATIO; 4])),
        target(log_large, true, LOG_LARGE, AtLeast, each([LOG_RATIO; 4])),
        target(log_large, false, LOG_LARGE, AtLeast, each([LOG_RATIO; 4])),
        target(log_river, true, LOG_RIVER, AtLeast, each([LOG_RATIO; 4])),
        target(log_river, false, LOG_RIVER, AtLeast, each([LOG_RATIO; 4])),
    ]
};

/// Returns a row for each target whose quantity was measured.
pub(super) fn table(run: &Run) -> Table {
    let mut rows = Vec::new();
    let mut met_count = 0;
    for target in &TARGETS {
        for (approach, value) in approaches::ALL.iter().zip(target.values) {
            let mode = if target.is_zero_copy { "-zero-copy" } else { "" };
            let server = format!("{}{mode}", approach.name);
            let actual = spread(run, target.measure, &server, target.quantity);
            let (Some(value), Some(actual)) = (value, actual) else { continue };
            let (sign, is_met) = match target.limit {
                Limit::AtLeast => ("≥", actual.median >= value),
                Limit::AtMost => ("≤", actual.median <= value),
            };
            met_count += usize::from(is_met);
            let verdict = if is_met { "met" } else { "missed" };
            let name = format!("{server} {}, {}", target.measure, target.label);
            rows.push(vec![name, format!("{sign} {value}"), range(actual), verdict.to_owned()]);
        }
    }
    let title = format!("targets: {met_count} of {} met", rows.len());
    Table { rows, ..Table::new(title, ["server", "target", "actual", ""]) }
}

#[cfg(test)]
mod tests {
    use harness::record::Measurement;

    use super::*;

    #[test]
    fn the_order_of_values_is_that_of_the_siblings() {
        let names: Vec<&str> = approaches::ALL.iter().map(|approach| approach.name).collect();
        assert_eq!(names, ["std", "tokio", "async-std", "smol"]);
    }

    #[test]
    fn a_target_is_met_or_missed() {
        let measurements = [
            ("river/tokio-zero-copy/connections_per_cpu_s", 110.0),
            ("river/smol-zero-copy/connections_per_cpu_s", 90.0),
            ("river/nginx/connections_per_cpu_s", 100.0),
            ("river/std-zero-copy/connections_per_cpu_s", 50.0),
            ("held/smol/kib_per_client", 5.0),
            ("held/std-zero-copy/kib_per_client", 41.0),
        ];
        let measurements = measurements.map(|(id, value)| Measurement::single(id, value)).into();
        let table = table(&Run { measurements, ..Run::default() });
        assert_eq!(table.title, "targets: 2 of 4 met");
        let rows: Vec<String> = table.rows.iter().map(|row| row.join(" | ")).collect();
        let expected = [
            "tokio-zero-copy river, clients/CPU-s × nginx | ≥ 1.1 | 1.10 (1.10–1.10) | met",
            "smol-zero-copy river, clients/CPU-s × nginx | ≥ 0.95 | 0.90 (0.90–0.90) | missed",
            "std-zero-copy held, KiB per client | ≤ 40 | 41.00 (41.00–41.00) | missed",
            "smol held, KiB per client | ≤ 6 | 5.00 (5.00–5.00) | met",
        ];
        assert_eq!(rows, expected);
    }
}
