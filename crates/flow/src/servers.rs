//! Starts the servers as child processes, and reads their logs.

mod command;
mod lines;
mod log;
mod process;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use harness::{Signal, TempFolder, fixture};

use crate::connections::Connections;
use crate::hub::Hub;
use crate::sequential;
use crate::trace::{Line, Server};

pub use command::{Command, names};
pub use log::Progress;

use log::Log;
use process::{Ending, Process};

/// The maximum time until a server listens.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum time until a server ends before a restart. The time is short, because the servers
/// wait for open connections.
const STOP_TIMEOUT: Duration = Duration::from_millis(300);

/// The interval at which the program checks whether the servers still run.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// The servers to start, and their file.
#[derive(Clone, Debug)]
pub struct Options {
    /// The servers, in the order of [`Header::servers`](crate::trace::Header::servers).
    pub servers: Vec<Command>,
    /// The length of the file that all servers send, in bytes.
    pub file_bytes: u64,
    /// The setup of the servers at the start.
    pub setup: Setup,
}

impl Options {
    /// Adds the sequential server, which runs only during one of the scenarios, unless it is already
    /// among the servers.
    pub fn add_on_demand(&mut self) {
        let name = sequential::APPROACH.name;
        if !self.servers.iter().any(|server| server.name() == name) {
            self.servers.push(Command::OnDemand(name.to_owned()));
        }
    }
}

/// The options with which the servers run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// The additional arguments of the siblings.
    pub arguments: &'static [&'static str],
    /// Indicates whether the servers of the type [`Command::OnDemand`] run.
    pub with_on_demand: bool,
    /// Indicates that the siblings do not log chunks. With very small chunks, writing and reading
    /// the log would need more CPU time than sending the file.
    pub omits_chunks: bool,
}

/// The running servers. Dropping the last clone stops them.
#[derive(Clone)]
pub struct Servers {
    owner: Arc<Owner>,
}

/// Ends the processes when it is dropped.
struct Owner {
    shared: Arc<Shared>,
    /// Contains the file.
    _folder: TempFolder,
}

struct Shared {
    hub: Arc<Hub>,
    file: PathBuf,
    slots: Vec<Slot>,
    /// The current setup of the servers. The lock is held during a restart.
    setup: Mutex<Setup>,
}

/// A server, which may run or have ended.
struct Slot {
    name: String,
    command: Command,
    log: Arc<Log>,
    running: Mutex<Option<Running>>,
}

struct Running {
    process: Process,
    addr: SocketAddr,
    /// See [`Server::preamble_bytes`].
    preamble_bytes: Option<u64>,
}

impl Servers {
    /// Starts all servers, and waits until they listen.
    ///
    /// # Errors
    ///
    /// Returns an error if a server does not listen within 10 s.
    pub fn start(
        hub: Arc<Hub>,
        connections: Arc<Connections>,
        options: Options,
    ) -> anyhow::Result<Self> {
        let folder = TempFolder::new().context("cannot create a temporary folder")?;
        let file = folder.path().join("file.bin");
        fixture::write_noise(&file, options.file_bytes).with_context(|| {
            format!("cannot write a file of {} bytes in `{}`", options.file_bytes, file.display())
        })?;
        let servers = names(&options.servers).into_iter().zip(options.servers).enumerate();
        let slot = |(index, (name, command))| {
            let log = Log::new(index, Arc::clone(&hub), Arc::clone(&connections));
            Slot { name, command, log: Arc::new(log), running: Mutex::default() }
        };
        let slots = servers.map(slot).collect();
        let shared = Arc::new(Shared { hub, file, slots, setup: Mutex::new(options.setup) });
        let servers = Self { owner: Arc::new(Owner { shared, _folder: folder }) };
        servers.shared().start(options.setup)?;
        let watched = Arc::downgrade(&servers.owner.shared);
        thread::Builder::new()
            .name("watch-servers".to_owned())
            .spawn(move || watch(&watched))
            .context("cannot start a thread")?;
        Ok(servers)
    }

    /// Returns the number of servers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared().slots.len()
    }

    /// Returns whether there is no server.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared().slots.is_empty()
    }

    /// Returns the address of a server, or `None` if it does not run.
    #[must_use]
    pub fn addr(&self, server: usize) -> Option<SocketAddr> {
        lock(&self.shared().slots.get(server)?.running).as_ref().map(|running| running.addr)
    }

    /// Returns the processes of a server.
    #[must_use]
    pub fn pids(&self, server: usize) -> Vec<u32> {
        let Some(slot) = self.shared().slots.get(server) else { return Vec::new() };
        lock(&slot.running).as_mut().map(|running| running.process.pids()).unwrap_or_default()
    }

    /// Returns the number of bytes before the file in each reply of a server, or `None` if it is
    /// unknown.
    #[must_use]
    pub fn preamble_bytes(&self, server: usize) -> Option<u64> {
        lock(&self.shared().slots.get(server)?.running).as_ref()?.preamble_bytes
    }

    /// Reports the number of bytes before the file in each reply of a server, if it was unknown.
    pub fn set_preamble_bytes(&self, server: usize, bytes: u64) {
        let Shared { hub, slots, .. } = self.shared();
        let Some(mut running) = slots.get(server).map(|slot| lock(&slot.running)) else { return };
        let Some(running) = running.as_mut().filter(|it| it.preamble_bytes.is_none()) else {
            return;
        };
        running.preamble_bytes = Some(bytes);
        let (at_us, preamble_bytes) = (hub.now_us(), Some(bytes));
        // The lock is held, so that this line does not follow the line about the server's end.
        hub.push([Line::Server(Server { at_us, server, preamble_bytes, ..Server::default() })]);
    }

    /// Returns what the log reported about a connection, or `None` if the server has no event log.
    /// After `has_disconnected` was returned, the entry is removed.
    #[must_use]
    pub fn progress(&self, server: usize, client: SocketAddr) -> Option<Progress> {
        self.shared().slots.get(server)?.log.progress(client)
    }

    /// Stops all servers, and starts them with this setup. The open connections are reset.
    ///
    /// # Errors
    ///
    /// Returns an error if a server does not listen within 10 s. The other servers run.
    pub fn restart(&self, setup: Setup) -> anyhow::Result<()> {
        // A second restart waits until the first one is complete.
        self.shared().restart(&mut lock(&self.shared().setup), setup)
    }

    /// Restarts the servers, unless all of them already run with this setup.
    ///
    /// # Errors
    ///
    /// See [`Servers::restart`].
    pub fn prepare(&self, setup: Setup) -> anyhow::Result<()> {
        let shared = self.shared();
        let mut current = lock(&shared.setup);
        let are_ready = *current == setup && shared.slots.iter().all(|slot| slot.is_ready(setup));
        if are_ready { Ok(()) } else { shared.restart(&mut current, setup) }
    }

    /// Sends a signal to all servers.
    pub fn signal(&self, signal: Signal) {
        for slot in &self.shared().slots {
            if let Some(running) = lock(&slot.running).as_mut() {
                running.process.signal(signal);
            }
        }
    }

    fn shared(&self) -> &Shared {
        &self.owner.shared
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        for slot in &self.shared.slots {
            lock(&slot.running).take();
        }
    }
}

