//! The server of exercise 20, a threaded server that stops accepting clients after a few hours.
// Your turn: find out which resource the server does not release, and for which clients.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, thread};

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
const CHUNK_BYTES: usize = 64 * 1024;
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
const MAX_AGE: Duration = Duration::from_secs(3600);

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let file: Arc<Path> = file.into();
    let registry = Arc::new(Registry::default());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    println!("listening on {}", listener.local_addr()?);
    let sweeper = Arc::clone(&registry);
    thread::spawn(move || sweeper.disconnect_old());
    for id in 0.. {
        match listener.accept() {
            Ok((stream, _)) => {
                let (file, registry) = (Arc::clone(&file), Arc::clone(&registry));
                thread::spawn(move || handle_connection(id, &stream, &file, &registry));
            }
            // If no file descriptor is left, `accept` fails immediately, so wait a moment.
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
    Ok(())
}

/// The open connections, each with the time when the server accepted it.
#[derive(Default)]
struct Registry {
    connections: Mutex<HashMap<u64, (Instant, TcpStream)>>,
}

impl Registry {
    fn add(&self, id: u64, stream: &TcpStream) -> io::Result<()> {
        let connection = (Instant::now(), stream.try_clone()?);
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).insert(id, connection);
        Ok(())
    }

    fn remove(&self, id: u64) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Disconnects clients that have been connected for longer than `MAX_AGE`.
    fn disconnect_old(&self) {
        loop {
            thread::sleep(SWEEP_INTERVAL);
            let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            for (since, stream) in connections.values() {
                if since.elapsed() > MAX_AGE {
                    let _ = stream.shutdown(Shutdown::Both);
                }
            }
        }
    }
}

/// Serves one client. An error ends only the connection to this client.
fn handle_connection(
    id: u64,
    stream: &TcpStream,
    file: &Path,
    registry: &Registry,
) -> io::Result<()> {
    registry.add(id, stream)?;
    thread::scope(|scope| {
        scope.spawn(|| drain(stream));
        let sent = send_file(stream, file);
        if sent.is_err() {
            // Sending failed. Shut down both directions, so that the draining thread ends.
            let _ = stream.shutdown(Shutdown::Both);
        }
        sent
    })?;
    registry.remove(id);
    Ok(())
}

/// Sends the preamble, the file and the server's FIN.
fn send_file(mut stream: &TcpStream, file: &Path) -> io::Result<()> {
    stream.write_all(PREAMBLE)?;
    if let Ok(mut file) = File::open(file) {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let bytes = file.read(&mut chunk)?;
            if bytes == 0 {
                break;
            }
            stream.write_all(&chunk[..bytes])?;
        }
    }
    stream.shutdown(Shutdown::Write)
}

/// Reads and discards the client's data until the client's FIN arrives.
fn drain(mut stream: &TcpStream) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|bytes| bytes > 0) {}
}

fn arguments() -> (PathBuf, u16) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("usage: exercise-20 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT must be a number from 0 to 65535"))
}
