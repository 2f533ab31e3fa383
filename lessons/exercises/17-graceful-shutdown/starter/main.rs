//! The server of exercise 17, a Tokio server that exits at a signal without completing its replies.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

#[allow(dead_code, reason = "your solution needs this module")]
#[path = "../signals.rs"]
mod signals;

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
const CHUNK_BYTES: usize = 64 * 1024;

#[tokio::main]
async fn main() -> io::Result<()> {
    let (file, port, grace) = arguments();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on {} (grace period {grace:?})", listener.local_addr()?);
    let mut connections = JoinSet::new();
    // Your turn: accept clients until Ctrl-C or `SIGTERM` arrives. Then give the connected clients
    // the grace period to finish, and return. At a second signal, return within one second. The
    // module `signals`, in the parent folder, receives the signals.
    accept_loop(&listener, file.into(), &mut connections).await;
    Ok(())
}

/// Accepts clients forever. Dropping this future does not affect open connections.
async fn accept_loop(listener: &TcpListener, file: Arc<Path>, connections: &mut JoinSet<()>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let file = Arc::clone(&file);
                connections.spawn(async move {
                    let _ = handle_connection(stream, &file).await;
                });
            }
            // If no file descriptor is left, `accept` fails immediately, so wait a moment.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
        // A `JoinSet` keeps each finished task until the program joins the task.
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one client. An error ends only the connection to this client.
async fn handle_connection(mut stream: TcpStream, file: &Path) -> io::Result<()> {
    let (reader, writer) = stream.split();
    tokio::try_join!(send_file(writer, file), drain(reader))?;
    Ok(())
}

/// Sends the preamble, the file and the server's FIN.
async fn send_file(mut writer: WriteHalf<'_>, file: &Path) -> io::Result<()> {
    writer.write_all(PREAMBLE).await?;
    if let Ok(mut file) = File::open(file).await {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let bytes = file.read(&mut chunk).await?;
            if bytes == 0 {
                break;
            }
            writer.write_all(&chunk[..bytes]).await?;
        }
    }
    writer.shutdown().await
}

/// Reads and discards the client's data until the client's FIN arrives.
async fn drain(mut reader: ReadHalf<'_>) -> io::Result<()> {
    let mut buffer = vec![0; 4096];
    while reader.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// Returns the file, the port and the grace period.
fn arguments() -> (PathBuf, u16, Duration) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("usage: exercise-17 FILE PORT GRACE_SECONDS");
    let (file, port, grace) = (next().into(), next(), next());
    let port = port.parse().expect("PORT must be a number from 0 to 65535");
    let grace = grace.parse().expect("GRACE_SECONDS must be a whole number");
    (file, port, Duration::from_secs(grace))
}
