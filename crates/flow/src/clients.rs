//! Runs the clients. Each client is a task, so that 1,000 clients do not need 1,000 threads.

mod connection;
mod notes;
mod preamble;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, bail};
use harness::cleanup;
use harness::port::unused_loopback;
use tokio::net::TcpSocket;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::connections::{Connections, Counters};
use crate::hub::Hub;
use crate::servers::Servers;
use crate::trace::{Client, Line, Settings};
use notes::Notes;

/// The maximum number of open clients per server.
pub const CLIENTS_MAX: usize = 1000;

/// The maximum number of bytes that a client uploads, and the maximum number of bytes that it reads
/// (2 GiB). A client that has read this number of bytes resets its connection. The served file is
/// shorter, but another server may send bytes without end.
pub const MAX_BYTES: u64 = 2 << 30;

/// The maximum size of a receive buffer, in bytes (64 MiB). The kernel usually sets a lower limit.
const MAX_RECEIVE_BUFFER: u64 = 64 << 20;

/// The segment size of a client with [`Settings::receive_buffer`], in bytes. Every network supports
/// this size (RFC 9293, 3.7.1). A segment of the loopback interface has up to 64 KiB, so that a small
/// receive buffer would have no space for it. In addition, the kernel would accept 3 MB for such a
/// client that does not read (Linux 6.18).
#[cfg(unix)]
const SMALL_SEGMENT_BYTES: u32 = 536;

/// The clients of all servers. Dropping the last clone does not end them.
#[derive(Clone)]
pub struct Clients(Arc<Shared>);

struct Shared {
    hub: Arc<Hub>,
    connections: Arc<Connections>,
    servers: Servers,
    runtime: Handle,
    /// The open clients by the numbers of their connections.
    open: Mutex<HashMap<u32, Open>>,
    notes: Notes,
}

/// An open client. Dropping this value closes the client's connection.
struct Open {
    server: usize,
    settings: Settings,
    /// Informs the task of a change of `settings.speed`.
    speed: watch::Sender<Option<u64>>,
}

impl Clients {
    /// Prepares to run clients, and raises the limit of open file descriptors.
    ///
    /// # Panics
    ///
    /// Panics if the calling thread does not belong to a Tokio runtime. The clients run on this
    /// runtime.
    #[must_use]
    pub fn new(hub: Arc<Hub>, connections: Arc<Connections>, servers: Servers) -> Self {
        cleanup::raise_descriptor_limit();
        let notes = Notes::new(Arc::clone(&hub));
        let (runtime, open) = (Handle::current(), Mutex::default());
        Self(Arc::new(Shared { hub, connections, servers, runtime, open, notes }))
    }

    /// Starts clients of a server, and returns the numbers of their connections. Does not wait
    /// until the clients are connected. If a client cannot connect, a [`Line::Note`] states the
    /// reason.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not run, if a setting is invalid, if the server would
    /// have more than [`CLIENTS_MAX`] open clients, or if no file descriptor is free. In
    /// these cases, no client starts.
    pub fn start(
        &self,
        server: usize,
        count: usize,
        settings: &Settings,
    ) -> anyhow::Result<Vec<u32>> {
        check(settings)?;
        let shared = &self.0;
        if server >= shared.servers.len() {
            bail!("there is no server with the index {server}");
        }
        let name = shared.name(server);
        let addr = shared.servers.addr(server).with_context(|| {
            format!(
                "the server `{name}` is not running\nhelp: start a scenario to restart the servers"
            )
        })?;
        let mut open = shared.lock();
        let open_count = open.values().filter(|client| client.server == server).count();
        if count > CLIENTS_MAX - open_count {
            bail!(
                "cannot start {count} clients: the maximum is {CLIENTS_MAX} per server, and \
                 {open_count} clients of `{name}` are open\nhelp: end some of the clients"
            );
        }
        let sockets: Result<Vec<_>, _> = (0..count).map(|_| socket(addr, settings)).collect();
        let sockets = sockets.context("cannot open the sockets of the clients")?;
        let mut tasks = Vec::with_capacity(count);
        for (socket, local) in sockets {
            let counters = Arc::new(Counters::default());
            let number = shared.connections.register(server, local, Arc::clone(&counters));
            let (sender, speed) = watch::channel(settings.speed);
            open.insert(number, Open { server, settings: settings.clone(), speed: sender });
            let clients = Arc::clone(shared);
            let task = Task { clients, number, server, local, is_connected: false };
            tasks.push((task, socket, speed, counters));
        }
        // A task locks the list when it ends.
        drop(open);
        let numbers = tasks.iter().map(|(task, ..)| task.number).collect();
        for (task, socket, speed, counters) in tasks {
            let settings = settings.clone();
            shared.runtime.spawn(task.run(socket, addr, settings, speed, counters));
        }
        Ok(numbers)
    }

