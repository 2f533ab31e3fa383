//! The server of exercise 12, an incomplete port of a threaded server to Tokio.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::time::sleep;

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
const CHUNK_BYTES: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let mut builder = Builder::new_multi_thread();
    // Two worker threads serve all clients. At most four threads run blocking file calls.
    builder.worker_threads(2).max_blocking_threads(4);
    let runtime = builder.enable_all().build()?;
    runtime.block_on(accept_loop(file.into(), port))
}

async fn accept_loop(file: Arc<Path>, port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Your turn: start one task per client with Tokio's counterpart to `thread::spawn`.
                let _ = handle_connection(stream, &file).await;
            }
            // If no file descriptor is left, `accept` fails immediately, so wait a moment.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Serves one client. An error ends only the connection to this client.
async fn handle_connection(mut stream: TcpStream, file: &Path) -> io::Result<()> {
    let (reader, writer) = stream.split();
    // Your turn: send and drain concurrently, in one task instead of two threads.
    send_file(writer, file).await?;
    drain(reader).await
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

fn arguments() -> (PathBuf, u16) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("usage: exercise-12 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT must be a number from 0 to 65535"))
}
