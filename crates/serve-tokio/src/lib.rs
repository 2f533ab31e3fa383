//! The file server in Tokio: a task for each client, on a few threads.
//!
//! A task that waits costs a few hundred bytes, where a thread costs a stack. In return nothing in
//! it may block: Tokio's reactor says when a socket is ready, but no reactor says it of a file, so
//! opening and each reading of one is a trip to a pool of threads that may block.
//!
//! `cargo run -p serve-tokio`, then a browser at <http://localhost:4000/>.

// ANCHOR: imports
use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};

use serve_core::{Approach, Client, DRAIN_BYTES, Reply, Server};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::runtime::Builder;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
// ANCHOR_END: imports

/// What the kit needs to know of this sibling.
pub const APPROACH: Approach = Approach {
    name: "tokio",
    summary: "In Tokio: a task for each client, on a few threads.",
    has_workers: true,
    max_connections: 10_000,
    run,
};

// ANCHOR: run
/// Serves until the server is shut down; see [`Approach::run`].
///
/// # Errors
///
/// When the runtime cannot be built: no descriptor or no thread for it.
pub fn run(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(server.config.workers).enable_all().build()?;
    runtime.block_on(async {
        let mut clients = JoinSet::new();
        tokio::select! {
            broke = accept_clients(listener, &server, &mut clients) => broke?,
            () = server.shutdown.requested() => {}
        }
        let all_ended = async { while clients.join_next().await.is_some() {} };
        let _ = timeout(server.config.grace, all_ended).await;
        // Who is still there is cut off: an aborted task drops its socket, then its client.
        clients.shutdown().await;
        Ok(())
    })
}
// ANCHOR_END: run

// ANCHOR: accept
async fn accept_clients(
    listener: TcpListener,
    server: &Arc<Server>,
    clients: &mut JoinSet<()>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let slot = server.slot().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                clients.spawn(serve_client(slot.connected(peer), stream));
            }
            Err(error) => {
                if let Some(pause) = server.accept_failed(&error) {
                    sleep(pause).await;
                }
            }
        }
        // The set remembers those who ended until it is asked.
        while clients.try_join_next().is_some() {}
    }
}
// ANCHOR_END: accept

// ANCHOR: serve
async fn serve_client(client: Client, mut stream: TcpStream) {
    let ended = {
        let (reader, mut writer) = stream.split();
        let mut draining = pin!(drain_client(&client, reader));
        let mut sending = pin!(async {
            send_file(&client, &mut writer).await?;
            writer.shutdown().await
        });
        tokio::select! {
            biased;
            sent = &mut sending => match sent {
                Ok(()) => {
                    let linger = client.server().config.linger_timeout;
                    timeout(linger, draining).await.unwrap_or_else(|_| client.let_go())
                }
                broke => broke,
            },
            // The client has said its last word; it still gets the whole file.
            heard = &mut draining => match heard {
                Ok(()) => sending.await,
                broke => broke,
            },
        }
    };
    client.ended(ended, &stream);
}
// ANCHOR_END: serve

// ANCHOR: send
async fn send_file(client: &Client, writer: &mut WriteHalf<'_>) -> io::Result<()> {
    let server = Arc::clone(client.server());
    let reply = spawn_blocking(move || Reply::open(&server.config)).await?;
    send_bytes(client, writer, &reply.preamble).await?;
    let body = match reply.body {
        Ok(body) => body,
        Err(error) => {
            client.file_failed(&error);
            return Ok(());
        }
    };
    let config = &client.server().config;
    let (file_bytes, chunks) = (body.bytes, body.chunks(config));
    let mut buffer = vec![0; body.buffer_bytes(config)];
    let mut file = File::from_std(body.file);
    file.set_max_buf_size(buffer.len());
    for chunk_bytes in chunks {
        let chunk = &mut buffer[..chunk_bytes];
        file.read_exact(chunk).await?;
        let started = client.chunk_started();
        send_bytes(client, writer, chunk).await?;
        client.chunk_sent(chunk_bytes, started);
    }
    client.file_ended(file_bytes);
    Ok(())
}

/// `write_all`, but what the kernel took is counted even if the rest fails, and whoever takes
/// nothing for too long is given up.
async fn send_bytes(
    client: &Client,
    writer: &mut WriteHalf<'_>,
    mut bytes: &[u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        match timeout(client.patience(), writer.write(bytes)).await {
            Ok(written) => {
                let written = written?;
                client.sent(written);
                bytes = &bytes[written..];
            }
            Err(_) => client.check_progress(writer.as_ref())?,
        }
    }
    Ok(())
}
// ANCHOR_END: send

// ANCHOR: drain
async fn drain_client(client: &Client, mut reader: ReadHalf<'_>) -> io::Result<()> {
    loop {
        let heard = poll_fn(|context| {
            // In here the buffer is on the stack; across an await it would be in every task.
            let mut buffer = [0; DRAIN_BYTES];
            let mut buffer = ReadBuf::new(&mut buffer);
            ready!(Pin::new(&mut reader).poll_read(context, &mut buffer))?;
            client.received(buffer.filled());
            Poll::Ready(io::Result::Ok(buffer.filled().len()))
        });
        if heard.await? == 0 {
            return Ok(());
        }
    }
}
// ANCHOR_END: drain
