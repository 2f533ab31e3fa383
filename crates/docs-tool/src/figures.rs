//! Values from the newest record, by the queries in the pages.

use harness::derived;
use harness::record::{PROGRAMS, Record, newest};
use harness::text::grouped;

use crate::fault::did_you_mean;
use crate::markers::Error;
use crate::repo::Repo;

/// The folder that contains the records.
pub const RECORDS: &str = "benches/records";

const FORMS: &str = "a query is `PROGRAM/ID`, for example `race/river/tokio/connections_per_s`; \
                     add `/ SERVER` or `/ PROGRAM/ID` to divide, and `round N` to round";

/// What the parts of an id name, by program.
const PARTS: [(&str, [&str; 4]); 3] = [
    ("race", ["measurement", "server", "quantity", "part"]),
    ("footprint", ["job", "server", "quantity", "system call"]),
    ("suites", ["benchmark", "approach", "size", "part"]),
];

/// The position of the server in a path: `race/river/tokio/connections_per_s`.
const SERVER: usize = 2;

/// The newest record, which is read when the first value is needed.
#[derive(Debug)]
pub struct Records<'a> {
    repo: &'a Repo,
    record: Option<Record>,
}

impl<'a> Records<'a> {
    /// The records of a repository.
    #[must_use]
    pub fn of(repo: &'a Repo) -> Self {
        Self { repo, record: None }
    }

    /// Returns the value of a query, as the page shows it.
    ///
    /// # Errors
    ///
    /// Describes what does not exist, and what exists.
    pub fn figure(&mut self, query: &str) -> Result<String, Error> {
        if self.record.is_none() {
            let record = newest(&self.repo.path(RECORDS)).and_then(|folder| Record::read(&folder));
            let help = "make a record: CONTRIBUTING.md explains how";
            self.record = Some(record.map_err(|error| (error.to_string(), help.to_owned()))?);
        }
        let record = self.record.as_ref().expect("the record was read");
        let query = Query::parse(query)?;
        query.formatted(record)
    }
}

/// A query of a page.
#[derive(Debug)]
struct Query {
    path: String,
    baseline: Option<String>,
    decimals: Option<usize>,
}

impl Query {
    fn parse(query: &str) -> Result<Self, Error> {
        let unknown = || (format!("`{query}` is not a query"), FORMS.to_owned());
        let mut words: Vec<&str> = query.split_whitespace().collect();
        let decimals = match words[..] {
            [.., "round", decimals] => {
                words.truncate(words.len() - 2);
                Some(decimals.parse().map_err(|_| unknown())?)
            }
            _ => None,
        };
        let (path, baseline) = match words[..] {
            [path] => (path, None),
            [path, "/", baseline] => (path, Some(baseline)),
            _ => return Err(unknown()),
        };
        let is_path = |text: &str| PROGRAMS.iter().any(|it| text.split('/').next() == Some(it));
        let baseline = baseline.map(|baseline| match is_path(baseline) {
            true => baseline.to_owned(),
            false => {
                let parts = path.split('/').enumerate();
                let parts = parts.map(|(at, part)| if at == SERVER { baseline } else { part });
                parts.collect::<Vec<_>>().join("/")
            }
        });
        Ok(Self { path: path.to_owned(), baseline, decimals })
    }

    fn formatted(&self, record: &Record) -> Result<String, Error> {
        let Self { path, baseline, decimals } = self;
        let value = value(record, path)?;
        let Some(baseline) = baseline else {
            let is_time = path.starts_with("suites/") && record.get(path).is_some();
            return Ok(match is_time {
                true => time(value, *decimals),
                false => number(value, decimals.unwrap_or(decimals_of(path))),
            });
        };
        let other = self::value(record, baseline)?;
        let ratio = match (record.get(path), record.get(baseline)) {
            (Some(of), Some(to)) => of.ratio(to).map(|ratio| ratio.median),
            _ => (other != 0.0).then_some(value / other),
        };
        let ratio = ratio.ok_or_else(|| {
            let help = "compare servers that took part in the same rounds";
            (format!("no round has a ratio of `{path}` to `{baseline}`"), help.to_owned())
        })?;
        let usual = if ratio < 1.0 { 2 } else { 1 };
        Ok(number(ratio, decimals.unwrap_or(usual)))
    }
}

