//! This answer is incorrect because the server applies the stall timeout to reads, too, and
//! therefore resets silent clients.

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
const SEND_BUFFER_BYTES: u32 = 16 * 1024;

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
    let permits = Arc::new(Semaphore::new(config.connection_limit));
    loop {
        // Acquire the permit before `accept`, so that further clients wait in the accept queue.
        let permit =
            Arc::clone(&permits).acquire_owned().await.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    let ended = handle_connection(stream, &config).await;
                    drop(permit);
                    ended
                });
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
    // The kernel reports a socket as writable when about a third of the send buffer is free. With a
    // small send buffer, the server notices the progress of a slow client sooner.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(BACKLOG)
}

/// Serves one client. An error ends only the connection to this client.
async fn handle_connection(mut stream: TcpStream, config: &Config) -> io::Result<()> {
    let (reader, writer) = stream.split();
    let ended = tokio::try_join!(send_file(writer, config), drain(reader, config.stall));
    if ended.as_ref().is_err_and(|error| error.kind() == ErrorKind::TimedOut) {
        // With a linger time of zero, the close discards the unsent data and sends a reset.
        stream.set_zero_linger()?;
    }
    ended.map(|_| ())
}

/// Sends the preamble, the file and the server's FIN.
async fn send_file(mut writer: WriteHalf<'_>, config: &Config) -> io::Result<()> {
    write_bytes(&mut writer, PREAMBLE, config.stall).await?;
    if let Ok(mut file) = File::open(&config.file).await {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let bytes = file.read(&mut chunk).await?;
            if bytes == 0 {
                break;
            }
            write_bytes(&mut writer, &chunk[..bytes], config.stall).await?;
        }
    }
    writer.shutdown().await
}

/// Writes all bytes. Fails if one write takes longer than the stall timeout.
async fn write_bytes(
    writer: &mut WriteHalf<'_>,
    mut bytes: &[u8],
    stall: Duration,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = timeout(stall, writer.write(bytes)).await??;
        bytes = &bytes[sent..];
    }
    Ok(())
}

/// Reads and discards the client's data until the client's FIN arrives.
async fn drain(mut reader: ReadHalf<'_>, stall: Duration) -> io::Result<()> {
    let mut buffer = vec![0; 4096];
    while timeout(stall, reader.read(&mut buffer)).await?? > 0 {}
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
