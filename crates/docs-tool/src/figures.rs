//! Figures of the records, by the queries that stand in the lessons.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fault::did_you_mean;
use crate::markers::Error;
use crate::repo::Repo;

/// The record whose values the lessons use. If you change it, read the text around each value again.
pub const RECORD: &str = "benches/records/2026-11-29-linux-2-cores";

const MIB: f64 = 1024.0 * 1024.0;

const FORMS: &str = "a query is `peers MEASURE FIGURE SERVER`, `footprint SERVER CHUNK \
                     FIGURE`, `footprint held SERVER CLIENTS FIGURE` or `criterion ID`; behind \
                     it may stand `/` with another server, id or whole query, and `round N`";

const FILES: [&str; 3] = ["peers", "footprint", "criterion"];

/// The files of the record, read when they are first asked for.
#[derive(Debug)]
pub struct Records<'a> {
    repo: &'a Repo,
    read: BTreeMap<String, Value>,
}

/// A value, and how it is written.
#[derive(Clone, Copy, Debug)]
struct Found {
    value: f64,
    form: Form,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    /// With so many decimals.
    Number(usize),
    /// In nanoseconds; written in the unit that suits it.
    Time,
}

impl<'a> Records<'a> {
    /// Those of this repository.
    #[must_use]
    pub fn of(repo: &'a Repo) -> Self {
        Self { repo, read: BTreeMap::new() }
    }

    /// What a query finds, as it is to be written.
    ///
    /// # Errors
    ///
    /// What cannot be found, and what can.
    pub fn figure(&mut self, query: &str) -> Result<String, Error> {
        let mut words: Vec<&str> = query.split_whitespace().collect();
        let decimals = match words[..] {
            [.., "round", decimals] => {
                words.truncate(words.len() - 2);
                let invalid =
                    |_| (format!("`round {decimals}` is no number of decimals"), FORMS.into());
                Some(decimals.parse::<usize>().map_err(invalid)?)
            }
            _ => None,
        };
        let mut sides = words.splitn(2, |word| *word == "/");
        let (value, other) = (sides.next().unwrap_or_default(), sides.next());
        let Some(other) = other else {
            let Found { value, form } = self.value(value)?;
            return Ok(match form {
                Form::Number(usual) => number(value, decimals.unwrap_or(usual)),
                Form::Time => time(value, decimals),
            });
        };
        let ratio = match (value, other) {
            (["peers", measure, figure, server], [other]) => {
                self.peers_ratio([measure, figure, server, other])?
            }
            (_, [file, ..]) if FILES.contains(file) => {
                self.value(value)?.value / self.value(other)?.value
            }
            (["criterion", _], [id]) => {
                self.value(value)?.value / self.value(&["criterion", id])?.value
            }
            (["footprint", "held", _, rest @ ..], [server]) => {
                let other = [&["footprint", "held", server], rest].concat();
                self.value(value)?.value / self.value(&other)?.value
            }
            (["footprint", _, rest @ ..], [server]) => {
                let other = [&["footprint", server], rest].concat();
                self.value(value)?.value / self.value(&other)?.value
            }
            _ => return Err(not_understood(&words)),
        };
        let usual = if ratio < 1.0 { 2 } else { 1 };
        Ok(number(ratio, decimals.unwrap_or(usual)))
    }

    fn value(&mut self, words: &[&str]) -> Result<Found, Error> {
        match *words {
            ["criterion", id] => Ok(Found { value: self.criterion(id)?, form: Form::Time }),
            ["peers", measure, figure, server] => {
                let value = median(self.by_round(measure, figure, server)?);
                Ok(Found { value, form: Form::Number(decimals_of(figure)) })
            }
            ["footprint", ref rest @ ..] => self.footprint(rest),
            _ => Err(not_understood(words)),
        }
    }

    fn file(&mut self, path: &str) -> Result<&Value, Error> {
        if !self.read.contains_key(path) {
            let text = self.repo.read(path).map_err(|why| {
                let help = "`RECORD` in crates/docs-tool/src/figures.rs names the record to take";
                (why, help.to_owned())
            })?;
            let json = serde_json::from_str(&text).map_err(|error| {
                (format!("{path} is no record: {error}"), "record it again".to_owned())
            })?;
            self.read.insert(path.to_owned(), json);
        }
        Ok(&self.read[path])
    }

    fn peers(&mut self) -> Result<&[Value], Error> {
        Ok(list(self.file(&format!("{RECORD}/peers.json"))?, "samples"))
    }

