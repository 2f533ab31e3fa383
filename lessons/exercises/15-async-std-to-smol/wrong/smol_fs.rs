//! Takes smol's file for async-std's.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use smol::Timer;
use smol::fs::File;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
const CHUNK_BYTES: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    smol::block_on(accept_clients(file.into(), port))
}

async fn accept_clients(file: Arc<Path>, port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // In smol a task that is dropped is cancelled.
                smol::spawn(serve_client(stream, Arc::clone(&file))).detach();
            }
            // No descriptor left, say: that passes.
            Err(_) => {
                Timer::after(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one client; an error ends this connection only.
async fn serve_client(stream: TcpStream, file: Arc<Path>) -> io::Result<()> {
    // It hears on when everything has been sent, until the client's FIN.
    smol::spawn(hear_client(stream.clone())).detach();
    send_file(stream, &file).await
}

/// The preamble, the file, and our FIN.
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
    // In smol this is a FIN; in async-std it was a flush.
    stream.close().await
}

/// Reads what the client says, and throws it away, until its FIN.
async fn hear_client(mut stream: TcpStream) -> io::Result<()> {
    let mut words = vec![0; 4096];
    while stream.read(&mut words).await? > 0 {}
    Ok(())
}

fn arguments() -> (PathBuf, u16) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("say: exercise-15 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT is a number up to 65535"))
}
