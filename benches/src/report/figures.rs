//! Which drawings there are, and what they are made of.

use std::collections::BTreeMap;

use crate::footprint::{Footprint, Job};
use crate::records::{Measured, Results, Suites};
use crate::suite::{CHUNK_SIZES, file_bytes_for};
use crate::units;

use super::chart::{Bars, Drawing, Lines, Look, Series};

/// Of a line: where, and how much.
type Points = Vec<(f64, f64)>;

/// What belongs together.
#[derive(Debug)]
pub(super) struct Section {
    pub title: &'static str,
    /// What to see, in a few sentences; HTML.
    pub text: String,
    pub drawings: Vec<Drawing>,
}

/// All for which there are results.
pub(super) fn sections(results: &Results) -> Vec<Section> {
    let mut sections = Vec::new();
    if let Some(suites) = &results.suites {
        let node = results.footprint.as_ref().map(node_speed).unwrap_or_default();
        sections.extend([chunk_sizes(suites, node), sizes(suites), clients(suites)]);
    }
    if let Some(footprint) = &results.footprint {
        sections.extend([cpu(footprint), calls(footprint), memory(footprint)]);
    }
    if let Some(peers) = &results.peers {
        sections.push(race(peers));
    }
    sections.retain(|section| !section.drawings.is_empty());
    sections
}

/// Names and places of all siblings.
fn siblings() -> impl Iterator<Item = (usize, &'static str)> {
    approaches::ALL.iter().map(|approach| approach.name).enumerate()
}

fn look_of(server: &str) -> Look {
    let name = server.strip_suffix("-zero-copy").unwrap_or(server);
    match siblings().find(|(_, sibling)| *sibling == name) {
        Some((at, _)) => Look::Sibling(at),
        None => Look::Reference,
    }
}

/// What a bench found, by its parameter: a size or a number of clients.
fn points(suites: &Suites, group: &str, function: &str) -> Points {
    let is_it = |bench: &&Measured| bench.group == group && bench.function == function;
    let point = |bench: &Measured| {
        let parameter = units::bytes(bench.parameter.as_deref()?).ok()?;
        Some((parameter as f64, bench.per_s()?))
    };
    let mut points: Vec<_> = suites.benches.iter().filter(is_it).filter_map(point).collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    points
}

fn series(name: &str, look: Look, points: Points) -> Option<Series> {
    (!points.is_empty()).then(|| Series { name: name.to_owned(), look, points })
}

fn chunk_ticks() -> Vec<(f64, String)> {
    // As short as they can be: they stand close together.
    let short = |name: &str| name.trim_end_matches('B').replace("Ki", "K").replace("Mi", "M");
    CHUNK_SIZES.iter().map(|(name, bytes)| (*bytes as f64, short(name))).collect()
}

/// Node's bytes a second by chunk size: no suite has it, since it is a process of its own.
fn node_speed(footprint: &Footprint) -> Points {
    of_jobs(footprint, "node", |job| Some(job.bytes_per_s()))
}

fn of_jobs(footprint: &Footprint, server: &str, figure: impl Fn(&Job) -> Option<f64>) -> Points {
    let jobs = footprint.jobs.iter().filter(|job| job.server == server);
    let mut points: Vec<_> = jobs
        .filter_map(|job| Some((job.chunk_bytes as f64, figure(job)?)))
        .filter(|point| point.1 > 0.0)
        .collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    points
}

