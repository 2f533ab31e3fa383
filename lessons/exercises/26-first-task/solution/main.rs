//! A Tokio file server with one task per client.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, io};

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::time::sleep;

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
const CHUNK_BYTES: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let mut builder = Builder::new_multi_thread();
    // Two worker threads run all tasks. At most four threads run blocking file calls.
    builder.worker_threads(2).max_blocking_threads(4);
    let runtime = builder.enable_all().build()?;
    runtime.block_on(accept_loop(file, port))
}

async fn accept_loop(file: PathBuf, port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let file = file.clone();
                tokio::spawn(async move {
                    if let Err(error) = handle_connection(stream, &file).await {
                        eprintln!("{peer}: {error}");
                    }
                });
            }
            // If no file descriptor is left, `accept` fails immediately, so wait a moment.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Sends the preamble and the file to one client.
async fn handle_connection(mut stream: TcpStream, path: &Path) -> io::Result<()> {
    stream.write_all(PREAMBLE).await?;
    let mut file = File::open(path).await?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let bytes = file.read(&mut chunk).await?;
        if bytes == 0 {
            return Ok(());
        }
        stream.write_all(&chunk[..bytes]).await?;
    }
}

fn arguments() -> (PathBuf, u16) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("usage: exercise-26 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT must be a number from 0 to 65535"))
}
