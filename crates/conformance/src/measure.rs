//! Measures the threads, system calls, memory and CPU time that a server uses. The operating system
//! provides these values. A check tests whether the server fulfills the contract, and a measurement
//! shows how many resources the server needs.

use std::collections::BTreeSet;
#[cfg(target_os = "linux")]
use std::fs;
use std::fs::File;
#[cfg(target_os = "linux")]
use std::io;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use harness::fixture::noise;
use harness::usage;

use crate::runner::{CHECK_TIMEOUT, on_stage};
use crate::server::Server;
use crate::stage::Stage;
use crate::target::{DEFAULT_CHUNK_BYTES, Settings, Target};
use crate::verdict::{Context, Stop, Verdict};

/// The default length of a file that clients read.
const READ_BYTES: u64 = 1 << 20;

/// The default length of a file that clients do not read. The kernel's buffers for a non-reading
/// client cannot hold that much data.
const UNREAD_BYTES: u64 = 64 << 20;

/// The pause before a measurement with non-reading clients. During this pause, the server fills the
/// buffers of their connections.
const SETTLING_TIME: Duration = Duration::from_millis(300);

/// The time during which an idle server's CPU time is measured.
const IDLE_TIME: Duration = Duration::from_secs(1);

/// The number of clients that [`Measure::StartedThreads`] connects one after another.
const SEQUENTIAL_CLIENTS: usize = 30;

/// The value to measure. Only Linux provides these values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The number of threads while non-reading clients are connected.
    Threads,
    /// The number of system calls that read the file while the server sends it to one client.
    ReadCalls,
    /// The growth of the server's memory in KiB while non-reading clients are connected.
    MemoryKib,
    /// The CPU time in milliseconds. With non-reading clients, the value is the CPU time within one
    /// second. Without clients, the value is the CPU time that the server needs to send the file to
    /// one client.
    CpuMs,
    /// The system calls in which the server's threads wait while non-reading clients are connected.
    BlockedIn,
    /// The number of threads that the server starts while it serves 30 clients one after another
    /// and other clients do not read. The connection limit leaves one connection for the clients
    /// that are served.
    StartedThreads,
    /// The number of threads that wait for data of the file at the same time. The file is a FIFO
    /// that receives only a few bytes, and non-reading clients are connected.
    ReadingThreads,
}

/// The load on the server during a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The number of concurrent non-reading clients.
    pub clients: usize,
    /// The length of the file in bytes (at most 16 MiB if a client reads the file), or `None` for a
    /// default length.
    pub bytes: Option<u64>,
    /// The chunk size in bytes, for a command that contains `{chunk}`.
    pub chunk_bytes: usize,
}

impl Default for Load {
    fn default() -> Self {
        Self { clients: 0, bytes: None, chunk_bytes: DEFAULT_CHUNK_BYTES }
    }
}

/// A measured value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeasuredValue {
    /// A number.
    Number(u64),
    /// The names of the system calls in which at least one thread waits.
    Calls(BTreeSet<String>),
}

/// Starts a server and measures one value.
///
/// # Errors
///
/// Returns a verdict if the value cannot be determined because the server failed or the system does
/// not provide the value.
pub fn measure(target: &Target, what: Measure, load: Load) -> Result<MeasuredValue, Verdict> {
    Ok(on_stage(CHECK_TIMEOUT, target, move |stage| match what {
        Measure::ReadCalls => used_by_reply(stage, load, usage::read_calls),
        Measure::CpuMs if load.clients == 0 => used_by_reply(stage, load, cpu_ms),
        Measure::StartedThreads => started_threads(stage, load),
        Measure::ReadingThreads => reading_threads(stage, load),
        _ => with_non_reading_clients(stage, what, load),
    })?)
}

/// Starts a server and measures the time that the server takes to send a file to one client.
///
/// # Errors
///
/// Returns a verdict if the reply is incorrect.
pub fn reply_time(target: &Target, load: Load) -> Result<Duration, Verdict> {
    Ok(on_stage(CHECK_TIMEOUT, target, move |stage| {
        let content = content(load);
        let server = serve(stage, load, content)?;
        let started = Instant::now();
        server.expect_whole(content)?;
        Ok(started.elapsed())
    })?)
}

/// Starts a server and serves many short connections, one after another. Returns the server's CPU
/// time per connection, including the CPU time of threads that have ended.
///
/// # Errors
///
/// Returns a verdict if a reply is incorrect, or if the system does not provide the CPU time.
pub fn cpu_time_per_client(target: &Target) -> Result<Duration, Verdict> {
    /// The number of clients. The total CPU time is long compared with the unit in which the kernel
    /// counts CPU time.
    const CLIENTS: u32 = 2000;
    Ok(on_stage(CHECK_TIMEOUT, target, move |stage| {
        let content = noise(1000);
        let server = stage.serve(content)?;
        server.expect_whole(content)?;
        let before = server.usage(usage::total_cpu_time)?;
        for _ in 0..CLIENTS {
            server.expect_whole(content)?;
        }
        Ok(server.usage(usage::total_cpu_time)?.saturating_sub(before) / CLIENTS)
    })?)
}

