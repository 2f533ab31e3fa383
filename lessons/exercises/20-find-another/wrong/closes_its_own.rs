//! Drops its own stream at an error; the registry has another.

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
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const AGE_MAX: Duration = Duration::from_secs(3600);

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let file: Arc<Path> = file.into();
    let registry = Arc::new(Registry::default());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    println!("listening on {}", listener.local_addr()?);
    let looking = Arc::clone(&registry);
    thread::spawn(move || looking.cut_off_the_old());
    for id in 0.. {
        match listener.accept() {
            Ok((stream, _)) => {
                let (file, registry) = (Arc::clone(&file), Arc::clone(&registry));
                thread::spawn(move || serve_client(id, stream, &file, &registry));
            }
            // No descriptor left, say: that passes.
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
    Ok(())
}

/// Who is here, and since when.
#[derive(Default)]
struct Registry {
    clients: Mutex<HashMap<u64, (Instant, TcpStream)>>,
}

impl Registry {
    fn enter(&self, id: u64, stream: &TcpStream) -> io::Result<()> {
        let client = (Instant::now(), stream.try_clone()?);
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).insert(id, client);
        Ok(())
    }

    fn leave(&self, id: u64) {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Nobody needs an hour; whoever does is cut off.
    fn cut_off_the_old(&self) {
        loop {
            thread::sleep(LOOK_INTERVAL);
            let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            for (since, stream) in clients.values() {
                if since.elapsed() > AGE_MAX {
                    let _ = stream.shutdown(Shutdown::Both);
                }
            }
        }
    }
}

/// Serves one client; an error ends this connection only.
fn serve_client(id: u64, stream: TcpStream, file: &Path, registry: &Registry) -> io::Result<()> {
    registry.enter(id, &stream)?;
    let sent = thread::scope(|scope| {
        scope.spawn(|| hear_client(&stream));
        let sent = send_file(&stream, file);
        if sent.is_err() {
            // Nobody has to be heard any more.
            let _ = stream.shutdown(Shutdown::Both);
        }
        sent
    });
    if sent.is_err() {
        drop(stream);
        return sent;
    }
    registry.leave(id);
    sent
}

/// The preamble, the file, and our FIN.
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

/// Reads what the client says, and throws it away, until its FIN.
fn hear_client(mut stream: &TcpStream) {
    let mut words = [0; 4096];
    while stream.read(&mut words).is_ok_and(|bytes| bytes > 0) {}
}

fn arguments() -> (PathBuf, u16) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("say: exercise-20 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT is a number up to 65535"))
}
