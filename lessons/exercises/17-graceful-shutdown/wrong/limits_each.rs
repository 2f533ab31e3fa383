//! Limits the wait for each client, not the wait for all.

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
use tokio::time::{sleep, timeout};

#[path = "../signals.rs"]
mod signals;

use signals::Signals;

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
const CHUNK_BYTES: usize = 64 * 1024;
const GRACE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on {}", listener.local_addr()?);
    let mut signals = Signals::new()?;
    let mut clients = JoinSet::new();
    tokio::select! {
        () = accept_clients(&listener, file.into(), &mut clients) => {}
        () = signals.next() => {}
    }
    drop(listener);
    let all_ended = async { while let Ok(Some(_)) = timeout(GRACE, clients.join_next()).await {} };
    tokio::select! {
        () = all_ended => {}
        () = signals.next() => {}
    }
    Ok(())
}

/// Accepts for ever. Dropping this future stops it, and leaves the clients alone.
async fn accept_clients(listener: &TcpListener, file: Arc<Path>, clients: &mut JoinSet<()>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let file = Arc::clone(&file);
                clients.spawn(async move {
                    let _ = serve_client(stream, &file).await;
                });
            }
            // No descriptor left, say: that passes.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
        // The set remembers those who have ended until it is asked.
        while clients.try_join_next().is_some() {}
    }
}

/// Serves one client; an error ends this connection only.
async fn serve_client(mut stream: TcpStream, file: &Path) -> io::Result<()> {
    let (reader, writer) = stream.split();
    tokio::try_join!(send_file(writer, file), hear_client(reader))?;
    Ok(())
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
    let mut next = || arguments.next().expect("say: exercise-17 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT is a number up to 65535"))
}