fn value(record: &Record, path: &str) -> Result<f64, Error> {
    record.value(path).ok_or_else(|| unknown(record, path))
}

/// Describes the first part of a path that does not exist, and lists what exists in its place.
fn unknown(record: &Record, path: &str) -> Error {
    if record.get(path).is_some() {
        return (format!("all rounds of `{path}` failed"), "use another value".to_owned());
    }
    let ids = record.runs.iter().flat_map(|run| {
        run.measurements.iter().map(|measurement| format!("{}/{}", run.program, measurement.id))
    });
    let ids: Vec<String> = ids.collect();
    let parts: Vec<&str> = path.split('/').collect();
    for (index, part) in parts.iter().chain([&""]).enumerate() {
        let is_here = |id: &&String| id.split('/').take(index).eq(parts[..index].iter().copied());
        let mut known: Vec<&str> = Vec::new();
        for name in ids.iter().filter(is_here).filter_map(|id| id.split('/').nth(index)) {
            if !known.contains(&name) {
                known.push(name);
            }
        }
        if known.contains(part) {
            continue;
        }
        let names = PARTS.iter().find(|(program, _)| *program == parts[0]);
        let kind = match (index, names) {
            (1.., Some((_, names))) => names[(index - 1).min(names.len() - 1)],
            _ => "program",
        };
        if kind == "quantity" && parts[0] == "footprint" {
            known.extend(derived::EXAMPLES);
        }
        let help = match did_you_mean(part, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => FORMS.to_owned(),
            None => format!("there are {}", known.join(", ")),
        };
        let what = match *part {
            "" => format!("`{path}` lacks the {kind}"),
            part => format!("the record has no {kind} `{part}`"),
        };
        return (what, help);
    }
    (format!("`{path}` is not a value"), FORMS.to_owned())
}

/// The number of decimals that suits the unit in the name of a quantity.
fn decimals_of(path: &str) -> usize {
    let quantity = path.rsplit('/').next().unwrap_or(path);
    let has = |part: &str| quantity.contains(part);
    let ends = |end: &str| quantity.ends_with(end);
    match () {
        () if has("gb_per") || ends("_ms") || ends("_ratio") || ends("_pressure") => 2,
        () if ends("_per_s") || ends("_per_cpu_s") => 0,
        () if ends("_s") || has("_s_per_") => 3,
        () if has("kib") || has("mib") => 1,
        () => 0,
    }
}

/// Returns a number with thousands separators.
fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let whole = whole.parse().expect("measurements are not negative");
    format!("{}{fraction}", grouped(whole))
}

