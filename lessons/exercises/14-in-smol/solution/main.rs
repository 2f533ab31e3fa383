//! A file server in smol: a task for each client, in an executor that is our own.

use std::net::{Ipv4Addr, Shutdown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use smol::future;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};
use smol::{Executor, Timer, Unblock};

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
const CHUNK_BYTES: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let executor = Executor::new();
    // An executor runs its tasks while somebody waits for its `run`: here, until the server ends.
    smol::block_on(executor.run(accept_clients(&executor, file.into(), port)))
}

async fn accept_clients(executor: &Executor<'_>, file: Arc<Path>, port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let file = Arc::clone(&file);
                let task = executor.spawn(async move { serve_client(stream, &file).await });
                // A task that is dropped is cancelled; this one may go on without us.
                task.detach();
            }
            // No descriptor left, say: that passes.
            Err(_) => {
                Timer::after(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one client; an error ends this connection only.
async fn serve_client(stream: TcpStream, file: &Path) -> io::Result<()> {
    // Clones are the same socket.
    future::try_zip(send_file(stream.clone(), file), hear_client(stream)).await?;
    Ok(())
}

/// The preamble, the file, and our FIN.
async fn send_file(mut stream: TcpStream, file: &Path) -> io::Result<()> {
    stream.write_all(PREAMBLE).await?;
    let file = file.to_owned();
    if let Ok(file) = smol::unblock(|| std::fs::File::open(file)).await {
        // smol's own file is the same, with room for 8 MiB that were read ahead.
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

/// Reads what the client says, and throws it away, until its FIN.
async fn hear_client(mut stream: TcpStream) -> io::Result<()> {
    let mut words = vec![0; 4096];
    while stream.read(&mut words).await? > 0 {}
    Ok(())
}

fn arguments() -> (PathBuf, u16) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("say: exercise-14 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT is a number up to 65535"))
}
