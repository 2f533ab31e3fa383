//! The footprint: the cost of a server as a process. It consists of system calls, context switches,
//! threads, memory and CPU time.
//!
//! All values are in a run with ids `CHUNK/SERVER/QUANTITY` and `held-CLIENTS/SERVER/QUANTITY`. The
//! system calls (`calls/NAME` and `errors/NAME`) are those for one client; all other values of a
//! chunk size belong to `fetches` clients.

mod cost;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod strace;

use harness::record::Run;
use harness::table::Table;
use harness::text::significant;

use crate::records::parts;

pub use cost::Cost;
#[cfg(target_os = "linux")]
pub use measure::{Footprints, HELD_CLIENTS};
#[cfg(target_os = "linux")]
pub use strace::{Counts, counts, measurements, why_no_strace};

type Value = fn(Cost<'_>) -> Option<f64>;

/// A title, and the value of each cell.
const OF_CHUNKS: [(&str, Value); 8] = [
    ("MB per second, as the client sees it", |cost| Some(cost.get("bytes_per_s")? / 1e6)),
    ("CPU-seconds of the server per GiB", |cost| cost.get("cpu_s_per_gib")),
    ("System calls per MiB, including failed ones", |cost| cost.get("calls_per_mib")),
    ("Reads per chunk", |cost| Some(cost.reads()? / cost.chunks()?)),
    ("Writes per chunk", |cost| Some(cost.writes()? / cost.chunks()?)),
    ("Context switches per MiB", |cost| cost.get("switches_per_mib")),
    ("Threads", |cost| cost.get("threads")),
    ("Peak memory in MiB", |cost| cost.get("peak_memory_mib")),
];

/// Returns all tables that have values. Each row is a server; each column is a chunk size or a
/// number of non-reading clients.
pub fn tables(run: &Run) -> Vec<Table> {
    let (clients, chunks): (Vec<_>, Vec<_>) = parts(run, |id| id.split('/').next())
        .into_iter()
        .partition(|case| case.starts_with("held-"));
    let of_chunks = OF_CHUNKS.map(|(title, value)| table(run, title, &chunks, value));
    let title = "Memory in MiB, by number of non-reading clients";
    let memory = table(run, title, &clients, |cost| cost.get("memory_mib"));
    of_chunks.into_iter().chain([memory]).filter(Table::has_values).collect()
}

fn table(run: &Run, title: &str, cases: &[&str], value: Value) -> Table {
    let columns = cases.iter().map(|case| case.trim_start_matches("held-"));
    let mut table = Table::new(title, std::iter::once("server").chain(columns));
    for server in parts(run, |id| id.split('/').nth(1)) {
        let value = |case: &&str| value(Cost::new(run, case, server)).map(significant);
        table.push(server, cases.iter().map(value));
    }
    table
}