    /// What was found of a server, by round.
    fn by_round(
        &mut self,
        measure: &str,
        figure: &str,
        server: &str,
    ) -> Result<BTreeMap<u64, f64>, Error> {
        let samples = self.peers()?;
        let mut here = samples.iter().filter(|sample| sample["measure"] == measure).peekable();
        if here.peek().is_none() {
            let measures = samples.iter().filter_map(|sample| sample["measure"].as_str());
            return Err(unknown("measure", measure, measures));
        }
        let of_server: Vec<&Value> =
            here.clone().filter(|sample| sample["server"] == server).collect();
        if of_server.is_empty() {
            return Err(unknown("server", server, here.filter_map(|s| s["server"].as_str())));
        }
        let value = |sample: &&Value| {
            Some((sample["round"].as_u64()?, sample["figures"][figure].as_f64()?))
        };
        let found: BTreeMap<u64, f64> = of_server.iter().filter_map(value).collect();
        if found.is_empty() {
            let figures = of_server.iter().filter_map(|sample| sample["figures"].as_object());
            let names = figures.flat_map(|figures| figures.keys()).map(String::as_str);
            return Err(unknown("figure", figure, names));
        }
        Ok(found)
    }

    /// The median of the rounds' ratios: what slows down a whole round changes nothing.
    fn peers_ratio(&mut self, [measure, figure, server, other]: [&str; 4]) -> Result<f64, Error> {
        let above = self.by_round(measure, figure, server)?;
        let below = self.by_round(measure, figure, other)?;
        let ratio = |(round, value): (&u64, &f64)| Some((*round, value / below.get(round)?));
        let ratios: BTreeMap<u64, f64> = above.iter().filter_map(ratio).collect();
        match ratios.is_empty() {
            true => Err((
                format!("no round has both {server} and {other}"),
                "compare servers that raced each other".to_owned(),
            )),
            false => Ok(median(ratios)),
        }
    }

    fn criterion(&mut self, id: &str) -> Result<f64, Error> {
        let benches = list(self.file(&format!("{RECORD}/criterion.json"))?, "benches");
        let found = benches.iter().find(|bench| bench["id"] == id);
        let median = found.and_then(|bench| bench["median_ns"]["point"].as_f64());
        let ids = benches.iter().filter_map(|bench| bench["id"].as_str());
        median.ok_or_else(|| unknown("bench", id, ids))
    }

    fn footprint(&mut self, words: &[&str]) -> Result<Found, Error> {
        let invalid = || not_understood(&[&["footprint"], words].concat());
        let record = self.file(&format!("{RECORD}/footprint.json"))?;
        match *words {
            ["held", server, clients, figure] => {
                let clients: u64 = clients.parse().map_err(|_| invalid())?;
                let held = row(list(record, "held"), server, ("clients", clients))?;
                match figure {
                    "memory_mib" => found(held["memory_bytes"].as_f64().map(|b| b / MIB), 1),
                    "threads" => found(held["threads"].as_f64(), 0),
                    _ => None,
                }
                .ok_or_else(|| unknown("figure", figure, ["memory_mib", "threads"]))
            }
            [server, chunk, ref figure @ ..] if !figure.is_empty() => {
                let bytes = chunk_bytes(chunk).ok_or_else(invalid)?;
                let job = row(list(record, "jobs"), server, ("chunk_bytes", bytes))?;
                of_job(job, figure)
            }
            _ => Err(invalid()),
        }
    }
}

const OF_JOBS: [&str; 9] = [
    "calls",
    "calls NAME",
    "switches_voluntary",
    "switches_involuntary",
    "switches_per_mib",
    "threads",
    "cpu_s",
    "wall_s",
    "peak_memory_mib",
];

/// System calls are those of one fetch, in a run of its own; switches and seconds are for one of the
/// job's fetches, whose number differs from server to server.
fn of_job(job: &Value, figure: &[&str]) -> Result<Found, Error> {
    let fetches = job["fetches"].as_f64().unwrap_or(1.0);
    let for_one = |name: &str| Some(job[name].as_f64()? / fetches);
    let switches = || Some(for_one("switches_voluntary")? + for_one("switches_involuntary")?);
    let file_mib = || Some(job["file_bytes"].as_f64()? / MIB);
    let calls = job["system_calls"].as_object();
    let of_call = |name: &str| calls.and_then(|calls| calls.get(name)?["calls"].as_f64());
    match *figure {
        ["calls", name] => {
            let names = calls.into_iter().flat_map(|calls| calls.keys()).map(String::as_str);
            return found(of_call(name), 0).ok_or_else(|| unknown("system call", name, names));
        }
        ["calls"] => {
            let counts = calls.map(|calls| calls.keys().filter_map(|name| of_call(name)));
            found(counts.map(Iterator::sum), 0)
        }
        ["switches_voluntary" | "switches_involuntary"] => found(for_one(figure[0]), 0),
        ["switches_per_mib"] => {
            found(switches().and_then(|switches| Some(switches / file_mib()?)), 1)
        }
        ["threads"] => found(job["threads"].as_f64(), 0),
        ["cpu_s" | "wall_s"] => found(for_one(figure[0]), 3),
        ["peak_memory_mib"] => found(job["peak_memory_bytes"].as_f64().map(|b| b / MIB), 1),
        _ => None,
    }
    .ok_or_else(|| unknown("figure", &figure.join(" "), OF_JOBS))
}

fn found(value: Option<f64>, decimals: usize) -> Option<Found> {
    value.map(|value| Found { value, form: Form::Number(decimals) })
}

