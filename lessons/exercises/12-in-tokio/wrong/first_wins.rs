//! Takes the client's FIN for its goodbye.

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
    // Two threads for all clients, and at most four for files: no reactor watches a disk.
    builder.worker_threads(2).max_blocking_threads(4);
    let runtime = builder.enable_all().build()?;
    runtime.block_on(accept_clients(file.into(), port))
}

async fn accept_clients(file: Arc<Path>, port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let file = Arc::clone(&file);
                tokio::spawn(async move { serve_client(stream, &file).await });
            }
            // No descriptor left, say: that passes.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Serves one client; an error ends this connection only.
async fn serve_client(mut stream: TcpStream, file: &Path) -> io::Result<()> {
    let (reader, writer) = stream.split();
    tokio::select! {
        biased;
        sent = send_file(writer, file) => sent,
        heard = hear_client(reader) => heard,
    }
}

/// The preamble, the file, and our FIN.
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

/// Reads what the client says, and throws it away, until its FIN.
async fn hear_client(mut reader: ReadHalf<'_>) -> io::Result<()> {
    let mut words = vec![0; 4096];
    while reader.read(&mut words).await? > 0 {}
    Ok(())
}

fn arguments() -> (PathBuf, u16) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("say: exercise-12 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT is a number up to 65535"))
}
