//! Runs the servers and the clients of a soak, and samples the servers.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use harness::record::Measurement;
use harness::{describe_exit, usage};

use super::Usage;
use super::behavior::{BEHAVIORS, Outcome};
use super::log::Events;
use crate::cpu;
use crate::servers::{Launcher, Participant, Server, Settings};

/// The length of the file in bytes. The last chunk is not complete.
const FILE_BYTES: u64 = 1_234_567;

/// The stall timeout of the servers. With the default of 30 s, a short soak would contain no stall.
const STALL_TIMEOUT: &str = "10s";

/// The minimum interval between two samples.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// The maximum number of samples. More samples would not be visible in a chart.
const SAMPLES_MAX: u32 = 360;

/// The maximum time until a server has released the resources of all clients. Tokio's threads for
/// blocking calls end after 10 s without work.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The interval at which the soak checks whether a server has released its resources.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

const MIB: f64 = 1024.0 * 1024.0;

/// A soak with several servers.
#[derive(Debug)]
pub struct Soak {
    servers: Vec<Soaked>,
    interval: Duration,
    started: Instant,
}

/// A server with its results.
#[derive(Debug)]
struct Soaked {
    name: String,
    server: Server,
    /// The temporary folder of the server.
    _launcher: Launcher,
    /// The thread that reads the server's log.
    log: Option<JoinHandle<Events>>,
    pids: Vec<u32>,
    before: Usage,
    samples: Vec<Usage>,
    outcomes: Vec<(&'static str, io::Result<Outcome>)>,
    cpu_s: Option<f64>,
    after: Option<Usage>,
    problems: Vec<String>,
}

impl Soak {
    /// Starts the servers. [`Launcher::new`] describes `program` and `folder`.
    ///
    /// # Errors
    ///
    /// Fails if a server cannot be started or measured.
    pub fn start(participants: &[Participant], program: &Path, folder: &Path) -> io::Result<Self> {
        let start = |participant| Soaked::start(participant, program.to_owned(), folder);
        let servers = participants.iter().map(start).collect::<io::Result<_>>()?;
        Ok(Self { servers, interval: INTERVAL_MIN, started: Instant::now() })
    }

    /// Lets clients of all behaviors connect to all servers for `duration`, and samples the servers.
    /// Calls `progress` with the elapsed time after each sample.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read.
    pub fn run(&mut self, duration: Duration, progress: impl Fn(Duration)) -> io::Result<()> {
        self.interval = INTERVAL_MIN.max(duration / SAMPLES_MAX);
        self.started = Instant::now();
        let deadline = self.started + duration;
        let mut clients = Vec::new();
        for soaked in &self.servers {
            let (plan, content) = (soaked.server.plan(), Arc::from(soaked.server.content()?));
            clients.push(BEHAVIORS.map(|behavior| {
                let (plan, content) = (plan.clone(), Arc::clone(&content));
                thread::spawn(move || behavior.run(&plan, &content, deadline))
            }));
        }
        for index in 1.. {
            if clients.iter().flatten().all(JoinHandle::is_finished) {
                break;
            }
            let next = self.started + self.interval * index;
            thread::sleep(next.saturating_duration_since(Instant::now()));
            self.servers.iter_mut().for_each(Soaked::sample);
            progress(self.started.elapsed());
        }
        for (soaked, threads) in self.servers.iter_mut().zip(clients) {
            for (behavior, thread) in BEHAVIORS.iter().zip(threads) {
                let panicked = |_| Err(io::Error::other("the load client panicked"));
                soaked.outcomes.push((behavior.name, thread.join().unwrap_or_else(panicked)));
            }
        }
        Ok(())
    }

    /// Waits until the servers have released their resources, and stops the servers. Returns all
    /// measurements and problems.
    pub fn finish(mut self) -> (Vec<Measurement>, Vec<String>) {
        let wall_s = self.started.elapsed().as_secs_f64();
        let deadline = Instant::now() + SETTLE_TIMEOUT;
        self.servers.iter_mut().for_each(|soaked| soaked.settle(deadline));
        let (mut measurements, mut problems) = (Vec::new(), Vec::new());
        let mut cpu_s = 0.0;
        for mut soaked in self.servers {
            soaked.check_outcomes();
            soaked.stop();
            let of_clients =
                soaked.outcomes.iter().filter_map(|(_, outcome)| outcome.as_ref().ok());
            cpu_s += of_clients.map(|outcome| outcome.cpu_s).sum::<f64>();
            cpu_s += soaked.cpu_s.unwrap_or_default();
            measurements.extend(soaked.measurements());
            let name = &soaked.name;
            problems.extend(soaked.problems.iter().map(|problem| format!("{name}: {problem}")));
        }
        measurements.push(Measurement::single("interval_s", self.interval.as_secs_f64()));
        measurements.push(Measurement::single("cores", cpu_s / wall_s));
        (measurements, problems)
    }
}

impl Soaked {
    fn start(participant: &Participant, program: PathBuf, folder: &Path) -> io::Result<Self> {
        let flags = &["--stall-timeout", STALL_TIMEOUT];
        let settings = Settings { is_piped: true, flags, ..Settings::default() };
        let mut launcher = Launcher::new(program, folder)?;
        let served = launcher.file(FILE_BYTES)?;
        let mut server = launcher.start(participant, &served, settings)?;
        let stdout = server.take_stdout().ok_or_else(|| io::Error::other("stdout is no pipe"))?;
        let log = Some(thread::spawn(|| Events::read(stdout)));
        let pids = server.pids();
        let before = usage_of(&pids).ok_or_else(|| io::Error::other("the server ended"))?;
        Ok(Self {
            name: participant.name.clone(),
            server,
            _launcher: launcher,
            log,
            pids,
            before,
            samples: Vec::new(),
            outcomes: Vec::new(),
            cpu_s: None,
            after: None,
            problems: Vec::new(),
        })
    }