/// One panel for each approach, the others pale behind it.
fn chunk_sizes(suites: &Suites, node: Points) -> Section {
    let all: Vec<(usize, &str, Points)> =
        siblings().map(|(at, name)| (at, name, points(suites, "chunk_size", name))).collect();
    let floor = points(suites, "throughput", "floor-memory").last().map(|floor| floor.1);
    let pool = |name: &str| points(suites, "chunk_size", &format!("{name}-by-pool"));
    // Below the point there has to be room for its name.
    let room = |point: (f64, f64)| point.1 / 4.0;
    let values: Vec<f64> = siblings().flat_map(|(_, name)| pool(name)).map(room).collect();
    let values: Vec<f64> = all
        .iter()
        .flat_map(|line| line.2.iter())
        .chain(&node)
        .map(|point| point.1)
        .chain(values)
        .chain(floor)
        .collect();
    let panel = |&(at, name, ref own): &(usize, &str, Points)| {
        let others = all.iter().filter(|other| other.0 != at);
        let mut lines: Vec<Series> =
            others.filter_map(|other| series(other.1, Look::Dim, other.2.clone())).collect();
        lines.push(series(name, Look::Sibling(at), own.clone())?);
        lines.extend(series("by pool", Look::Sibling(at), pool(name)));
        lines.extend(series("Node", Look::Reference, node.clone()));
        let ends = [CHUNK_SIZES[0].1 as f64, CHUNK_SIZES[CHUNK_SIZES.len() - 1].1 as f64];
        lines.extend(floor.and_then(|floor| {
            series("floor", Look::Reference, ends.map(|end| (end, floor)).into())
        }));
        Some(Lines {
            file: format!("chunk-size-{name}"),
            title: format!("{name}: bytes a second"),
            x_title: "chunk size in bytes",
            x_ticks: chunk_ticks(),
            y_text: bytes_per_s,
            y_values: values.clone(),
            series: lines,
        })
    };
    Section {
        title: "What a chunk costs",
        text: chunk_text(suites),
        drawings: all.iter().filter_map(panel).map(|lines| lines.draw()).collect(),
    }
}

/// How long one byte takes, in microseconds.
fn byte_us(suites: &Suites, function: &str) -> Option<f64> {
    let id = format!("chunk_size/{function}/{}", CHUNK_SIZES[0].0);
    let bench = suites.benches.iter().find(|bench| bench.id == id)?;
    Some(bench.median_ns.point / 1e3 / file_bytes_for(1) as f64)
}

fn chunk_text(suites: &Suites) -> String {
    let mut text = "<p>Every chunk is one read and one write, so small chunks pay for calls and large \
        ones for copying; where a line flattens, larger chunks buy nothing more. Pale: the other \
        approaches. Dashed: Node (the note's server, a process of its own, from the footprint), and \
        the floor, which writes from memory without a file.</p>"
        .to_owned();
    let us =
        |name: &str| Some((byte_us(suites, &format!("{name}-by-pool"))?, byte_us(suites, name)?));
    let cost = |name: &str| match us(name) {
        Some((by_pool, asked)) => format!("{by_pool:.0} µs a byte instead of {asked:.1} µs"),
        None => "not measured here".to_owned(),
    };
    text.push_str(&format!(
        "<ul><li><b>Why single bytes of Tokio and async-std are so dear:</b> no reactor can say when a \
         file is ready, so each read is a trip to a pool of threads that may block, and back \
         (“by pool”, as it is on macOS and Windows: Tokio {}, async-std {}); on Linux the siblings ask \
         the page cache first and go to the pool only for what is not there.</li>\
         <li><b>Why smol's file reads are not what they seem:</b> smol's own file type reads ahead \
         into a pipe of 8 MiB, so that most of its small reads would never reach the file; the \
         sibling here leaves it out and reads one chunk at a time as the others do, which by pool is \
         {}.</li></ul>",
        cost("tokio"), cost("async-std"), cost("smol")
    ));
    text
}

fn sizes(suites: &Suites) -> Section {
    let ticks = [("64KiB", 65_536.0), ("1MiB", 1_048_576.0), ("64MiB", 67_108_864.0)];
    let panel = |group: &str, floor: &str, title: &str| {
        let mut lines: Vec<Series> = siblings()
            .filter_map(|(at, name)| series(name, Look::Sibling(at), points(suites, group, name)))
            .collect();
        lines.extend(series("floor", Look::Reference, points(suites, group, floor)));
        (!lines.is_empty()).then(|| Lines {
            file: group.replace('_', "-"),
            title: title.to_owned(),
            x_title: "file size",
            x_ticks: ticks.map(|(name, bytes)| (bytes, name.to_owned())).into(),
            y_text: bytes_per_s,
            y_values: Vec::new(),
            series: lines,
        })
    };
    let panels = [
        panel("throughput", "floor-memory", "Copied: bytes a second"),
        panel("zero_copy", "floor-sendfile", "Zero-copy: bytes a second"),
    ];
    Section {
        title: "One client, one file",
        text: "<p>Chunks of 64 KiB where bytes are copied, of 1 MiB where the kernel moves them \
               (<code>sendfile</code>). The floor is the least that has to be done: one thread, \
               nothing but writes. A short file is mostly connection.</p>"
            .to_owned(),
        drawings: panels.into_iter().flatten().map(|lines| lines.draw()).collect(),
    }
}

