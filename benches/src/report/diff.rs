//! Compares two records and marks the differences that are noise.

use harness::record::{Measurement, Record, Run};
use harness::table::Table;

use crate::records::day;

use super::time_text;

/// The minimum relative difference between two times that is not noise. A smaller difference is
/// noise even if the confidence intervals do not overlap. An interval describes only one run, and
/// the difference between two runs is often larger than their intervals.
const TIME_NOISE: f64 = 0.05;

/// The minimum relative difference between two counts that is not noise. Small differences occur
/// because the numbers of calls for readiness and wake-ups depend on timing.
const COUNT_NOISE: f64 = 0.1;

/// Returns a table of the suites and a table of the system calls. Omits a table if the two records
/// have no measurements for this table in common.
///
/// # Errors
///
/// Fails if both tables are omitted.
pub fn diff(a: &Record, b: &Record) -> Result<Vec<Table>, String> {
    let runs = |program: &str| Some((a.run(program)?, b.run(program)?));
    let suites = runs("suites").map(|(a, b)| suites(a, b));
    let calls = runs("footprint").map(|(a, b)| calls(a, b));
    let tables = suites.into_iter().chain(calls).filter(|table| !table.rows.is_empty());
    let tables: Vec<Table> = tables.collect();
    match tables.is_empty() {
        true => Err("the records have no measurements in common".to_owned()),
        false => Ok(tables),
    }
}

fn table(title: String, first: &str, rows: Vec<Vec<String>>) -> Table {
    Table { rows, ..Table::new(title, [first, "A", "B", "change", "result"]) }
}

fn suites(a: &Run, b: &Run) -> Table {
    let row = |of_a: &Measurement| {
        let of_b = b.get(&of_a.id)?;
        let (time_a, time_b) = (of_a.spread()?.median, of_b.spread()?.median);
        let (interval_a, interval_b) = (of_a.interval?, of_b.interval?);
        let is_overlap = interval_a[0] <= interval_b[1] && interval_b[0] <= interval_a[1];
        let (change, percent) = change(time_a, time_b);
        let verdict = match change {
            _ if is_overlap || change.abs() < TIME_NOISE => "noise",
            ..0.0 => "B is faster",
            _ => "B is slower",
        };
        let (time_a, time_b) = (time_text(time_a), time_text(time_b));
        Some(vec![of_a.id.clone(), time_a, time_b, percent, verdict.to_owned()])
    };
    let rows = a.measurements.iter().filter_map(row).collect();
    let dates = [a, b].map(|run| day(&run.date));
    let title = format!("Time per iteration. A: {}, B: {}", dates[0], dates[1]);
    table(title, "benchmark", rows)
}

fn calls(a: &Run, b: &Run) -> Table {
    let row = |measurement: &Measurement| {
        // Select one measurement per job, because each job has exactly one measurement of this
        // quantity.
        let job = measurement.id.strip_suffix("/fetches")?;
        let id = format!("{job}/calls_per_mib");
        let (calls_a, calls_b) = (a.value(&id)?, b.value(&id)?);
        let (change, percent) = change(calls_a, calls_b);
        let verdict = match change {
            _ if change.abs() < COUNT_NOISE => "noise",
            ..0.0 => "fewer in B",
            _ => "more in B",
        };
        let (calls_a, calls_b) = (format!("{calls_a:.1}"), format!("{calls_b:.1}"));
        Some(vec![job.to_owned(), calls_a, calls_b, percent, verdict.to_owned()])
    };
    let rows = a.measurements.iter().filter_map(row).collect();
    table("System calls per MiB".to_owned(), "chunk size and server", rows)
}

/// Returns the relative change from `a` to `b` as a number, and as text that contains the change in
/// percent.
fn change(a: f64, b: f64) -> (f64, String) {
    let change = b / a - 1.0;
    (change, format!("{:+.1}%", change * 100.0))
}