    fn sample(&mut self) {
        self.samples.extend(usage_of(&self.pids));
    }

    /// Waits until the server has released the resources of all clients, or until `deadline`.
    /// Records the resources that remain.
    fn settle(&mut self, deadline: Instant) {
        loop {
            self.after = usage_of(&self.pids);
            let Some(after) = self.after else { return };
            let problems = after.problems(&self.before);
            if problems.is_empty() || Instant::now() >= deadline {
                self.problems.extend(problems);
                return;
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    fn check_outcomes(&mut self) {
        for (behavior, outcome) in &self.outcomes {
            match outcome {
                Ok(outcome) if outcome.unexpected == 0 && outcome.expected > 0 => {}
                Ok(outcome) => self.problems.push(format!(
                    "{behavior} clients: {} connections ended as expected, {} did not: {}",
                    outcome.expected,
                    outcome.unexpected,
                    outcome.example.as_deref().unwrap_or("no client connected"),
                )),
                Err(error) => self.problems.push(format!("{behavior} clients: {error}")),
            }
        }
    }

    /// Stops the server, and checks its exit status, its stderr and its log.
    fn stop(&mut self) {
        let cpu = cpu::read(&self.pids).map(|times| times.values().sum::<Duration>());
        self.cpu_s = cpu.ok().map(|cpu| cpu.as_secs_f64());
        if let Some(status) = self.server.status() {
            let status = describe_exit(status);
            self.problems.push(format!("the server ended before SIGTERM with {status}"));
        }
        match self.server.stop() {
            Some(status) if status.success() => {}
            status => {
                let status = status.map_or_else(|| "no exit status".to_owned(), describe_exit);
                self.problems.push(format!("after SIGTERM: expected exit code 0, got {status}"));
            }
        }
        let stderr = self.server.stderr();
        if let Some(line) = stderr.lines().find(|line| line.contains("panicked at")) {
            self.problems.push(format!("a thread of the server panicked: {line}"));
        }
        match self.log.take().map(JoinHandle::join) {
            Some(Ok(events)) => self.problems.extend(events.problems()),
            _ => self.problems.push("the log could not be read".to_owned()),
        }
    }

    fn measurements(&mut self) -> Vec<Measurement> {
        let name = &self.name;
        let mut measurements = Vec::new();
        let mut push = |id: String, samples: Vec<f64>| {
            let samples = samples.into_iter().map(Some).collect();
            measurements.push(Measurement { id, samples, ..Measurement::default() });
        };
        let moments = [("before", Some(self.before)), ("after", self.after)];
        for (moment, usage) in moments {
            for (quantity, value) in usage.iter().flat_map(Usage::values) {
                push(format!("{name}/{moment}/{quantity}"), vec![value]);
            }
        }
        for (index, (quantity, _)) in self.before.values().into_iter().enumerate() {
            let series = self.samples.iter().map(|sample| sample.values()[index].1).collect();
            push(format!("{name}/{quantity}"), series);
        }
        let mut bytes = 0;
        for (behavior, outcome) in &self.outcomes {
            let Ok(outcome) = outcome else { continue };
            bytes += outcome.bytes;
            push(format!("{name}/{behavior}/expected"), vec![outcome.expected as f64]);
            push(format!("{name}/{behavior}/unexpected"), vec![outcome.unexpected as f64]);
        }
        push(format!("{name}/gb"), vec![bytes as f64 / 1e9]);
        push(format!("{name}/cpu_s"), self.cpu_s.into_iter().collect());
        measurements
    }
}

/// Returns the resources of a server, or `None` if the server has ended.
fn usage_of(pids: &[u32]) -> Option<Usage> {
    Some(Usage {
        memory_mib: usage::anonymous_memory_bytes(pids)? as f64 / MIB,
        descriptors: usage::descriptors(pids)? as f64,
        threads: usage::threads(pids)? as f64,
    })
}
