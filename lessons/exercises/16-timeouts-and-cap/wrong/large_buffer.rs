//! A time limit around a write into a large buffer.

use std::env;
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
const CHUNK_BYTES: usize = 64 * 1024;
const BACKLOG: u32 = 1024;

struct Config {
    file: PathBuf,
    port: u16,
    /// Who takes nothing for so long is cut off.
    stall: Duration,
    /// So many clients at once; who comes beyond waits in the backlog.
    cap: usize,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let config = Arc::new(config());
    let listener = listen(config.port)?;
    println!("listening on port {}: {} clients, {:?}", config.port, config.cap, config.stall);
    let slots = Arc::new(Semaphore::new(config.cap));
    loop {
        // Before accept: who finds no slot waits in the kernel's backlog, and costs us nothing.
        let slot = Arc::clone(&slots).acquire_owned().await.expect("nobody closes it");
        match listener.accept().await {
            Ok((stream, _)) => {
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    let ended = serve_client(stream, &config).await;
                    drop(slot);
                    ended
                });
            }
            // No descriptor left, say: that passes.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// What is set on a listening socket, those that it accepts inherit.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(BACKLOG)
}

/// Serves one client; an error ends this connection only.
async fn serve_client(mut stream: TcpStream, config: &Config) -> io::Result<()> {
    let (reader, writer) = stream.split();
    let ended = tokio::try_join!(send_file(writer, config), hear_client(reader));
    if ended.as_ref().is_err_and(|error| error.kind() == ErrorKind::TimedOut) {
        // What is unsent is thrown away, and the client gets a reset.
        stream.set_zero_linger()?;
    }
    ended.map(|_| ())
}

/// The preamble, the file, and our FIN.
async fn send_file(mut writer: WriteHalf<'_>, config: &Config) -> io::Result<()> {
    send_all(&mut writer, PREAMBLE, config.stall).await?;
    if let Ok(mut file) = File::open(&config.file).await {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let bytes = file.read(&mut chunk).await?;
            if bytes == 0 {
                break;
            }
            send_all(&mut writer, &chunk[..bytes], config.stall).await?;
        }
    }
    writer.shutdown().await
}

/// `write_all`, but a part of it has to be taken within the stall timeout.
async fn send_all(writer: &mut WriteHalf<'_>, mut bytes: &[u8], stall: Duration) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = timeout(stall, writer.write(bytes)).await??;
        bytes = &bytes[sent..];
    }
    Ok(())
}

/// Reads what the client says, and throws it away, until its FIN.
async fn hear_client(mut reader: ReadHalf<'_>) -> io::Result<()> {
    let mut words = vec![0; 4096];
    while reader.read(&mut words).await? > 0 {}
    Ok(())
}

fn config() -> Config {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("say: exercise-16 FILE PORT STALL_SECONDS CLIENTS");
    Config {
        file: next().into(),
        port: next().parse().expect("PORT is a number up to 65535"),
        stall: Duration::from_secs(next().parse().expect("STALL_SECONDS is a whole number")),
        cap: next().parse().expect("CLIENTS is a number"),
    }
}
