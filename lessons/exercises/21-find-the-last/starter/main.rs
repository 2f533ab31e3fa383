//! The server of exercise 21, a smol server in which some connections stay open despite a limit.
// Your turn: find out which limit has no effect, and for which clients.

use std::io::{self, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fmt};

use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::lock::Semaphore;
use smol::net::{TcpListener, TcpStream};
use smol::{Executor, Timer, Unblock, future};

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
const CHUNK_BYTES: usize = 64 * 1024;
const CONNECTION_LIMIT: usize = 1000;

fn main() -> io::Result<()> {
    let (file, port, timeout) = arguments();
    let executor = Executor::new();
    smol::block_on(executor.run(accept_loop(&executor, file.into(), port, timeout)))
}

/// Accepts clients. `timeout` is the linger timeout, which limits how long the server drains after
/// sending the file.
async fn accept_loop(
    executor: &Executor<'_>,
    file: Arc<Path>,
    port: u16,
    timeout: Duration,
) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    log(format_args!("listening on {}", listener.local_addr()?));
    let permits = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    loop {
        let permit = permits.acquire_arc().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                let file = Arc::clone(&file);
                let serving = async move {
                    let ended = handle_connection(stream, &file, timeout).await;
                    log(format_args!("{peer} disconnected: {ended:?}"));
                    drop(permit);
                };
                executor.spawn(serving).detach();
            }
            // If no file descriptor is left, `accept` fails immediately, so wait a moment.
            Err(error) => {
                log(format_args!("cannot accept a client: {error}"));
                Timer::after(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one client. An error ends only the connection to this client.
async fn handle_connection(stream: TcpStream, file: &Path, timeout: Duration) -> io::Result<()> {
    let sending = send_file(stream.clone(), file);
    let draining = async {
        drain(stream.clone()).await?;
        // The client half-closed the connection. Continue sending.
        future::pending().await
    };
    future::or(sending, draining).await?;
    linger(stream, timeout).await
}

/// Sends the preamble, the file and the server's FIN.
async fn send_file(mut stream: TcpStream, file: &Path) -> io::Result<()> {
    stream.write_all(PREAMBLE).await?;
    let file = file.to_owned();
    if let Ok(file) = smol::unblock(|| std::fs::File::open(file)).await {
        let mut file = Unblock::with_capacity(CHUNK_BYTES, file);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let bytes = file.read(&mut chunk).await?;
            if bytes == 0 {
                break;
            }
            stream.write_all(&chunk[..bytes]).await?;
        }
    }
    stream.shutdown(Shutdown::Write)
}

/// Reads and discards the client's data until the client's FIN arrives.
async fn drain(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 4096];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// Drains until the client's FIN arrives or the linger timeout expires. Without this drain, unread
/// data would cause a reset.
async fn linger(mut stream: TcpStream, timeout: Duration) -> io::Result<()> {
    let mut buffer = vec![0; 4096];
    loop {
        let limit = async {
            Timer::after(timeout).await;
            Ok(0)
        };
        let bytes = future::or(limit, stream.read(&mut buffer)).await?;
        if bytes == 0 {
            return Ok(());
        }
    }
}

/// Prints a line. Unlike `println!`, this function does not panic if stdout is closed.
fn log(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Returns the file, the port and the linger timeout.
fn arguments() -> (PathBuf, u16, Duration) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("usage: exercise-21 FILE PORT LINGER_SECONDS");
    let (file, port, timeout) = (next().into(), next(), next());
    let port = port.parse().expect("PORT must be a number from 0 to 65535");
    let timeout = timeout.parse().expect("LINGER_SECONDS must be a whole number");
    (file, port, Duration::from_secs(timeout))
}
