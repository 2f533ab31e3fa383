//! This answer is incorrect because `smol::fs::File` reads up to 8 MiB ahead for each client.

use std::net::{Ipv4Addr, Shutdown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use smol::fs::File;
use smol::future;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};
use smol::{Executor, Timer};

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
const CHUNK_BYTES: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let executor = Executor::new();
    // An executor runs tasks only while a thread polls the executor's `run` future.
    smol::block_on(executor.run(accept_loop(&executor, file.into(), port)))
}

async fn accept_loop(executor: &Executor<'_>, file: Arc<Path>, port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let file = Arc::clone(&file);
                let task = executor.spawn(async move { handle_connection(stream, &file).await });
                // Dropping a task cancels the task. A detached task continues to run.
                task.detach();
            }
            // If no file descriptor is left, `accept` fails immediately, so wait a moment.
            Err(_) => {
                Timer::after(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one client. An error ends only the connection to this client.
async fn handle_connection(stream: TcpStream, file: &Path) -> io::Result<()> {
    // The stream and its clone refer to one socket.
    future::try_zip(send_file(stream.clone(), file), drain(stream)).await?;
    Ok(())
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
    let mut next = || arguments.next().expect("usage: exercise-14 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT must be a number from 0 to 65535"))
}
