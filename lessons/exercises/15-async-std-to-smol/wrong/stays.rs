//! This answer is incorrect because the server still uses async-std, although it now sends the FIN.

use std::net::{Ipv4Addr, Shutdown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use async_std::fs::File;
use async_std::net::{TcpListener, TcpStream};
use async_std::task;
use futures_lite::{AsyncReadExt, AsyncWriteExt};

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
const CHUNK_BYTES: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    task::block_on(accept_loop(file.into(), port))
}

async fn accept_loop(file: Arc<Path>, port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                task::spawn(handle_connection(stream, Arc::clone(&file)));
            }
            // If no file descriptor is left, `accept` fails immediately, so wait a moment.
            Err(_) => task::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Serves one client. An error ends only the connection to this client.
async fn handle_connection(stream: TcpStream, file: Arc<Path>) -> io::Result<()> {
    // This task drains until the client's FIN arrives, even after the file has been sent.
    task::spawn(drain(stream.clone()));
    send_file(stream, &file).await
}

/// Sends the preamble, the file and the server's FIN.
async fn send_file(mut stream: TcpStream, file: &Path) -> io::Result<()> {
    stream.write_all(PREAMBLE).await?;
    if let Ok(mut file) = File::open(file).await {
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

fn arguments() -> (PathBuf, u16) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("usage: exercise-15 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT must be a number from 0 to 65535"))
}
