//! What a server uses: counts that the operating system keeps, for those who want to see a number
//! change. A check says whether the contract holds; these say what it costs.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use crate::check::{Stop, Verdict};
use crate::client::Client;
use crate::content::noise;
use crate::runner::on_stage;
use crate::server::{Server, Stage, Start};
use crate::system;
use crate::target::{DEFAULT_CHUNK_BYTES, Settings, Target};

/// Longer than what the kernel keeps for a client that does not read.
const LONG_BYTES: u64 = 64 << 20;

/// How long clients are left alone before anything is counted: the server is still at them.
const SETTLING_TIME: Duration = Duration::from_millis(300);

/// How long the processor's time of a server is taken that has nothing to do.
const IDLE_TIME: Duration = Duration::from_secs(1);

/// What can be counted of a server. Only Linux tells any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Its threads, with clients that read nothing.
    Threads,
    /// The system calls that read a file, to send one of so many bytes to one client.
    ReadCalls,
    /// The KiB by which its memory grows with clients that read nothing.
    MemoryKib,
    /// The milliseconds of processor time that it uses: within a second in which clients read
    /// nothing; without clients, to send a file of so many bytes to one.
    CpuMs,
    /// The system calls in which its threads wait, with clients that read nothing.
    BlockedIn,
}

/// What is done to the server meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How many clients are there at once, and read nothing.
    pub clients: usize,
    /// How long the file is; 16 MiB at most if it is read.
    pub bytes: Option<u64>,
    /// What the server is told as its chunk size, if it can be told.
    pub chunk_bytes: usize,
}

impl Default for Load {
    fn default() -> Self {
        Self { clients: 0, bytes: None, chunk_bytes: DEFAULT_CHUNK_BYTES }
    }
}

/// What was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    /// As many as this.
    Number(u64),
    /// System calls by name, those of any thread.
    Calls(BTreeSet<String>),
}

/// Counts something of a server that is started for it.
///
/// # Errors
///
/// Returns a verdict if the value cannot be determined: the server failed, or the system does not
/// provide the value.
pub fn measure(target: &Target, what: Measure, load: Load) -> Result<Counted, Verdict> {
    let counted = on_stage(target, move |stage| match what {
        Measure::ReadCalls => used_by_reply(stage, load, system::read_calls),
        Measure::CpuMs if load.clients == 0 => used_by_reply(stage, load, system::cpu_ms),
        _ => counted_of_held(stage, what, load),
    });
    counted.map_err(Verdict::from)
}

/// How long a server takes to send a file of so many bytes to one client that reads all.
///
/// # Errors
///
/// Returns a verdict if the reply is not the file.
pub fn reply_time(target: &Target, load: Load) -> Result<Duration, Verdict> {
    let timed = on_stage(target, move |stage| {
        let content = read_content(load);
        let server = start(stage, load, content)?;
        let started = Instant::now();
        server.expect_whole(content)?;
        Ok(started.elapsed())
    });
    timed.map_err(Verdict::from)
}

fn read_content(load: Load) -> &'static [u8] {
    const BYTES: u64 = 1 << 20;
    noise(usize::try_from(load.bytes.unwrap_or(BYTES)).unwrap_or(usize::MAX))
}

fn start(stage: &Stage<'_>, load: Load, content: &[u8]) -> Result<Server, Stop> {
    stage.write(content)?;
    let settings = Settings { chunk_bytes: load.chunk_bytes, ..Settings::default() };
    stage.start(Start { settings, ..Start::default() })
}

/// Turns a value that the system does not provide into a verdict.
fn known<T>(value: Option<T>) -> Result<T, Stop> {
    value.ok_or_else(|| Stop::not_applicable("only Linux tells this of a process, in /proc"))
}

fn used_by_reply(
    stage: &Stage<'_>,
    load: Load,
    of: fn(u32) -> Option<u64>,
) -> Result<Counted, Stop> {
    let content = read_content(load);
    let server = start(stage, load, content)?;
    let before = known(of(server.group()))?;
    server.expect_whole(content)?;
    let after = known(of(server.group()))?;
    Ok(Counted::Number(after.saturating_sub(before)))
}

fn counted_of_held(stage: &Stage<'_>, what: Measure, load: Load) -> Result<Counted, Stop> {
    // What a runtime fills at its first client is not what we are after.
    let first = noise(1000);
    let server = start(stage, load, first)?;
    server.expect_whole(first)?;
    stage.set_len(load.bytes.unwrap_or(LONG_BYTES))?;
    let group = server.group();
    let before = known(system::memory_bytes(group))?;
    let clients = held_clients(&server, load.clients.max(1))?;
    thread::sleep(SETTLING_TIME);
    let counted = match what {
        Measure::Threads => Counted::Number(known(system::threads(group))?),
        Measure::MemoryKib => {
            let now = known(system::memory_bytes(group))?;
            Counted::Number(now.saturating_sub(before) / 1024)
        }
        Measure::BlockedIn => Counted::Calls(known(system::waiting_in(group))?),
        Measure::CpuMs | Measure::ReadCalls => {
            let before = known(system::cpu_ms(group))?;
            thread::sleep(IDLE_TIME);
            Counted::Number(known(system::cpu_ms(group))?.saturating_sub(before))
        }
    };
    server.expect_alive()?;
    drop(clients);
    Ok(counted)
}

/// Clients that are served, since the first byte is there, but read nothing.
fn held_clients(server: &Server, count: usize) -> Result<Vec<Client>, Stop> {
    let clients = (0..count).map(|_| server.connect_small()).collect::<Result<Vec<_>, _>>()?;
    for (index, client) in clients.iter().enumerate() {
        client.expect_first_byte(format_args!("client {} of {count} at once", index + 1))?;
    }
    Ok(clients)
}
