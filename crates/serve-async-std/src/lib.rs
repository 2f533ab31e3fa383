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
use std::net::{Shutdown, TcpListener, TcpStream};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use async_global_executor::GlobalExecutorConfig;
use async_io::Async;
use async_std::channel::{self, Receiver};
use async_std::future::timeout;
use async_std::io::{Read, WriteExt};
use async_std::task::{self, sleep, spawn_blocking, yield_now};
use futures_lite::future::or;
use serve_core::{Approach, Body, Chunks, Client, DRAIN_BYTES, Reply, Server, Turn};
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
    // Nothing is ever sent: that `cut` is dropped is the message.
    let (cut, cut_off) = channel::bounded(1);
    // async-std's own sockets do not say when they are ready, which `sendfile` has to know. These
    // are of the reactor beneath it, which does.
    let listener = Async::new(listener)?;
    let accepting = task::spawn(accept_clients(listener, Arc::clone(&server), cut_off));
    server.shutdown.wait();
    task::block_on(accepting.cancel());
    server.wait_for_idle(server.config.grace);
    // Who is still there is cut off: its task drops its socket, then its client.
    drop(cut);
    server.wait_for_idle(Duration::MAX);
    Ok(())
}
// ANCHOR_END: run

// ANCHOR: accept
async fn accept_clients(
    listener: Async<TcpListener>,
    server: Arc<Server>,
    cut_off: Receiver<Infallible>,
) {
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
async fn serve_client(client: Client, stream: Async<TcpStream>) {
    enum Ended {
        Sending(io::Result<()>),
        Draining(io::Result<()>),
    }
    let ended = {
        let mut draining = pin!(drain_client(&client, &stream));
        let mut sending = pin!(async {
            or(send_file(&client, &stream), watch_progress(&client, &stream)).await?;
            stream.get_ref().shutdown(Shutdown::Write)
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
async fn send_file(client: &Client, stream: &Async<TcpStream>) -> io::Result<()> {
    let server = client.server();
    let reply = match Reply::open_cached(server) {
        Some(reply) => reply,
        None => {
            let server = Arc::clone(server);
            spawn_blocking(move || Reply::open(&server)).await
        }
    };
    let unsent = client.send_preamble(stream, &reply.preamble)?;
    send_bytes(client, stream, unsent).await?;
    let body = match reply.body {
        Ok(body) => body,
        Err(error) => {
            client.file_failed(&error);
            return Ok(());
        }
    };
    let file_bytes = body.bytes;
    match server.config.zero_copy {
        true => send_zero_copy(client, stream, body).await?,
        false => send_copied(client, stream, body).await?,
    }
    client.file_ended(file_bytes);
    Ok(())
}
// ANCHOR_END: send

// ANCHOR: copy
async fn send_copied(client: &Client, stream: &Async<TcpStream>, body: Body) -> io::Result<()> {
    let mut chunks = Chunks::new(body, client.server());
    let mut turn = Turn::new();
    while chunks.advance() {
        // A trip to the pool costs more than the reading: only what waits for a disk is worth it.
        if !chunks.read_cached()? {
            chunks = spawn_blocking(move || chunks.read()).await?;
        }
        let started = client.chunk_started();
        send_bytes(client, stream, chunks.bytes()).await?;
        client.chunk_sent(chunks.bytes().len(), started);
        if turn.is_over() {
            yield_now().await;
        }
    }
    Ok(())
}

/// `write_all`, but what the kernel took is counted even if the rest fails.
async fn send_bytes(
    client: &Client,
    mut stream: &Async<TcpStream>,
    mut bytes: &[u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = stream.write(bytes).await?;
        client.sent(sent);
        bytes = &bytes[sent..];
    }
    Ok(())
}
// ANCHOR_END: copy

// ANCHOR: zero_copy
async fn send_zero_copy(client: &Client, stream: &Async<TcpStream>, body: Body) -> io::Result<()> {
    let mut turn = Turn::new();
    for chunk_bytes in body.chunks(&client.server().config) {
        let started = client.chunk_started();
        let mut left_bytes = chunk_bytes;
        while left_bytes > 0 {
            let sent = stream.write_with(|stream| body.sendfile(stream, left_bytes)).await?;
            client.sent(sent);
            left_bytes -= sent;
        }
        client.chunk_sent(chunk_bytes, started);
        if turn.is_over() {
            yield_now().await;
        }
    }
    Ok(())
}
// ANCHOR_END: zero_copy

// ANCHOR: drain
async fn drain_client(client: &Client, mut stream: &Async<TcpStream>) -> io::Result<()> {
    loop {
        let heard = poll_fn(|context| {
            // In here the buffer is on the stack; across an await it would be in every task.
            let mut buffer = [0; DRAIN_BYTES];
            let read = ready!(Pin::new(&mut stream).poll_read(context, &mut buffer))?;
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

// ANCHOR: watch
/// Ends, with an error, when the client takes nothing any more.
async fn watch_progress(client: &Client, stream: &Async<TcpStream>) -> io::Result<()> {
    loop {
        sleep(client.patience()).await;
        client.check_progress(stream)?;
    }
}
// ANCHOR_END: watch
