//! The arithmetic: medians, and ratios round by round.

use std::collections::BTreeMap;

use serde::Serialize;

/// What one measure found of one server, by name. The unit is in the name.
pub type Figures = BTreeMap<&'static str, f64>;

/// What one measure found of one server in one round.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Counted from 1.
    pub round: usize,
    pub measure: &'static str,
    pub server: String,
    pub figures: Figures,
}

/// A figure over all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    pub rounds: usize,
}

impl Spread {
    /// Of these values; none of none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => (values[middle - 1] + values[middle]) / 2.0,
            _ => values[middle],
        };
        Some(Self { median, min, max, rounds: values.len() })
    }
}

/// A figure of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    pub measure: &'static str,
    pub name: &'static str,
    /// Whether less is better: then a ratio says how many times less it is.
    pub is_cost: bool,
}

impl Figure {
    pub const fn new(measure: &'static str, name: &'static str) -> Self {
        Self { measure, name, is_cost: false }
    }

    pub const fn cost(measure: &'static str, name: &'static str) -> Self {
        Self { measure, name, is_cost: true }
    }

    /// By round.
    fn by_round(self, samples: &[Sample], server: &str) -> BTreeMap<usize, f64> {
        let is_meant = |sample: &&Sample| sample.measure == self.measure && sample.server == server;
        let value = |sample: &Sample| Some((sample.round, *sample.figures.get(self.name)?));
        samples.iter().filter(is_meant).filter_map(value).collect()
    }

    /// Over all rounds.
    pub fn spread(self, samples: &[Sample], server: &str) -> Option<Spread> {
        Spread::of(self.by_round(samples, server).into_values().collect())
    }

    /// How many times better a server is than another: for each round that has both, and then over
    /// all rounds. So what slows down a whole round changes nothing.
    pub fn ratio(self, samples: &[Sample], server: &str, other: &str) -> Option<Spread> {
        let others = self.by_round(samples, other);
        let ratio = |(round, value): (usize, f64)| {
            let other = *others.get(&round)?;
            let (above, below) = if self.is_cost { (other, value) } else { (value, other) };
            (below > 0.0).then_some(above / below)
        };
        let ratios = self.by_round(samples, server).into_iter().filter_map(ratio);
        Spread::of(ratios.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(round: usize, server: &str, name: &'static str, value: f64) -> Sample {
        let figures = [(name, value)].into();
        Sample { round, measure: "large", server: server.to_owned(), figures }
    }

    #[test]
    fn a_median_is_the_middle_or_between_the_two_middle_ones() {
        assert_eq!(Spread::of(vec![]), None);
        let odd = Spread::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max, odd.rounds), (2.0, 1.0, 3.0, 3));
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The second round was twice as slow for both, the third lacks one of them.
        let samples = [
            sample(1, "tokio", "gb_per_s", 6.0),
            sample(1, "nginx", "gb_per_s", 4.0),
            sample(2, "tokio", "gb_per_s", 3.0),
            sample(2, "nginx", "gb_per_s", 2.0),
            sample(3, "tokio", "gb_per_s", 9.0),
            sample(3, "tokio", "another", 1.0),
        ];
        let figure = Figure::new("large", "gb_per_s");
        let ratio = figure.ratio(&samples, "tokio", "nginx").unwrap();
        assert_eq!((ratio.median, ratio.min, ratio.max, ratio.rounds), (1.5, 1.5, 1.5, 2));
        assert_eq!(figure.ratio(&samples, "tokio", "node"), None);
        assert_eq!(figure.spread(&samples, "tokio").unwrap().median, 6.0);
    }

    #[test]
    fn of_a_cost_less_is_better() {
        let samples = [sample(1, "std", "wall_s", 0.5), sample(1, "node", "wall_s", 8.0)];
        let figure = Figure::cost("large", "wall_s");
        assert_eq!(figure.ratio(&samples, "std", "node").unwrap().median, 16.0);
    }
}
