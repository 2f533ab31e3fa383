//! The server of exercise 16, a Tokio server without a connection limit and without a stall
//! timeout.

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
    /// The stall timeout. The server resets a client that acknowledges no data for this long.
    stall: Duration,
    /// The maximum number of open connections. Further clients wait in the accept queue.
    connection_limit: usize,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let config = Arc::new(config());
    let listener = listen(config.port)?;
    println!(
        "listening on port {} (at most {} clients, stall timeout {:?})",
        config.port, config.connection_limit, config.stall
    );
    loop {
        // Your turn: allow at most `config.connection_limit` open connections.
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

/// Opens a listening socket. Accepted sockets inherit the options of the listening socket.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(BACKLOG)
}

/// Serves one client. An error ends only the connection to this client.
async fn handle_connection(mut stream: TcpStream, config: &Config) -> io::Result<()> {
    let (reader, writer) = stream.split();
    tokio::try_join!(send_file(writer, config), drain(reader))?;
    Ok(())
}

/// Sends the preamble, the file and the server's FIN.
async fn send_file(mut writer: WriteHalf<'_>, config: &Config) -> io::Result<()> {
    write_bytes(&mut writer, PREAMBLE).await?;
    if let Ok(mut file) = File::open(&config.file).await {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let bytes = file.read(&mut chunk).await?;
            if bytes == 0 {
                break;
            }
            write_bytes(&mut writer, &chunk[..bytes]).await?;
        }
    }
    writer.shutdown().await
}

async fn write_bytes(writer: &mut WriteHalf<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // Your turn: reset a client that acknowledges no data for the stall timeout.
        let sent = writer.write(bytes).await?;
        bytes = &bytes[sent..];
    }
    Ok(())
}

/// Reads and discards the client's data until the client's FIN arrives.
async fn drain(mut reader: ReadHalf<'_>) -> io::Result<()> {
    let mut buffer = vec![0; 4096];
    while reader.read(&mut buffer).await? > 0 {}
    Ok(())
}

fn config() -> Config {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("usage: exercise-16 FILE PORT STALL_SECONDS CLIENTS");
    Config {
        file: next().into(),
        port: next().parse().expect("PORT must be a number from 0 to 65535"),
        stall: Duration::from_secs(next().parse().expect("STALL_SECONDS must be a whole number")),
        connection_limit: next().parse().expect("CLIENTS must be a whole number"),
    }
}