impl Slot {
    /// Returns whether the server runs with a setup.
    fn is_in(&self, setup: Setup) -> bool {
        setup.with_on_demand || !matches!(self.command, Command::OnDemand(_))
    }

    /// Returns whether the server accepts connections, or is not part of this setup. A server that
    /// was asked to end no longer accepts connections.
    fn is_ready(&self, setup: Setup) -> bool {
        let running = lock(&self.running);
        !self.is_in(setup) || running.as_ref().is_some_and(|it| !it.process.is_asked_to_end)
    }
}

impl Shared {
    fn restart(&self, current: &mut Setup, setup: Setup) -> anyhow::Result<()> {
        *current = setup;
        self.stop();
        self.start(setup)
    }

    /// Starts the servers of this setup, and returns the first error.
    fn start(&self, setup: Setup) -> anyhow::Result<()> {
        let indexes = (0..self.slots.len()).filter(|&index| self.slots[index].is_in(setup));
        let started: Vec<_> = indexes.map(|index| (index, self.spawn(index, setup))).collect();
        let deadline = Instant::now() + START_TIMEOUT;
        let mut result = Ok(());
        for (index, process) in started {
            let slot = &self.slots[index];
            let listening = process.and_then(|mut process| {
                let timeout = deadline.saturating_duration_since(Instant::now());
                let addr = process.wait_until_listening(timeout)?;
                let preamble_bytes = slot.command.preamble_bytes(setup.arguments);
                Ok(Running { process, addr, preamble_bytes })
            });
            match listening {
                Ok(running) => *lock(&slot.running) = Some(running),
                Err(error) => {
                    let at_us = self.hub.now_us();
                    let ended = Some(error.to_string());
                    let line = Server { at_us, server: index, ended, ..Server::default() };
                    self.hub.push([Line::Server(line)]);
                    let error = error.context(format!("cannot start the server `{}`", slot.name));
                    result = result.and(Err(error));
                }
            }
        }
        result
    }

    fn spawn(&self, index: usize, setup: Setup) -> anyhow::Result<Process> {
        let slot = &self.slots[index];
        let log = Arc::clone(&slot.log);
        let process = Process::spawn(&slot.command, setup, &self.file, log)?;
        self.hub.push([Line::Server(Server {
            at_us: self.hub.now_us(),
            server: index,
            command: Some(process.command_line.clone()),
            preamble_bytes: slot.command.preamble_bytes(setup.arguments),
            ended: None,
        })]);
        Ok(process)
    }

    /// Stops all servers that run.
    fn stop(&self) {
        let taken = self.slots.iter().map(|slot| lock(&slot.running).take());
        let mut running: Vec<Option<Running>> = taken.collect();
        for running in running.iter_mut().flatten() {
            running.process.signal(Signal::Terminate);
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        for (index, running) in running.into_iter().enumerate() {
            if let Some(running) = running {
                let timeout = deadline.saturating_duration_since(Instant::now());
                self.report(index, running.process.stop(timeout));
            }
        }
    }

    /// Reports the servers that have ended.
    fn check(&self) {
        for (index, slot) in self.slots.iter().enumerate() {
            let mut running = lock(&slot.running);
            let ending = running.as_mut().and_then(|running| running.process.ending());
            if let Some(ending) = ending {
                // Dropping the value kills the processes that the server started.
                running.take();
                drop(running);
                self.report(index, ending);
            }
        }
    }

    fn report(&self, index: usize, ending: Ending) {
        let at_us = self.hub.now_us();
        let mut lines = Vec::new();
        if ending.is_unexpected {
            let name = &self.slots[index].name;
            let message = format!("the server `{name}` ended: {}", ending.description);
            lines.push(Line::Note { at_us, message });
        }
        let ended = Some(ending.description);
        lines.push(Line::Server(Server { at_us, server: index, ended, ..Server::default() }));
        self.hub.push(lines);
    }
}

/// Reports servers that end, until [`Servers`] is dropped.
fn watch(shared: &Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        shared.check();
        drop(shared);
        thread::sleep(WATCH_INTERVAL);
    }
}

/// Locks a mutex, even if a thread panicked while it held the lock. Such a panic does not make the
/// data inconsistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
