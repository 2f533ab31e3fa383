//! Exercise 16: a server in Tokio that waits for anybody, however long, however many.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::sleep;

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
    loop {
        // Your turn: at most `config.cap` clients at once.
        match listener.accept().await {
            Ok((stream, _)) => {
                let config = Arc::clone(&config);
                tokio::spawn(async move { serve_client(stream, &config).await });
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
    tokio::try_join!(send_file(writer, config), hear_client(reader))?;
    Ok(())
}

/// The preamble, the file, and our FIN.
async fn send_file(mut writer: WriteHalf<'_>, config: &Config) -> io::Result<()> {
    send_all(&mut writer, PREAMBLE).await?;
    if let Ok(mut file) = File::open(&config.file).await {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let bytes = file.read(&mut chunk).await?;
            if bytes == 0 {
                break;
            }
            send_all(&mut writer, &chunk[..bytes]).await?;
        }
    }
    writer.shutdown().await
}

async fn send_all(writer: &mut WriteHalf<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // Your turn: a client that takes nothing for `config.stall` is cut off, by a reset.
        let sent = writer.write(bytes).await?;
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
