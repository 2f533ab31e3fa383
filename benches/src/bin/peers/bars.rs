//! What the kit's servers should reach, in one table.

use serde::Serialize;

use benches::table::Table;

use crate::stats::{Figure, Sample, Spread};
use crate::table::ratio;

/// A bar for every sibling, in the order of `approaches::ALL`.
struct Row {
    what: &'static str,
    is_zero_copy: bool,
    figure: Figure,
    against: Option<&'static str>,
    limit: Limit,
    values: [Option<f64>; 4],
}

/// On which side of the bar it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Limit {
    AtLeast,
    AtMost,
}

const LARGE_WALL: Figure = Figure::new("large", "gb_per_s");
const LARGE_CPU: Figure = Figure::new("large", "gb_per_cpu_s");
const RIVER_WALL: Figure = Figure::new("river", "connections_per_s");
const RIVER_CPU: Figure = Figure::new("river", "connections_per_cpu_s");
const BYTES: Figure = Figure::cost("bytes", "wall_s");
const HELD: Figure = Figure::new("held", "kib_per_client");
const FRESH: Figure = Figure::new("held", "fresh_ms_ratio");
const LOG_LARGE: Figure = Figure::new("log", "large_ratio");
const LOG_RIVER: Figure = Figure::new("log", "river_ratio");

/// A fresh client should not wait more than so many times as long when others are held.
const FRESH_RATIO: f64 = 2.0;
/// What logging may cost.
const LOG_RATIO: f64 = 0.95;

const fn row(
    what: &'static str,
    is_zero_copy: bool,
    figure: Figure,
    against: Option<&'static str>,
    limit: Limit,
    values: [Option<f64>; 4],
) -> Row {
    Row { what, is_zero_copy, figure, against, limit, values }
}

const fn all(values: [f64; 4]) -> [Option<f64>; 4] {
    [Some(values[0]), Some(values[1]), Some(values[2]), Some(values[3])]
}

const ROWS: [Row; 14] = {
    use Limit::{AtLeast, AtMost};
    let nginx = Some("nginx");
    let node = Some("node");
    [
        row("large, GB/CPU-s × nginx", true, LARGE_CPU, nginx, AtLeast, all([1.0, 1.2, 1.0, 1.1])),
        row("large, GB/s × nginx", true, LARGE_WALL, nginx, AtLeast, all([1.0; 4])),
        row(
            "river, clients/CPU-s × nginx",
            true,
            RIVER_CPU,
            nginx,
            AtLeast,
            [None, Some(1.1), Some(0.9), Some(0.95)],
        ),
        row("river, clients/s × Node", true, RIVER_WALL, node, AtLeast, all([3.0, 4.5, 4.0, 4.2])),
        row("large, GB/s × Node", false, LARGE_WALL, node, AtLeast, all([2.5, 1.5, 1.2, 1.5])),
        row("bytes, speed × Node", false, BYTES, node, AtLeast, all([15.0, 1.5, 1.3, 1.3])),
        row("held, KiB per client", true, HELD, None, AtMost, all([40.0, 4.0, 5.0, 5.0])),
        row("held, KiB per client", false, HELD, None, AtMost, all([110.0, 6.0, 8.0, 6.0])),
        row("held, fresh held/idle", true, FRESH, None, AtMost, all([FRESH_RATIO; 4])),
        row("held, fresh held/idle", false, FRESH, None, AtMost, all([FRESH_RATIO; 4])),
        row("log, large json/off", true, LOG_LARGE, None, AtLeast, all([LOG_RATIO; 4])),
        row("log, large json/off", false, LOG_LARGE, None, AtLeast, all([LOG_RATIO; 4])),
        row("log, river json/off", true, LOG_RIVER, None, AtLeast, all([LOG_RATIO; 4])),
        row("log, river json/off", false, LOG_RIVER, None, AtLeast, all([LOG_RATIO; 4])),
    ]
};

/// A target and the measured value.
#[derive(Clone, Debug, Serialize)]
pub struct Bar {
    what: &'static str,
    server: String,
    limit: Limit,
    bar: f64,
    /// The JSON key is part of the records' format.
    #[serde(rename = "came")]
    actual: Spread,
    is_met: bool,
}

/// All bars of which something was measured.
pub fn judge(samples: &[Sample]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for row in &ROWS {
        for (approach, bar) in approaches::ALL.iter().zip(row.values) {
            let mode = if row.is_zero_copy { "-zero-copy" } else { "" };
            let server = format!("{}{mode}", approach.name);
            let actual = match row.against {
                Some(other) => row.figure.ratio(samples, &server, other),
                None => row.figure.spread(samples, &server),
            };
            let (Some(bar), Some(actual)) = (bar, actual) else { continue };
            let is_met = match row.limit {
                Limit::AtLeast => actual.median >= bar,
                Limit::AtMost => actual.median <= bar,
            };
            bars.push(Bar { what: row.what, server, limit: row.limit, bar, actual, is_met });
        }
    }
    bars
}

pub fn table(bars: &[Bar]) -> Table {
    let row = |bar: &Bar| {
        let sign = if bar.limit == Limit::AtLeast { "≥" } else { "≤" };
        let verdict = if bar.is_met { "met" } else { "MISSED" };
        let actual = ratio(Some(bar.actual));
        let server = format!("{} {}", bar.server, bar.what);
        vec![server, format!("{sign} {}", bar.bar), actual, verdict.to_owned()]
    };
    let met = bars.iter().filter(|bar| bar.is_met).count();
    Table {
        title: format!("bars: {met} of {} met", bars.len()),
        headers: ["bar", "", "actual", ""].map(str::to_owned).to_vec(),
        rows: bars.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(server: &str, measure: &'static str, name: &'static str, value: f64) -> Sample {
        Sample { round: 1, measure, server: server.to_owned(), figures: [(name, value)].into() }
    }

    #[test]
    fn the_order_of_values_is_that_of_the_siblings() {
        let names: Vec<&str> = approaches::ALL.iter().map(|approach| approach.name).collect();
        assert_eq!(names, ["std", "tokio", "async-std", "smol"]);
    }

    #[test]
    fn a_bar_is_met_or_missed() {
        let samples = [
            sample("tokio-zero-copy", "river", "connections_per_cpu_s", 110.0),
            sample("smol-zero-copy", "river", "connections_per_cpu_s", 90.0),
            sample("nginx", "river", "connections_per_cpu_s", 100.0),
            sample("std-zero-copy", "river", "connections_per_cpu_s", 50.0),
            sample("smol", "held", "kib_per_client", 5.0),
            sample("std-zero-copy", "held", "kib_per_client", 41.0),
        ];
        let bars = judge(&samples);
        let actual: Vec<(&str, f64, bool)> =
            bars.iter().map(|bar| (bar.server.as_str(), bar.bar, bar.is_met)).collect();
        let expected = [
            ("tokio-zero-copy", 1.1, true),
            ("smol-zero-copy", 0.95, false),
            ("std-zero-copy", 40.0, false),
            ("smol", 6.0, true),
        ];
        assert_eq!(actual, expected);
        let text = table(&bars).to_string();
        assert!(text.starts_with("bars: 2 of 4 met\n"), "{text}");
        let missed = text.lines().find(|line| line.starts_with("smol-zero-copy")).unwrap();
        let words: Vec<&str> = missed.split_whitespace().collect();
        assert!(words.ends_with(&["≥", "0.95", "0.90", "(0.90–0.90)", "MISSED"]), "{text}");
    }
}