    /// Changes the read rate of these clients, or of all clients. Ignores clients that have ended.
    /// Returns the number of changed clients.
    pub fn change(&self, connections: Option<&[u32]>, speed: Option<u64>) -> usize {
        let mut open = self.0.lock();
        let at_us = self.0.hub.now_us();
        let mut lines = Vec::new();
        for number in selected(&open, connections) {
            let Some(client) = open.get_mut(&number) else { continue };
            client.settings.speed = speed;
            client.speed.send_replace(speed);
            lines.push(client.line(at_us, number));
        }
        let count = lines.len();
        self.0.hub.push(lines);
        count
    }

    /// Closes the connections of these clients, or of all clients. Ignores clients that have ended.
    /// Returns the number of closed connections.
    pub fn end(&self, connections: Option<&[u32]>) -> usize {
        let mut open = self.0.lock();
        let numbers = selected(&open, connections);
        numbers.iter().filter_map(|number| open.remove(number)).count()
    }

    /// Returns the number of open clients of a server.
    #[must_use]
    pub fn open(&self, server: usize) -> usize {
        self.0.lock().values().filter(|client| client.server == server).count()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self, server: usize) -> &str {
        self.hub.header().servers.get(server).map_or("?", String::as_str)
    }
}

impl Open {
    fn line(&self, at_us: u64, connection: u32) -> Line {
        let settings = self.settings.clone();
        Line::Client(Client { at_us, server: self.server, connection, settings })
    }
}

/// The task of a client. Dropping it removes the client.
struct Task {
    clients: Arc<Shared>,
    number: u32,
    server: usize,
    local: SocketAddr,
    is_connected: bool,
}

impl Task {
    async fn run(
        mut self,
        socket: TcpSocket,
        addr: SocketAddr,
        settings: Settings,
        speed: watch::Receiver<Option<u64>>,
        counters: Arc<Counters>,
    ) {
        let end = ended(speed.clone());
        let work = async {
            let connected = socket.connect(addr).await;
            let stream = connected.map_err(|error| format!("cannot connect: {error}"))?;
            self.connected();
            let servers = &self.clients.servers;
            if servers.preamble_bytes(self.server).is_none() {
                let bytes = preamble::length(&stream).await;
                bytes.inspect(|&bytes| servers.set_preamble_bytes(self.server, bytes));
            }
            let limit = settings.reset_after.unwrap_or(MAX_BYTES).min(MAX_BYTES);
            connection::run(stream, &settings, limit, speed, &counters).await
        };
        let result = tokio::select! {
            result = work => result,
            () = end => Ok(()),
        };
        if let Err(failure) = result {
            let name = self.clients.name(self.server);
            self.clients.notes.push(&format!("client {} of `{name}`: {failure}", self.number));
        }
    }

    fn connected(&mut self) {
        self.is_connected = true;
        // While the lock is held, the settings cannot change, so the order of the lines is correct.
        let open = self.clients.lock();
        if let Some(client) = open.get(&self.number) {
            let hub = &self.clients.hub;
            hub.push([client.line(hub.now_us(), self.number)]);
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.clients.lock().remove(&self.number);
        if !self.is_connected {
            // The server's log and the kernel do not report the end of this connection.
            self.clients.connections.remove(self.server, self.local);
        }
    }
}

/// Waits until the client is removed from the list of open clients.
async fn ended(mut speed: watch::Receiver<Option<u64>>) {
    while speed.changed().await.is_ok() {}
}

fn selected(open: &HashMap<u32, Open>, connections: Option<&[u32]>) -> Vec<u32> {
    connections.map_or_else(|| open.keys().copied().collect(), <[u32]>::to_vec)
}

fn check(settings: &Settings) -> anyhow::Result<()> {
    if settings.upload > MAX_BYTES {
        bail!("expected an upload of at most {MAX_BYTES} bytes, got {}", settings.upload);
    }
    match settings.receive_buffer {
        Some(bytes) if bytes == 0 || bytes > MAX_RECEIVE_BUFFER => {
            bail!("expected a receive buffer of 1 to {MAX_RECEIVE_BUFFER} bytes, got {bytes}")
        }
        _ => Ok(()),
    }
}

/// Opens a socket and binds it, so that the connection is registered before the server accepts it.
/// Returns the socket and its address.
fn socket(addr: SocketAddr, settings: &Settings) -> std::io::Result<(TcpSocket, SocketAddr)> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(bytes) = settings.receive_buffer {
        // The size must be set before `connect`, because it determines the window scale.
        socket.set_recv_buffer_size(u32::try_from(bytes).unwrap_or(u32::MAX))?;
        #[cfg(unix)]
        socket2::SockRef::from(&socket).set_tcp_mss(SMALL_SEGMENT_BYTES)?;
    }
    socket.bind(SocketAddr::new(client_ip(addr.ip()), 0))?;
    let local = socket.local_addr()?;
    Ok((socket, local))
}

/// Returns the IP address of a client of a server on this machine. On Linux, each client has a
/// different address, because Linux stores metrics of earlier connections between two addresses.
/// For a non-reading client with a receive buffer of 4 KiB, Linux 6.18 accepts 0.1 MB at a new
/// address, but up to 1.4 MB at a known address.
fn client_ip(server: IpAddr) -> IpAddr {
    match server {
        IpAddr::V4(ip) if ip.is_loopback() && cfg!(target_os = "linux") => unused_loopback(),
        other => other,
    }
}
