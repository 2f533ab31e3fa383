//! Tables, for people.

use benches::table::Table;

use crate::measures::{Measure, Sizes};
use crate::peer::Peer;
use crate::stats::{Figure, Sample, Spread};

/// What is said where nothing was measured.
const NOTHING: &str = "–";

/// What stands in a column.
enum Cell {
    /// The median, with so many decimals.
    Value(Figure, usize),
    /// How many times better than that server.
    Against(Figure, &'static str),
}

/// The table of one measure.
pub fn of(measure: Measure, samples: &[Sample], peers: &[Peer], sizes: &Sizes) -> Table {
    let columns = columns(measure);
    let mut headers = vec!["server".to_owned()];
    headers.extend(columns.iter().map(|(header, _)| (*header).to_owned()));
    let row = |peer: &Peer| {
        let cell = |(_, cell): &(&str, Cell)| match cell {
            Cell::Value(figure, decimals) => value(figure.spread(samples, &peer.name), *decimals),
            Cell::Against(_, other) if *other == peer.name => NOTHING.to_owned(),
            Cell::Against(figure, other) => ratio(figure.ratio(samples, &peer.name, other)),
        };
        let mut row = vec![peer.name.clone()];
        row.extend(columns.iter().map(cell));
        row
    };
    let is_in = |peer: &&Peer| measure.is_not_for(peer).is_none();
    let rows = peers.iter().filter(is_in).map(row).collect();
    Table { title: title(measure, sizes), headers, rows }
}

fn title(measure: Measure, sizes: &Sizes) -> String {
    match measure {
        Measure::Large => {
            let size = bytesize::ByteSize(sizes.large_bytes);
            format!("large: {size}, one client")
        }
        Measure::River => format!("river: 157 kB, {} clients at once", sizes.river_clients),
        Measure::Bytes => "bytes: 100 kB, one byte at a time".to_owned(),
        Measure::Held => "held: clients that read nothing, and one that does".to_owned(),
        Measure::Log => "log: --log json, compared with --log off".to_owned(),
    }
}

fn columns(measure: Measure) -> Vec<(&'static str, Cell)> {
    use Cell::{Against, Value};
    let figure = |name| Figure::new(measure.name(), name);
    let cost = |name| Figure::cost(measure.name(), name);
    match measure {
        Measure::Large => vec![
            ("GB/s", Value(figure("gb_per_s"), 2)),
            ("× nginx", Against(figure("gb_per_s"), "nginx")),
            ("× Node", Against(figure("gb_per_s"), "node")),
            ("GB/CPU-s", Value(figure("gb_per_cpu_s"), 2)),
            ("× nginx", Against(figure("gb_per_cpu_s"), "nginx")),
        ],
        Measure::River => vec![
            ("clients/s", Value(figure("connections_per_s"), 0)),
            ("× Node", Against(figure("connections_per_s"), "node")),
            ("clients/CPU-s", Value(figure("connections_per_cpu_s"), 0)),
            ("× nginx", Against(figure("connections_per_cpu_s"), "nginx")),
        ],
        Measure::Bytes => vec![
            ("seconds", Value(figure("wall_s"), 3)),
            ("× Node", Against(cost("wall_s"), "node")),
            ("CPU-s", Value(figure("server_cpu_s"), 3)),
        ],
        Measure::Held => vec![
            ("clients", Value(figure("clients"), 0)),
            ("whole", Value(figure("served_whole"), 0)),
            ("KiB each", Value(figure("kib_per_client"), 1)),
            ("fresh: idle ms", Value(figure("fresh_idle_ms"), 2)),
            ("held ms", Value(figure("fresh_held_ms"), 2)),
            ("held/idle", Value(figure("fresh_ms_ratio"), 2)),
            ("TCP pressure", Value(figure("tcp_pressure"), 2)),
        ],
        Measure::Log => vec![
            ("large, json/off", Value(figure("large_ratio"), 3)),
            ("river, json/off", Value(figure("river_ratio"), 3)),
            ("GB/s, json", Value(figure("json_gb_per_s"), 2)),
            ("clients/s, json", Value(figure("json_connections_per_s"), 0)),
        ],
    }
}

fn value(spread: Option<Spread>, decimals: usize) -> String {
    spread.map_or(NOTHING.to_owned(), |spread| format!("{:.decimals$}", spread.median))
}

/// The median, and between what it was.
pub fn ratio(spread: Option<Spread>) -> String {
    spread.map_or(NOTHING.to_owned(), |Spread { median, min, max, .. }| {
        format!("{median:.2} ({min:.2}–{max:.2})")
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{measures, peer};
    use console::measure_text_width;

    const SIZES: Sizes = Sizes {
        large_bytes: 1 << 30,
        river_clients: 16,
        held_clients: 9_900,
        job_time: Duration::from_secs(1),
    };

    fn samples() -> Vec<Sample> {
        let mut samples = Vec::new();
        for round in 1..=3 {
            for (server, factor) in [("std", 1.0), ("tokio-zero-copy", 3.0), ("nginx", 2.0)] {
                let figures = [("gb_per_s", 12.34 * factor), ("gb_per_cpu_s", 23.45)].into();
                let server = server.to_owned();
                samples.push(Sample { round, measure: "large", server, figures });
            }
        }
        samples
    }

    #[test]
    fn columns_stand_below_each_other() {
        let table = of(Measure::Large, &samples(), &peer::known(), &SIZES);
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "large: 1.0 GiB, one client");
        assert!(lines[1].starts_with("server") && lines[1].ends_with("× nginx"), "{text}");
        let tokio = lines.iter().find(|line| line.starts_with("tokio-zero-copy ")).unwrap();
        let expected = "37.02  1.50 (1.50–1.50)       –     23.45  1.00 (1.00–1.00)";
        assert!(tokio.ends_with(expected), "{text}");
        let width = |line: &&str| measure_text_width(line);
        assert_eq!(width(tokio), width(&lines[1]), "{text}");
    }

    #[test]
    fn every_table_fits_into_100_columns() {
        for measure in measures::ALL {
            let table = of(measure, &samples(), &peer::known(), &SIZES);
            let text = table.to_string();
            for line in text.lines() {
                assert!(measure_text_width(line) <= 100, "{line}");
            }
            assert!(!table.rows.is_empty(), "{text}");
            assert!(table.rows.iter().all(|row| row.len() == table.headers.len()), "{text}");
        }
    }

    #[test]
    fn markdown_is_the_same_table() {
        let table = of(Measure::Large, &samples(), &peer::known(), &SIZES);
        let markdown = table.to_markdown();
        assert!(markdown.starts_with("### large: 1.0 GiB, one client\n\n| server | GB/s |"));
        assert!(markdown.contains("\n| --- | ---: |"), "{markdown}");
        assert!(markdown.contains("| tokio-zero-copy | 37.02 | 1.50 (1.50–1.50) |"), "{markdown}");
    }
}
