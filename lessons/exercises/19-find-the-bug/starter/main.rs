//! The server of exercise 19, a Tokio server that exits every few days for an unknown reason.
// Your turn: find the line where an error on one connection ends the whole server.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fmt};

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
const CHUNK_BYTES: usize = 64 * 1024;
const LINGER: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    log(format_args!("listening on {}", listener.local_addr()?));
    if accept_loop(listener, file.into()).await.is_err() {
        log(format_args!("the server ends"));
    }
    Ok(())
}

async fn accept_loop(listener: TcpListener, file: Arc<Path>) -> io::Result<()> {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // If no file descriptor is left, `accept` fails immediately, so wait a moment.
                log(format_args!("cannot accept a client: {error}"));
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let connection = Connection::new(stream)?;
        tokio::spawn(handle_connection(connection, Arc::clone(&file)));
    }
}

/// A connection and the address of its client.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
}

impl Connection {
    fn new(stream: TcpStream) -> io::Result<Self> {
        let peer = stream.peer_addr()?;
        log(format_args!("{peer} connected"));
        Ok(Self { stream, peer })
    }
}

/// Serves one client. An error ends only the connection to this client.
async fn handle_connection(mut connection: Connection, file: Arc<Path>) {
    let (reader, writer) = connection.stream.split();
    let mut draining = pin!(drain(reader));
    let mut sending = pin!(send_file(writer, &file));
    let ended = tokio::select! {
        sent = &mut sending => match sent {
            // Drain until the client's FIN arrives or the linger timeout expires.
            Ok(()) => timeout(LINGER, draining).await.unwrap_or(Ok(())),
            Err(error) => Err(error),
        },
        drained = &mut draining => match drained {
            // The client half-closed the connection. Continue sending.
            Ok(()) => sending.await,
            Err(error) => Err(error),
        },
    };
    log(format_args!("{} disconnected: {ended:?}", connection.peer));
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

/// Prints a line. Unlike `println!`, this function does not panic if stdout is closed.
fn log(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn arguments() -> (PathBuf, u16) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("usage: exercise-19 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT must be a number from 0 to 65535"))
}
