//! Counts words instead of seconds.

use std::io::{self, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fmt};

use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::lock::Semaphore;
use smol::net::{TcpListener, TcpStream};
use smol::{Executor, Timer, Unblock, future};

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
const CHUNK_BYTES: usize = 64 * 1024;
const CLIENTS_MAX: usize = 1000;
/// How much who has the whole file may go on saying.
const WORDS_MAX: usize = 1000;

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let executor = Executor::new();
    smol::block_on(executor.run(accept_clients(&executor, file.into(), port)))
}

async fn accept_clients(executor: &Executor<'_>, file: Arc<Path>, port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    log(format_args!("listening on {}", listener.local_addr()?));
    let slots = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        let slot = slots.acquire_arc().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                let file = Arc::clone(&file);
                let serving = async move {
                    let ended = serve_client(stream, &file).await;
                    log(format_args!("{peer} disconnected: {ended:?}"));
                    drop(slot);
                };
                executor.spawn(serving).detach();
            }
            // No descriptor left, say: that passes.
            Err(error) => {
                log(format_args!("accept: {error}"));
                Timer::after(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one client; an error ends this connection only.
async fn serve_client(stream: TcpStream, file: &Path) -> io::Result<()> {
    let sending = send_file(stream.clone(), file);
    let hearing = async {
        hear_client(stream.clone()).await?;
        // It has said its last word, and wants the whole file.
        future::pending().await
    };
    future::or(sending, hearing).await?;
    hear_out(stream).await
}

/// The preamble, the file, and our FIN.
async fn send_file(mut stream: TcpStream, file: &Path) -> io::Result<()> {
    stream.write_all(PREAMBLE).await?;
    let file = file.to_owned();
    if let Ok(file) = smol::unblock(|| std::fs::File::open(file)).await {
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

/// Goes on hearing, so that no late word is answered by a reset, until its FIN or the limit.
async fn hear_out(mut stream: TcpStream) -> io::Result<()> {
    let mut words = vec![0; 4096];
    for _ in 0..WORDS_MAX {
        if stream.read(&mut words).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// A closed stdout is no reason to end; println! would panic.
fn log(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn arguments() -> (PathBuf, u16) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("say: exercise-21 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT is a number up to 65535"))
}
