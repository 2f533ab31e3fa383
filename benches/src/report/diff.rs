//! What differs between two records, and what of it is noise.

use crate::footprint::Job;
use crate::records::{Interval, Results};
use crate::table::Table;

use super::page::time_text;

/// What differs by less is noise, however narrow the intervals are: they know one run alone, and
/// runs differ by more.
const NOISE: f64 = 0.05;

/// Counts that differ by less are the same: readiness and wake-ups come as they come.
const COUNT_NOISE: f64 = 0.1;

/// Tables: bench by bench, and count by count.
///
/// # Errors
///
/// When the two have nothing in common.
pub fn diff(a: &Results, b: &Results) -> Result<Vec<Table>, String> {
    let tables: Vec<Table> = [suites(a, b), counts(a, b)].into_iter().flatten().collect();
    match tables.is_empty() {
        true => Err("they have nothing in common".to_owned()),
        false => Ok(tables),
    }
}

fn suites(a: &Results, b: &Results) -> Option<Table> {
    let (a, b) = (a.suites.as_ref()?, b.suites.as_ref()?);
    let row = |of_a: &crate::records::Measured| {
        let of_b = b.benches.iter().find(|bench| bench.id == of_a.id)?;
        let (time_a, time_b) = (of_a.median_ns, of_b.median_ns);
        Some(vec![
            of_a.id.clone(),
            time_text(time_a.point),
            time_text(time_b.point),
            percent(time_a.point, time_b.point),
            verdict(time_a, time_b).to_owned(),
        ])
    };
    let rows: Vec<_> = a.benches.iter().filter_map(row).collect();
    let date = |date: &str| date.get(..10).unwrap_or(date).to_owned();
    table(
        format!("Time of one iteration: A of {}, B of {}", date(&a.date), date(&b.date)),
        "bench",
        rows,
    )
}

/// Whether B is faster or slower, or whether nobody can tell.
fn verdict(a: Interval, b: Interval) -> &'static str {
    let do_overlap = a.low <= b.high && b.low <= a.high;
    let change = b.point / a.point - 1.0;
    match change {
        _ if do_overlap || change.abs() < NOISE => "noise",
        ..0.0 => "B is faster",
        _ => "B is slower",
    }
}

fn counts(a: &Results, b: &Results) -> Option<Table> {
    let (a, b) = (a.footprint.as_ref()?, b.footprint.as_ref()?);
    let row = |of_a: &Job| {
        let is_it =
            |of_b: &&Job| of_b.server == of_a.server && of_b.chunk_bytes == of_a.chunk_bytes;
        let (of_a, of_b) = (of_a, b.jobs.iter().find(is_it)?);
        let (calls_a, calls_b) = (of_a.calls_per_mib()?, of_b.calls_per_mib()?);
        let change = calls_b / calls_a - 1.0;
        let verdict = match change {
            _ if change.abs() < COUNT_NOISE => "noise",
            ..0.0 => "B makes fewer",
            _ => "B makes more",
        };
        Some(vec![
            format!("{}, chunks of {} B", of_a.server, of_a.chunk_bytes),
            format!("{calls_a:.1}"),
            format!("{calls_b:.1}"),
            percent(calls_a, calls_b),
            verdict.to_owned(),
        ])
    };
    let rows = a.jobs.iter().filter_map(row).collect();
    table("System calls for a MiB".to_owned(), "server", rows)
}

fn table(title: String, first: &str, rows: Vec<Vec<String>>) -> Option<Table> {
    let headers = [first, "A", "B", "change", ""].map(str::to_owned).into();
    (!rows.is_empty()).then_some(Table { title, headers, rows })
}

fn percent(a: f64, b: f64) -> String {
    format!("{:+.1} %", (b / a - 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Measured, Suites};

    fn results(point: f64, spread: f64) -> Results {
        let bench = Measured {
            id: "connect/std".to_owned(),
            group: "connect".to_owned(),
            function: "std".to_owned(),
            parameter: None,
            amount: None,
            median_ns: Interval { point, low: point - spread, high: point + spread },
        };
        let suites = Suites { benches: vec![bench], ..Suites::default() };
        Results { suites: Some(suites), ..Results::default() }
    }

    #[test]
    fn what_intervals_share_is_noise() {
        let verdict = |b: Results| {
            let tables = diff(&results(1000.0, 20.0), &b).unwrap();
            tables[0].rows[0].last().unwrap().clone()
        };
        assert_eq!(verdict(results(1300.0, 300.0)), "noise");
        assert_eq!(verdict(results(1045.0, 1.0)), "noise");
        assert_eq!(verdict(results(1300.0, 30.0)), "B is slower");
        assert_eq!(verdict(results(500.0, 30.0)), "B is faster");
        assert!(diff(&results(1.0, 1.0), &Results::default()).is_err());
    }
}