/// Returns a time in a suitable unit, usually with three significant digits.
fn time(ns: f64, decimals: Option<usize>) -> String {
    let (value, unit) = match ns {
        ..1e3 => (ns, "ns"),
        ..1e6 => (ns / 1e3, "µs"),
        ..1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    let usual = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{} {unit}", number(value, decimals.unwrap_or(usual)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::record::{Measurement, Run};

    fn record() -> Record {
        let rounds = |id: &str, samples: &[f64]| Measurement {
            samples: samples.iter().copied().map(Some).collect(),
            ..Measurement::single(id, 0.0)
        };
        let run = |program: &str, measurements: Vec<Measurement>| Run {
            program: program.to_owned(),
            measurements,
            ..Run::default()
        };
        let race = vec![
            rounds("large/tokio/gb_per_s", &[2.0, 3.0, 4.0]),
            rounds("large/node/gb_per_s", &[1.0, 1.0, 8.0]),
            rounds("river/tokio/connections_per_s", &[19_349.4]),
            Measurement { samples: vec![None], ..Measurement::single("log/tokio/river_ratio", 0.0) },
        ];
        let footprint = [
            ("1B/std/calls/sendto", 16_385.0),
            ("1B/std/calls/close", 2.0),
            ("1B/node/calls/write", 163_870.0),
            ("held-1024/std/memory_bytes", 4_718_592.0),
            ("held-1024/std/threads", 1026.0),
            ("held-1024/tokio/threads", 2.0),
        ];
        let footprint = footprint.map(|(id, value)| Measurement::single(id, value)).into();
        let suites = [("connect/tokio", 45_210.0), ("chunk_size/std/1KiB", 24.9e6)];
        let suites = suites.map(|(id, value)| Measurement::single(id, value)).into();
        Record::new([run("race", race), run("footprint", footprint), run("suites", suites)])
    }

    fn figure(query: &str) -> Result<String, Error> {
        Query::parse(query)?.formatted(&record())
    }

    #[test]
    fn the_race_has_medians_and_ratios_of_rounds() {
        let is = |query: &str, value: &str| assert_eq!(figure(query).unwrap(), value, "{query}");
        is("race/large/tokio/gb_per_s", "3.00");
        is("race/large/tokio/gb_per_s / node", "2.0");
        is("race/large/tokio/gb_per_s / node round 2", "2.00");
        is("race/large/node/gb_per_s / tokio", "0.50");
        is("race/river/tokio/connections_per_s", "19,349");
    }

    #[test]
    fn footprints_and_suites_are_found() {
        let is = |query: &str, value: &str| assert_eq!(figure(query).unwrap(), value, "{query}");
        is("footprint/1B/std/calls", "16,387");
        is("footprint/1B/std/calls/sendto", "16,385");
        is("footprint/1B/node/calls / std", "10.0");
        is("footprint/held-1024/std/memory_mib", "4.5");
        is("footprint/held-1024/std/threads / tokio round 0", "513");
        is("footprint/held-1024/std/threads / footprint/held-1024/tokio/threads", "513.0");
        is("suites/chunk_size/std/1KiB", "24.9 ms");
        is("suites/connect/tokio round 1", "45.2 µs");
    }

    #[test]
    fn errors_list_what_exists() {
        let error = |query: &str| figure(query).unwrap_err();
        let (what, help) = error("race/large/tokyo/gb_per_s");
        assert_eq!(what, "the record has no server `tokyo`");
        assert_eq!(help, "did you mean `tokio`?");
        assert_eq!(error("race/large/tokio/gb_per_s / nodes").1, "did you mean `node`?");
        assert_eq!(error("race/broad/x/y").1, "there are large, river, log");
        assert!(error("race/large/tokio/speed").1.contains("gb_per_s"));
        assert!(error("footprint/held-1000/std/memory_mib").1.contains("held-1024"));
        assert!(error("footprint/1B/std/memory").1.contains("memory_mib"));
        assert!(error("footprint/1B/std/calls/sendt").1.contains("sendto"));
        assert_eq!(error("footprint/1B/std").0, "`footprint/1B/std` lacks the quantity");
        assert_eq!(error("suites/chunk_size/std/2B").1, "there are 1KiB");
        assert_eq!(error("peers/large").1, "there are race, footprint, suites");
        assert!(error("race/log/tokio/river_ratio").0.starts_with("all rounds of"));
        assert!(error("race/large/tokio/gb_per_s / node round x").1.contains("PROGRAM/ID"));
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(number(1_234_567.891, 1), "1,234,567.9");
        assert_eq!(number(999.0, 0), "999");
        assert_eq!(time(999.4, None), "999 ns");
        assert_eq!(time(1_500.0, None), "1.50 µs");
        assert_eq!(time(2.0e9, Some(0)), "2 s");
        let decimals = ["gb_per_s", "wall_s", "cpu_s_per_gib", "kib_per_client"].map(decimals_of);
        assert_eq!(decimals, [2, 3, 3, 1]);
    }
}
