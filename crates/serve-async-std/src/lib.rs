//! The file server in async-std: a task for each client, on a few threads.
//!
//! async-std gave async Rust the shape of std; its authors ended it in 2025 and point to smol
//! (RUSTSEC-2025-0052). This sibling is kept as history: much code still reads like this. Its one
//! executor belongs to the whole process and cannot be dropped, so cutting clients off takes a
//! channel; and a task that always finds work must yield by itself.
//!
//! `cargo run -p serve-async-std`, then a browser at <http://localhost:4000/>.

// ANCHOR: imports
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, TcpListener};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};

use async_global_executor::GlobalExecutorConfig;
use async_std::channel::{self, Receiver};
use async_std::fs::File;
use async_std::future::timeout;
use async_std::io::{Read, ReadExt, WriteExt};
use async_std::net::TcpStream;
use async_std::task::{self, sleep, spawn_blocking, yield_now};
use futures_lite::future::or;
use serve_core::{Approach, Client, DRAIN_BYTES, Reply, Server};
// ANCHOR_END: imports

/// What the kit needs to know of this sibling.
pub const APPROACH: Approach = Approach {
    name: "async-std",
    summary: "In async-std, kept as history: a task for each client, on a few threads.",
    has_workers: true,
    max_connections: 10_000,
    run,
};

// ANCHOR: run
/// Serves until the server is shut down; see [`Approach::run`]. The executor is the process's:
/// the first server in it decides the number of its threads.
///
/// # Errors
///
/// When the listener cannot be asked for readiness.
pub fn run(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    let workers = server.config.workers;
    let config = GlobalExecutorConfig::default().with_min_threads(workers);
    async_global_executor::init_with_config(config.with_max_threads(workers));
    task::block_on(async {
        // Nothing is ever sent: that `cut` is dropped is the message.
        let (cut, cut_off) = channel::bounded(1);
        let shutdown = async {
            server.shutdown.requested().await;
            Ok(())
        };
        or(accept_clients(listener, &server, cut_off), shutdown).await?;
        let _ = timeout(server.config.grace, server.idle()).await;
        // Who is still there is cut off: its task drops its socket, then its client.
        drop(cut);
        server.idle().await;
        Ok(())
    })
}
// ANCHOR_END: run

// ANCHOR: accept
async fn accept_clients(
    listener: TcpListener,
    server: &Arc<Server>,
    cut_off: Receiver<Infallible>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = async_std::net::TcpListener::from(listener);
    loop {
        let slot = server.slot().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                let cut_off = cut_off.clone();
                let cut = async move { _ = cut_off.recv().await };
                task::spawn(or(serve_client(slot.connected(peer), stream), cut));
            }
            Err(error) => {
                if let Some(pause) = server.accept_failed(&error) {
                    sleep(pause).await;
                }
            }
        }
    }
}
// ANCHOR_END: accept

// ANCHOR: serve
async fn serve_client(client: Client, stream: TcpStream) {
    enum Ended {
        Sending(io::Result<()>),
        Draining(io::Result<()>),
    }
    let ended = {
        let mut draining = pin!(drain_client(&client, &stream));
        let mut sending = pin!(async {
            send_file(&client, &stream).await?;
            stream.shutdown(Shutdown::Write)
        });
        let sent = async { Ended::Sending(sending.as_mut().await) };
        let heard = async { Ended::Draining(draining.as_mut().await) };
        match or(sent, heard).await {
            Ended::Sending(Ok(())) => {
                let linger = client.server().config.linger_timeout;
                timeout(linger, draining).await.unwrap_or_else(|_| client.let_go())
            }
            // The client has said its last word; it still gets the whole file.
            Ended::Draining(Ok(())) => sending.await,
            Ended::Sending(broke) | Ended::Draining(broke) => broke,
        }
    };
    client.ended(ended, &stream);
}
// ANCHOR_END: serve

// ANCHOR: send
async fn send_file(client: &Client, stream: &TcpStream) -> io::Result<()> {
    let server = Arc::clone(client.server());
    let reply = spawn_blocking(move || Reply::open(&server.config)).await;
    send_bytes(client, stream, &reply.preamble).await?;
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
    let mut file = File::from(body.file);
    for chunk_bytes in chunks {
        let chunk = &mut buffer[..chunk_bytes];
        file.read_exact(chunk).await?;
        let started = client.chunk_started();
        send_bytes(client, stream, chunk).await?;
        client.chunk_sent(chunk_bytes, started);
    }
    client.file_ended(file_bytes);
    Ok(())
}

/// `write_all`, but what the kernel took is counted even if the rest fails, and whoever takes
/// nothing for too long is given up.
async fn send_bytes(client: &Client, mut stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match timeout(client.patience(), stream.write(bytes)).await {
            Ok(written) => {
                let written = written?;
                client.sent(written);
                bytes = &bytes[written..];
            }
            Err(_) => client.check_progress(stream)?,
        }
    }
    Ok(())
}
// ANCHOR_END: send

// ANCHOR: drain
async fn drain_client(client: &Client, mut reader: &TcpStream) -> io::Result<()> {
    loop {
        let heard = poll_fn(|context| {
            // In here the buffer is on the stack; across an await it would be in every task.
            let mut buffer = [0; DRAIN_BYTES];
            let read = ready!(Pin::new(&mut reader).poll_read(context, &mut buffer))?;
            client.received(&buffer[..read]);
            Poll::Ready(io::Result::Ok(read))
        });
        if heard.await? == 0 {
            return Ok(());
        }
        // A flooder always has more to say: let the sending and the other clients have a turn.
        yield_now().await;
    }
}
// ANCHOR_END: drain
