//! Starts everything that a live view or a recording needs.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use anyhow::Context;

use crate::clients::Clients;
use crate::connections::Connections;
use crate::hub::Hub;
use crate::sampler;
use crate::scenarios::Scenarios;
use crate::servers::{Options, Servers, names};
use crate::trace::{Header, VERSION};

/// The running servers and their clients, which the sampler observes.
pub struct Session {
    /// The lines of the trace.
    pub hub: Arc<Hub>,
    /// The servers. Dropping the last clone stops them.
    pub servers: Servers,
    /// The clients.
    pub clients: Clients,
    /// The scenarios, which start clients.
    pub scenarios: Scenarios,
    /// Dropping this sender stops the sampler.
    _sampler: Sender<()>,
}

impl Session {
    /// Starts the servers and the sampler. The calling thread must belong to a Tokio runtime.
    ///
    /// # Errors
    ///
    /// Fails if a server does not listen within 10 s.
    pub fn start(options: Options) -> anyhow::Result<Self> {
        let hub = Arc::new(Hub::new(Header {
            flow_trace: VERSION,
            system: std::env::consts::OS.to_owned(),
            file_bytes: options.file_bytes,
            servers: names(&options.servers),
        }));
        let connections = Arc::new(Connections::default());
        let servers = Servers::start(Arc::clone(&hub), Arc::clone(&connections), options)?;
        let clients = Clients::new(Arc::clone(&hub), Arc::clone(&connections), servers.clone());
        let scenarios = Scenarios::new(Arc::clone(&hub), clients.clone(), servers.clone());
        let (sampler, stop) = mpsc::channel();
        let (sampled, lines) = (servers.clone(), Arc::clone(&hub));
        thread::Builder::new()
            .name("sampler".to_owned())
            .spawn(move || sampler::run(&lines, connections, &sampled, &stop))
            .context("cannot start a thread")?;
        Ok(Self { hub, servers, clients, scenarios, _sampler: sampler })
    }
}
