//! The values of the race, computed over all rounds.

use harness::record::{Run, Spread};

/// A value of a server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Quantity {
    /// A figure itself.
    Figure(&'static str),
    /// The ratio of a figure to that of another server.
    Ratio(&'static str, &'static str),
    /// The ratio of another server's duration to the server's: how many times as fast it is.
    Speed(&'static str, &'static str),
}

/// Returns a value of a server, if it was measured. Ratios are computed within each round.
pub(super) fn spread(run: &Run, measure: &str, server: &str, quantity: Quantity) -> Option<Spread> {
    let of = |server: &str, figure: &str| run.get(&format!("{measure}/{server}/{figure}"));
    match quantity {
        Quantity::Figure(figure) => of(server, figure)?.spread(),
        Quantity::Ratio(_, other) | Quantity::Speed(_, other) if other == server => None,
        Quantity::Ratio(figure, other) => of(server, figure)?.ratio(of(other, figure)?),
        Quantity::Speed(figure, other) => of(other, figure)?.ratio(of(server, figure)?),
    }
}

/// Formats the median, the minimum and the maximum.
pub(super) fn range(spread: Spread) -> String {
    format!("{:.2} ({:.2}–{:.2})", spread.median, spread.min, spread.max)
}

#[cfg(test)]
mod tests {
    use harness::record::Measurement;

    use super::*;

    #[test]
    fn a_shorter_duration_is_a_higher_speed() {
        let measurements = vec![
            Measurement::single("bytes/std/wall_s", 0.5),
            Measurement::single("bytes/node/wall_s", 8.0),
        ];
        let run = Run { measurements, ..Run::default() };
        let median = |server, quantity| spread(&run, "bytes", server, quantity).map(|it| it.median);
        assert_eq!(median("std", Quantity::Speed("wall_s", "node")), Some(16.0));
        assert_eq!(median("std", Quantity::Ratio("wall_s", "node")), Some(0.0625));
        assert_eq!(median("node", Quantity::Figure("wall_s")), Some(8.0));
        assert_eq!(median("node", Quantity::Speed("wall_s", "node")), None);
        assert_eq!(median("tokio", Quantity::Speed("wall_s", "node")), None);
    }
}
