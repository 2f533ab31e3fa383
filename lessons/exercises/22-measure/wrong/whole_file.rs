//! This answer is incorrect because the server keeps the whole file in memory until it has sent the
//! file.

use std::env;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";

struct Config {
    file: PathBuf,
    port: u16,
    /// The number of bytes per write.
    chunk_bytes: usize,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> io::Result<()> {
    let config = Arc::new(config());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let config = Arc::clone(&config);
                tokio::spawn(async move { handle_connection(stream, &config).await });
            }
            // If no file descriptor is left, `accept` fails immediately, so wait a moment.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Serves one client. An error ends only the connection to this client.
async fn handle_connection(mut stream: TcpStream, config: &Config) -> io::Result<()> {
    let (reader, writer) = stream.split();
    tokio::try_join!(send_file(writer, config), drain(reader))?;
    Ok(())
}

/// Sends the preamble, the file and the server's FIN.
async fn send_file(mut writer: WriteHalf<'_>, config: &Config) -> io::Result<()> {
    writer.write_all(PREAMBLE).await?;
    if let Ok(bytes) = tokio::fs::read(&config.file).await {
        for chunk in bytes.chunks(config.chunk_bytes) {
            writer.write_all(chunk).await?;
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

fn config() -> Config {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("usage: exercise-22 FILE PORT CHUNK_BYTES");
    Config {
        file: next().into(),
        port: next().parse().expect("PORT must be a number from 0 to 65535"),
        chunk_bytes: next().parse().expect("CHUNK_BYTES must be a whole number"),
    }
}