fn clients(suites: &Suites) -> Section {
    let lines: Vec<Series> = siblings()
        .filter_map(|(at, name)| series(name, Look::Sibling(at), points(suites, "clients", name)))
        .collect();
    let mut drawings = Vec::new();
    if !lines.is_empty() {
        let ticks = [1, 16, 256].map(|clients: u32| (f64::from(clients), clients.to_string()));
        let lines = Lines {
            file: "clients".to_owned(),
            title: "The river: clients served a second".to_owned(),
            x_title: "clients at once",
            x_ticks: ticks.into(),
            y_text: plain,
            y_values: Vec::new(),
            series: lines,
        };
        drawings.push(lines.draw());
    }
    let first = |(at, name): (usize, &str)| {
        let bench = suites.benches.iter().find(|bench| bench.id == format!("connect/{name}"))?;
        Some((name.to_owned(), Look::Sibling(at), bench.median_ns.point / 1e3))
    };
    let bars: Vec<_> = siblings().filter_map(first).collect();
    if !bars.is_empty() {
        let title = "From connecting to the first byte".to_owned();
        let text = |us| format!("{us:.0} µs");
        drawings.push(Bars { file: "connect".to_owned(), title, text, bars }.draw());
    }
    Section {
        title: "Clients",
        text:
            "<p>First, clients that each take the river (153 KiB), so many at once; then how long one \
               waits for its first byte when nobody else is there.</p>"
                .to_owned(),
        drawings,
    }
}

