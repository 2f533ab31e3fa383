//! Asks until there is an answer.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fmt};

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
const CHUNK_BYTES: usize = 64 * 1024;
const LINGER: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    log(format_args!("listening on {}", listener.local_addr()?));
    accept_clients(listener, file.into()).await
}

async fn accept_clients(listener: TcpListener, file: Arc<Path>) -> io::Result<()> {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // No descriptor left, say: that passes.
                log(format_args!("accept: {error}"));
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let client = Client::new(stream)?;
        tokio::spawn(serve_client(client, Arc::clone(&file)));
    }
}

/// A connection, and whose it is.
struct Client {
    stream: TcpStream,
    peer: SocketAddr,
}

impl Client {
    fn new(stream: TcpStream) -> io::Result<Self> {
        let peer = loop {
            if let Ok(peer) = stream.peer_addr() {
                break peer;
            }
        };
        log(format_args!("{peer} connected"));
        Ok(Self { stream, peer })
    }
}

/// Serves one client; an error ends this connection only.
async fn serve_client(mut client: Client, file: Arc<Path>) {
    let (reader, writer) = client.stream.split();
    let mut hearing = pin!(hear_client(reader));
    let mut sending = pin!(send_file(writer, &file));
    let ended = tokio::select! {
        sent = &mut sending => match sent {
            // It may still have something to say, but not for ever.
            Ok(()) => timeout(LINGER, hearing).await.unwrap_or(Ok(())),
            broke => broke,
        },
        heard = &mut hearing => match heard {
            // It has said its last word, and wants the whole file.
            Ok(()) => sending.await,
            broke => broke,
        },
    };
    log(format_args!("{} disconnected: {ended:?}", client.peer));
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

/// A closed stdout is no reason to end; println! would panic.
fn log(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn arguments() -> (PathBuf, u16) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("say: exercise-19 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT is a number up to 65535"))
}
