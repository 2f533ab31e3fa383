//! Runs scenarios: lists of clients and server options. Each scenario is an experiment of a lesson.

mod table;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use harness::Signal;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time;

use crate::clients::Clients;
use crate::hub::Hub;
use crate::servers::{Servers, Setup};
use crate::trace::{Line, Settings};

pub use table::{ALL, Action, Scenario, Step};

/// The maximum time that servers need to end after `SIGTERM`, which includes their grace period of
/// 5 s.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The interval at which a scenario checks whether all servers have ended.
const SHUTDOWN_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Runs at most one scenario at a time. All clones refer to the same scenario.
#[derive(Clone)]
pub struct Scenarios(Arc<Shared>);

struct Shared {
    hub: Arc<Hub>,
    clients: Clients,
    servers: Servers,
    runtime: Handle,
    task: Mutex<Option<JoinHandle<()>>>,
    /// The scenario that can start clients holds this lock.
    turn: tokio::sync::Mutex<()>,
}

impl Scenarios {
    /// Prepares to run scenarios.
    ///
    /// # Panics
    ///
    /// Panics if the calling thread does not belong to a Tokio runtime.
    #[must_use]
    pub fn new(hub: Arc<Hub>, clients: Clients, servers: Servers) -> Self {
        let (runtime, task) = (Handle::current(), Mutex::default());
        let turn = tokio::sync::Mutex::default();
        Self(Arc::new(Shared { hub, clients, servers, runtime, task, turn }))
    }

    /// Starts a scenario in the background. First ends the previous scenario and all clients, and
    /// restarts the servers if they do not run with the scenario's setup. An error of a later step
    /// becomes a [`Line::Note`].
    ///
    /// # Errors
    ///
    /// Returns an error if there is no scenario with this name.
    pub fn start(&self, name: &str) -> anyhow::Result<()> {
        self.replace(Some(by_name(name)?));
        Ok(())
    }

    /// Ends the scenario and all clients in the background.
    pub fn cancel(&self) {
        self.replace(None);
    }

    fn replace(&self, scenario: Option<&'static Scenario>) {
        let mut task = self.0.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(previous) = task.take() {
            previous.abort();
        }
        let shared = Arc::clone(&self.0);
        *task = Some(self.0.runtime.spawn(async move {
            // When this wait ends, no previous scenario can start clients.
            let _turn = shared.turn.lock().await;
            shared.clients.end(None);
            if let Some(scenario) = scenario {
                if let Err(error) = shared.run(scenario).await {
                    let name = scenario.name;
                    shared.note(format!("the scenario `{name}` failed: {error:#}"));
                }
            }
        }));
    }
}

impl Shared {
    async fn run(&self, scenario: &'static Scenario) -> anyhow::Result<()> {
        let setup = scenario.setup;
        self.with_servers(move |servers| servers.prepare(setup)).await?;
        let name = scenario.name.to_owned();
        self.hub.push([Line::Scenario { at_us: self.hub.now_us(), name }]);
        let started = time::Instant::now();
        for step in scenario.steps {
            time::sleep_until(started + step.at).await;
            match &step.action {
                Action::Start { count, settings } => self.start_clients(*count, settings)?,
                Action::ChangeSpeed(speed) => {
                    self.clients.change(None, *speed);
                }
                Action::ShutDown => self.shut_down(setup).await?,
            }
        }
        Ok(())
    }

    /// Starts clients of all servers that run.
    fn start_clients(&self, count: usize, settings: &Settings) -> anyhow::Result<()> {
        for server in 0..self.servers.len() {
            if self.servers.addr(server).is_some() {
                self.clients.start(server, count, settings)?;
            }
        }
        Ok(())
    }

    /// Sends `SIGTERM` to the servers, waits until they have ended, and restarts them.
    async fn shut_down(&self, setup: Setup) -> anyhow::Result<()> {
        self.servers.signal(Signal::Terminate);
        let deadline = Instant::now() + SHUTDOWN_TIMEOUT;
        let is_running = || (0..self.servers.len()).any(|it| self.servers.addr(it).is_some());
        while is_running() {
            if Instant::now() > deadline {
                self.note(format!(
                    "a server did not end within {} s after SIGTERM, and is killed",
                    SHUTDOWN_TIMEOUT.as_secs()
                ));
                break;
            }
            time::sleep(SHUTDOWN_POLL_INTERVAL).await;
        }
        self.with_servers(move |servers| servers.restart(setup)).await
    }

    /// Calls a function that may block until servers listen. If a new scenario cancels the task, the
    /// function continues.
    async fn with_servers(
        &self,
        act: impl FnOnce(&Servers) -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let servers = self.servers.clone();
        let result = self.runtime.spawn_blocking(move || act(&servers)).await;
        result.context("cannot restart the servers")?
    }

    fn note(&self, message: String) {
        self.hub.push([Line::Note { at_us: self.hub.now_us(), message }]);
    }
}

/// Returns the scenario with this name.
///
/// # Errors
///
/// Returns an error if there is no scenario with this name. The error contains all names.
pub fn by_name(name: &str) -> anyhow::Result<&'static Scenario> {
    let scenario = ALL.iter().find(|scenario| scenario.name == name);
    let Some(scenario) = scenario else {
        let names: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
        bail!("there is no scenario `{name}`\nhelp: use one of {}", names.join(", "));
    };
    Ok(scenario)
}