/// Two panels of the footprint, copied and zero-copy, on one axis.
fn pair(
    file: &str,
    title: &str,
    x: (&'static str, Vec<(f64, String)>),
    y_text: fn(f64) -> String,
    of: impl Fn(&str) -> Points,
) -> Vec<Drawing> {
    let node = of("node");
    let panel = |suffix: &str| -> Vec<Series> {
        let own = |(at, name): (usize, &str)| {
            series(name, Look::Sibling(at), of(&format!("{name}{suffix}")))
        };
        let lines: Vec<Series> = siblings().filter_map(own).collect();
        lines.into_iter().chain(series("Node", Look::Reference, node.clone())).collect()
    };
    let panels = [("", "copied", panel("")), ("-zero-copy", "zero-copy", panel("-zero-copy"))];
    let values: Vec<f64> = panels
        .iter()
        .flat_map(|panel| panel.2.iter().flat_map(|series| series.points.iter()))
        .map(|point| point.1)
        .collect();
    let has_sibling = |lines: &[Series]| lines.iter().any(|line| line.look != Look::Reference);
    let drawn = panels.into_iter().filter(|panel| has_sibling(&panel.2));
    drawn
        .map(|(suffix, way, series)| {
            let lines = Lines {
                file: format!("{file}{suffix}"),
                title: format!("{title}, {way}"),
                x_title: x.0,
                x_ticks: x.1.clone(),
                y_text,
                y_values: values.clone(),
                series,
            };
            lines.draw()
        })
        .collect()
}

fn cpu(footprint: &Footprint) -> Section {
    let of = |server: &str| of_jobs(footprint, server, |job| Some(job.cpu_s_per_gib()));
    Section {
        title: "Processor time",
        text:
            "<p>Seconds of the server's processor time for a GiB; less is better. Unlike speed, it \
               does not depend on who else waits for whom.</p>"
                .to_owned(),
        drawings: pair(
            "cpu",
            "CPU-seconds for a GiB",
            ("chunk size in bytes", chunk_ticks()),
            seconds,
            of,
        ),
    }
}

fn calls(footprint: &Footprint) -> Section {
    let of = |server: &str| of_jobs(footprint, server, Job::calls_per_mib);
    let axis = ("chunk size in bytes", chunk_ticks());
    Section {
        title: "System calls",
        text: "<p>All that a server asks of the kernel for a MiB, what it asked in vain included. A \
               chunk is one read and one write, or one <code>sendfile</code>; what is above that is \
               the runtime: waiting for readiness, waking threads.</p>"
            .to_owned(),
        drawings: pair("system-calls", "System calls for a MiB", axis, plain, of),
    }
}

fn memory(footprint: &Footprint) -> Section {
    let mut counts: Vec<u64> = footprint.held.iter().map(|held| held.clients).collect();
    counts.sort_unstable();
    counts.dedup();
    let of = |server: &str| {
        let held = footprint.held.iter().filter(|held| held.server == server);
        let point = |held: &crate::footprint::Held| {
            (held.clients as f64, held.memory_bytes as f64 / (1024.0 * 1024.0))
        };
        let mut points: Vec<_> = held.map(point).collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        points
    };
    let ticks = counts.iter().map(|&clients| (clients as f64, units::grouped(clients))).collect();
    let axis = ("clients who are answered and read nothing", ticks);
    Section {
        title: "Memory",
        text: "<p>All memory of the server while its clients read nothing: copied, each holds a chunk \
               of 64 KiB in memory; with <code>sendfile</code> nothing is held but the connection.</p>"
            .to_owned(),
        drawings: pair("memory", "Memory", axis, mebibytes, of),
    }
}

/// Medians of the race between all servers.
fn race(peers: &serde_json::Value) -> Section {
    let bars = |file: &str, title: &str, measure: &str, name: &str, text| -> Option<Drawing> {
        let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for sample in peers.get("samples")?.as_array()? {
            let value = sample.get("figures")?.get(name).and_then(serde_json::Value::as_f64);
            if let Some(value) = value.filter(|_| sample["measure"] == measure) {
                values.entry(sample["server"].as_str()?.to_owned()).or_default().push(value);
            }
        }
        let median = |(server, mut values): (String, Vec<f64>)| {
            values.sort_by(f64::total_cmp);
            let look = look_of(&server);
            (server, look, values[values.len() / 2])
        };
        let mut bars: Vec<_> = values.into_iter().map(median).collect();
        bars.sort_by(|one, other| other.2.total_cmp(&one.2));
        (!bars.is_empty())
            .then(|| Bars { file: file.to_owned(), title: title.to_owned(), text, bars }.draw())
    };
    let gigabytes = |value: f64| format!("{value:.2} GB");
    let drawings = [
        bars("race-large", "A GiB: GB a second", "large", "gb_per_s", gigabytes),
        bars("race-large-cpu", "A GiB: GB for a CPU-second", "large", "gb_per_cpu_s", gigabytes),
        bars("race-river", "The river: clients a second", "river", "connections_per_s", plain),
        bars(
            "race-river-cpu",
            "The river: clients for a CPU-second",
            "river",
            "connections_per_cpu_s",
            plain,
        ),
        bars("race-held", "Held: KiB for each client", "held", "kib_per_client", |kib| {
            format!("{kib:.1} KiB")
        }),
    ];
    Section {
        title: "The race between all servers",
        text:
            "<p>Each server a process of its own, in turns with all others, nginx and Node among \
               them; medians over all rounds. <code>peers.md</code> has the tables.</p>"
                .to_owned(),
        drawings: drawings.into_iter().flatten().collect(),
    }
}

fn bytes_per_s(value: f64) -> String {
    match value {
        1e9.. => format!("{} GB/s", round(value / 1e9)),
        1e6.. => format!("{} MB/s", round(value / 1e6)),
        1e3.. => format!("{} kB/s", round(value / 1e3)),
        _ => format!("{} B/s", round(value)),
    }
}

fn plain(value: f64) -> String {
    if value < 1.0 { round(value) } else { units::grouped(value.round() as u64) }
}

fn seconds(value: f64) -> String {
    format!("{} s", plain(value))
}

fn mebibytes(value: f64) -> String {
    format!("{} MiB", plain(value))
}

/// Without the zeros that say nothing.
fn round(value: f64) -> String {
    format!("{}", (value * 1e6).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_said_in_their_units() {
        let said = [1e3, 2e6, 5e9].map(bytes_per_s);
        assert_eq!(said, ["1 kB/s", "2 MB/s", "5 GB/s"]);
        assert_eq!([0.05, 1.0, 12_345.6].map(plain), ["0.05", "1", "12,346"]);
    }

    #[test]
    fn a_zero_copy_server_looks_like_its_sibling() {
        assert_eq!(look_of("tokio-zero-copy"), look_of("tokio"));
        assert_eq!(look_of("nginx"), Look::Reference);
    }
}
