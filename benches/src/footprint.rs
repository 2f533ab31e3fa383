//! The footprint of a server is its cost as a process: system calls, context switches, threads,
//! memory and CPU time.
//!
//! The ids of the values have the forms `CHUNK/SERVER/QUANTITY` and
//! `non-reading-CLIENTS/SERVER/QUANTITY`. The system calls (`calls/NAME` and `errors/NAME`) were
//! counted while the server served one client. All other values with a chunk size were measured
//! while the server served `fetches` clients.

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
pub use measure::{Footprints, NonReading};
#[cfg(target_os = "linux")]
pub use strace::{Counts, counts, measurements, why_no_strace};

/// The prefix of ids that belong to measurements with non-reading clients. The number of clients
/// follows this prefix.
const NON_READING_PREFIX: &str = "non-reading-";

type Value = fn(Cost<'_>) -> Option<f64>;

/// The tables that have one column per chunk size. Each entry contains the title of the table, and
/// the function that returns the value of a cell.
const CHUNK_TABLES: [(&str, Value); 8] = [
    ("MB per second, measured by the client", |cost| Some(cost.get("bytes_per_s")? / 1e6)),
    ("CPU-seconds of the server per GiB", |cost| cost.get("cpu_s_per_gib")),
    ("System calls per MiB, including failed ones", |cost| cost.get("calls_per_mib")),
    ("Reads per chunk", |cost| Some(cost.reads()? / cost.chunks()?)),
    ("Writes per chunk", |cost| Some(cost.writes()? / cost.chunks()?)),
    ("Context switches per MiB", |cost| cost.get("switches_per_mib")),
    ("Threads", |cost| cost.get("threads")),
    ("Peak memory in MiB", |cost| cost.get("peak_memory_mib")),
];

/// The tables that have one column per number of non-reading clients. The kernel's memory is the
/// memory of the server's sockets.
const CLIENT_TABLES: [(&str, Value); 4] = [
    ("Memory in MiB, by number of non-reading clients", |cost| cost.get("memory_mib")),
    ("KiB per non-reading client: the server's process", |cost| {
        let bytes = cost.get("memory_bytes")? - cost.get("memory_bytes_without_clients")?;
        Some(bytes / 1024.0 / cost.clients()?)
    }),
    ("KiB per non-reading client: the kernel's buffers of the server's sockets", |cost| {
        Some(cost.get("server_socket_bytes")? / 1024.0 / cost.clients()?)
    }),
    ("Threads, by number of non-reading clients", |cost| {
        cost.get("server_socket_bytes")?;
        cost.get("threads")
    }),
];

/// Returns all tables that have values. Each table has one row per server, and one column per chunk
/// size or per number of non-reading clients.
pub fn tables(run: &Run) -> Vec<Table> {
    let (clients, chunks): (Vec<_>, Vec<_>) = parts(run, |id| id.split('/').next())
        .into_iter()
        .partition(|case| case.starts_with(NON_READING_PREFIX));
    let of_chunks = CHUNK_TABLES.map(|(title, value)| table(run, title, &chunks, value));
    let of_clients = CLIENT_TABLES.map(|(title, value)| table(run, title, &clients, value));
    of_chunks.into_iter().chain(of_clients).filter(Table::has_values).collect()
}

fn table(run: &Run, title: &str, cases: &[&str], value: Value) -> Table {
    let columns = cases.iter().map(|case| case.trim_start_matches(NON_READING_PREFIX));
    let mut table = Table::new(title, std::iter::once("server").chain(columns));
    for server in parts(run, |id| id.split('/').nth(1)) {
        let value = |case: &&str| value(Cost::new(run, case, server)).map(significant);
        table.push(server, cases.iter().map(value));
    }
    table
}