/// The row of a server with so many of something.
fn row<'a>(rows: &'a [Value], server: &str, (of, count): (&str, u64)) -> Result<&'a Value, Error> {
    let of_server: Vec<&Value> = rows.iter().filter(|row| row["server"] == server).collect();
    if of_server.is_empty() {
        return Err(unknown(
            "server",
            server,
            rows.iter().filter_map(|row| row["server"].as_str()),
        ));
    }
    let counts: Vec<String> = of_server.iter().map(|row| row[of].to_string()).collect();
    let row = of_server.into_iter().find(|row| row[of] == count);
    row.ok_or_else(|| unknown(of, &count.to_string(), counts.iter().map(String::as_str)))
}

fn not_understood(words: &[&str]) -> Error {
    (format!("the figure `{}` cannot be understood", words.join(" ")), FORMS.to_owned())
}

fn list<'a>(json: &'a Value, name: &str) -> &'a [Value] {
    json[name].as_array().map_or(&[], Vec::as_slice)
}

fn unknown<'a>(of: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
    let mut names: Vec<&str> = Vec::new();
    for name in known {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let help = match did_you_mean(word, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", names.join(", ")),
    };
    (format!("the record has no {of} `{word}`"), help)
}

/// `1`, `64B`, `64KiB`, `1MiB`.
fn chunk_bytes(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(split);
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(factor)
}

fn median(by_round: BTreeMap<u64, f64>) -> f64 {
    let mut values: Vec<f64> = by_round.into_values().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

/// By the unit in a figure's name, as in peers.md.
fn decimals_of(figure: &str) -> usize {
    let ends = |ending: &str| figure.ends_with(ending);
    match () {
        () if figure.contains("gb_per") || ends("_ms") || ends("_ratio") => 2,
        () if ends("_per_s") || ends("_per_cpu_s") => 0,
        () if ends("_s") => 3,
        () if figure.contains("kib") || figure.contains("mib") => 1,
        () if figure == "tcp_pressure" => 2,
        () => 0,
    }
}

/// With its thousands apart.
fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let whole = whole.parse().expect("a figure is no less than zero");
    format!("{}{fraction}", harness::text::grouped(whole))
}

/// In the unit that suits it, with three digits that say something.
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

    fn figure(query: &str) -> Result<String, Error> {
        Records::of(&Repo::found()).figure(query)
    }

    #[test]
    fn peers_are_as_in_their_tables() {
        let is = |query: &str, value: &str| assert_eq!(figure(query).unwrap(), value, "{query}");
        is("peers large gb_per_s tokio", "2.49");
        is("peers large gb_per_s tokio / node", "2.0");
        is("peers large gb_per_s tokio / node round 2", "2.03");
        is("peers large gb_per_s tokio / nginx", "0.34");
        is("peers river connections_per_s tokio-zero-copy", "19,349");
        is("peers bytes wall_s node / tokio", "22.2");
        is("peers held kib_per_client smol-zero-copy", "4.3");
    }

    #[test]
    fn footprints_and_suites_are_found() {
        let is = |query: &str, value: &str| assert_eq!(figure(query).unwrap(), value, "{query}");
        is("footprint std 1B calls", "32,822");
        is("footprint std 1 calls sendto", "16,385");
        is("footprint tokio 64KiB threads", "4");
        is("criterion chunk_size/std/1KiB", "24.9 ms");
        is("criterion chunk_size/std/64KiB round 1", "4.5 ms");
        is("footprint node 64KiB calls / std", "4.7");
        is("footprint held std 1024 threads / tokio round 0", "513");
        is("footprint held std 16 threads / footprint held std 16 threads", "1.0");
        is("criterion chunk_size/tokio-by-pool/1B / chunk_size/tokio/1B", "14.7");
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        let invalid = |query: &str| figure(query).unwrap_err();
        let (what, help) = invalid("peers large gb_per_s tokyo");
        assert_eq!(what, "the record has no server `tokyo`");
        assert_eq!(help, "did you mean `tokio`?");
        assert!(invalid("peers broad x y").1.contains("large"));
        assert!(invalid("peers large speed tokio").1.contains("gb_per_s"));
        assert!(invalid("footprint held tokio 1000 memory_mib").1.contains("1024"));
        assert!(invalid("footprint tokio 2KiB calls").0.contains("chunk_bytes"));
        assert!(invalid("footprint tokio 1B calls sendfil").1.contains("sendto"));
        assert!(invalid("criterion chunk_size/std/2B").1.contains("chunk_size/std/"));
        assert!(invalid("nothing").1.contains("criterion ID"));
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(number(1_234_567.891, 1), "1,234,567.9");
        assert_eq!(number(999.0, 0), "999");
        assert_eq!(time(999.4, None), "999 ns");
        assert_eq!(time(1_500.0, None), "1.50 µs");
        assert_eq!(time(2.0e9, Some(0)), "2 s");
        assert_eq!(
            (chunk_bytes("64KiB"), chunk_bytes("1"), chunk_bytes("x")),
            (Some(65_536), Some(1), None)
        );
    }
}