fn content(load: Load) -> &'static [u8] {
    noise(usize::try_from(load.bytes.unwrap_or(READ_BYTES)).unwrap_or(usize::MAX))
}

fn serve(stage: &Stage, load: Load, content: &[u8]) -> Result<Server, Stop> {
    stage.serve_with(Settings { chunk_bytes: load.chunk_bytes, ..Settings::default() }, content)
}

fn cpu_ms(pids: &[u32]) -> Option<u64> {
    usage::cpu_time_and_wait(pids).map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn used_by_reply(
    stage: &Stage,
    load: Load,
    value: fn(&[u32]) -> Option<u64>,
) -> Result<MeasuredValue, Stop> {
    let content = content(load);
    let server = serve(stage, load, content)?;
    let before = server.usage(value)?;
    server.expect_whole(content)?;
    Ok(MeasuredValue::Number(server.usage(value)?.saturating_sub(before)))
}

fn started_threads(stage: &Stage, load: Load) -> Result<MeasuredValue, Stop> {
    let settings = Settings { connection_limit: load.clients + 1, ..Settings::default() };
    let first = noise(1000);
    let server = stage.serve_with(settings, first)?;
    server.expect_whole(first)?;
    stage.set_len(load.bytes.unwrap_or(UNREAD_BYTES))?;
    let non_reading = server.connect_non_reading(load.clients)?;
    let mut ids = server.usage(usage::thread_ids)?;
    let before = ids.len();
    for number in 1..=SEQUENTIAL_CLIENTS {
        // The file does not fit into the buffers of this client. Therefore, the thread that serves
        // the client still exists when the ids are read.
        let client = server.connect_small()?;
        client.expect_first_byte().context(format_args!(
            "client {number} of {SEQUENTIAL_CLIENTS} (connection limit {}, {} non-reading clients)",
            settings.connection_limit, load.clients
        ))?;
        ids.extend(server.usage(usage::thread_ids)?);
    }
    server.expect_alive()?;
    drop(non_reading);
    Ok(MeasuredValue::Number((ids.len() - before) as u64))
}

fn with_non_reading_clients(
    stage: &Stage,
    what: Measure,
    load: Load,
) -> Result<MeasuredValue, Stop> {
    // The measurement starts after the first client, because a runtime may allocate additional
    // memory for its first client.
    let first = noise(1000);
    let server = serve(stage, load, first)?;
    server.expect_whole(first)?;
    stage.set_len(load.bytes.unwrap_or(UNREAD_BYTES))?;
    let memory_before = server.usage(usage::anonymous_memory_bytes)?;
    let clients = server.connect_non_reading(load.clients.max(1))?;
    thread::sleep(SETTLING_TIME);
    let counted = match what {
        Measure::Threads => MeasuredValue::Number(server.usage(usage::threads)?),
        Measure::MemoryKib => {
            let now = server.usage(usage::anonymous_memory_bytes)?;
            MeasuredValue::Number(now.saturating_sub(memory_before) / 1024)
        }
        Measure::BlockedIn => MeasuredValue::Calls(server.usage(usage::waiting_calls)?),
        _ => {
            let before = server.usage(cpu_ms)?;
            thread::sleep(IDLE_TIME);
            MeasuredValue::Number(server.usage(cpu_ms)?.saturating_sub(before))
        }
    };
    server.expect_alive()?;
    drop(clients);
    Ok(counted)
}

fn reading_threads(stage: &Stage, load: Load) -> Result<MeasuredValue, Stop> {
    let server = serve(stage, load, noise(1000))?;
    server.expect_whole(noise(1000))?;
    // This program opens the FIFO for reading and writing, so that no call of `open` waits and the
    // FIFO does not end.
    let mut fifo = replace_with_fifo(&stage.file())?;
    let clients = server.connect_non_reading(load.clients)?;
    // Let each thread finish its first read, because a server may hold the lock only during this
    // read.
    for _ in 0..load.clients {
        fifo.write_all(b"x")?;
        thread::sleep(SETTLING_TIME / 10);
    }
    thread::sleep(SETTLING_TIME);
    let path = stage.file();
    let count = server.usage(|pids| usage::threads_that_use(pids, &path))?;
    server.expect_alive()?;
    drop(clients);
    Ok(MeasuredValue::Number(count))
}

/// Replaces a file with a FIFO. Returns the open FIFO.
#[cfg(target_os = "linux")]
fn replace_with_fifo(path: &Path) -> Result<File, Stop> {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    fs::remove_file(path)?;
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).map_err(io::Error::from)?;
    Ok(File::options().read(true).write(true).open(path)?)
}

#[cfg(not(target_os = "linux"))]
fn replace_with_fifo(_path: &Path) -> Result<File, Stop> {
    Err(Stop::skip("only Linux provides the necessary data about a process"))
}
