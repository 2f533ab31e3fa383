//! Finds the values for the queries in pages. All values are in the newest record.

use harness::derived;
use harness::record::{PROGRAMS, Record, newest};
use harness::text::grouped;

use crate::markers::Error;
use crate::page_error::did_you_mean;
use crate::repo::Repo;

/// The folder that contains the records.
pub const RECORDS: &str = "benches/records";

const FORMS: &str = "write `PROGRAM/ID`, for example `race/river/tokio/connections_per_s`; \
                     add `/ SERVER` or `/ PROGRAM/ID` to divide, and `round N` to round";

/// The names of the parts of a measurement's id, for each program.
const PARTS: [(&str, [&str; 4]); 3] = [
    ("race", ["measurement", "server", "quantity", "part"]),
    ("footprint", ["job", "server", "quantity", "system call"]),
    ("suites", ["benchmark", "approach", "size", "part"]),
];

/// The index of the server's name in a path. For example, the server in
/// `race/river/tokio/connections_per_s` is `tokio`.
const SERVER: usize = 2;

/// The newest record. The record is read when a page first needs a value.
#[derive(Debug)]
pub struct Records<'a> {
    repo: &'a Repo,
    record: Option<Record>,
}

impl<'a> Records<'a> {
    /// Returns the records of a repository.
    #[must_use]
    pub fn of(repo: &'a Repo) -> Self {
        Self { repo, record: None }
    }

    /// Returns the value of a query, formatted for a page.
    ///
    /// # Errors
    ///
    /// Returns an error that names the first unknown part of the query and lists the valid
    /// alternatives.
    pub fn value(&mut self, query: &str) -> Result<String, Error> {
        if self.record.is_none() {
            let record = newest(&self.repo.path(RECORDS)).and_then(|folder| Record::read(&folder));
            let help = "run `just bench`, `just footprint`, `just record` and `just peers`";
            self.record = Some(record.map_err(|error| (error.to_string(), help.to_owned()))?);
        }
        let record = self.record.as_ref().expect("the record has been read above");
        let query = Query::parse(query)?;
        query.formatted(record)
    }
}

/// A query in a page. A query names a value, or two values to divide.
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
            let help = "compare servers that ran in the same rounds";
            (format!("cannot divide `{path}` by `{baseline}` in any round"), help.to_owned())
        })?;
        let usual = if ratio < 1.0 { 2 } else { 1 };
        Ok(number(ratio, decimals.unwrap_or(usual)))
    }
}

fn value(record: &Record, path: &str) -> Result<f64, Error> {
    record.value(path).ok_or_else(|| unknown(record, path))
}

/// Describes the first part of a path that does not exist, and lists the valid alternatives.
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
            None => format!("use one of {}", known.join(", ")),
        };
        let what = match *part {
            "" => format!("`{path}` has no {kind}"),
            part => format!("the record has no {kind} `{part}`"),
        };
        return (what, help);
    }
    (format!("`{path}` is not a value"), FORMS.to_owned())
}

/// Returns the default number of decimals for the unit in the name of a quantity.
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
