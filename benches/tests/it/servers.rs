//! Runs siblings in this process, and small servers whose behavior a test defines.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use harness::TempFolder;
use serve_core::{Approach, Config, EventLog, Server, bind};
use socket2::SockRef;

pub const BARE: &[u8] = b"HTTP/1.1\n\n";

/// A sibling that runs in this process until it is dropped.
pub struct Sibling {
    pub addr: SocketAddr,
    server: Arc<Server>,
    folder: TempFolder,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl Sibling {
    pub fn start(approach: &'static Approach, content: &[u8]) -> Self {
        let folder = TempFolder::new().unwrap();
        let path = folder.path().join("file.bin");
        fs::write(&path, content).unwrap();
        let mut config = Config::new(path);
        config.host = "127.0.0.1".to_owned();
        config.port = 0;
        let listener = bind(&config).unwrap();
        let addr = listener.local_addr().unwrap();
        let server = Arc::new(Server::new(config, EventLog::memory()));
        let serving = Arc::clone(&server);
        let running = thread::spawn(move || (approach.run)(listener, serving));
        Self { addr, server, folder, running: Some(running) }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("file.bin")
    }
}

impl Drop for Sibling {
    fn drop(&mut self) {
        self.server.shut_down();
        if let Some(running) = self.running.take() {
            let ended = running.join();
            assert!(
                thread::panicking() || matches!(ended, Ok(Ok(()))),
                "the server failed: {ended:?}"
            );
        }
    }
}

/// Starts a server that serves `clients` clients, one after another. The server calls `answer` for
/// each client, and stops listening after the last client.
pub fn scripted(
    clients: usize,
    mut answer: impl FnMut(usize, &TcpStream) + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for index in 0..clients {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            answer(index, &stream);
        }
    });
    addr
}

/// Sends `parts`, shuts down the write half, and drains. Without draining, the client might not
/// receive all bytes.
pub fn send_all(mut stream: &TcpStream, parts: &[&[u8]]) {
    for part in parts {
        if stream.write_all(part).is_err() {
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    let mut buffer = [0; 4096];
    while matches!(stream.read(&mut buffer), Ok(1..)) {}
}

/// Sends `part` and resets the connection.
pub fn send_and_reset(mut stream: &TcpStream, part: &[u8]) {
    stream.write_all(part).unwrap();
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}
