//! The file server in Tokio: a task for each client, on a few threads.
//!
//! A task that waits costs a few hundred bytes, where a thread costs a stack. In return nothing in
//! it may block: Tokio's reactor says when a socket is ready, but no reactor says it of a file. What
//! the kernel has not at hand of a file is a trip to a pool of threads that may block.
//!
//! `cargo run -p serve-tokio`, then a browser at <http://localhost:4000/>.

// ANCHOR: imports
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpListener};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};

use serve_core::{Approach, Body, Chunks, Client, DRAIN_BYTES, Reply, Server, Turn};
use socket2::SockRef;
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::runtime::Builder;
use tokio::task::{JoinSet, spawn_blocking, yield_now};
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
    let serving = async move {
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
    };
    // As a task: what a worker spawns stays with it, what this thread spawns has to be handed over.
    runtime.block_on(runtime.spawn(serving))?
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
        let (reader, writer) = stream.split();
        let stream = writer.as_ref();
        let mut draining = pin!(drain_client(&client, reader));
        let mut sending = pin!(async {
            tokio::select! {
                biased;
                sent = send_file(&client, stream) => sent?,
                stalled = watch_progress(&client, stream) => stalled?,
            }
            SockRef::from(stream).shutdown(Shutdown::Write)
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
async fn send_file(client: &Client, stream: &TcpStream) -> io::Result<()> {
    let server = client.server();
    let reply = match Reply::open_cached(server) {
        Some(reply) => reply,
        None => {
            let server = Arc::clone(server);
            spawn_blocking(move || Reply::open(&server)).await?
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
async fn send_copied(client: &Client, stream: &TcpStream, body: Body) -> io::Result<()> {
    let mut chunks = Chunks::new(body, client.server());
    let mut turn = Turn::new();
    while chunks.advance() {
        // A trip to the pool costs more than the reading: only what waits for a disk is worth it.
        if !chunks.read_cached()? {
            chunks = spawn_blocking(move || chunks.read()).await??;
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
async fn send_bytes(client: &Client, stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = when_writable(stream, || SockRef::from(stream).send(bytes)).await?;
        client.sent(sent);
        bytes = &bytes[sent..];
    }
    Ok(())
}
// ANCHOR_END: copy

// ANCHOR: zero_copy
async fn send_zero_copy(client: &Client, stream: &TcpStream, body: Body) -> io::Result<()> {
    let mut turn = Turn::new();
    for chunk_bytes in body.chunks(&client.server().config) {
        let started = client.chunk_started();
        let mut left_bytes = chunk_bytes;
        while left_bytes > 0 {
            let sent = when_writable(stream, || body.sendfile(stream, left_bytes)).await?;
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
async fn drain_client(client: &Client, mut reader: ReadHalf<'_>) -> io::Result<()> {
    loop {
        let heard = poll_fn(|context| {
            // In here the buffer is on the stack; across an await it would be in every task.
            let mut buffer = [MaybeUninit::uninit(); DRAIN_BYTES];
            let mut buffer = ReadBuf::uninit(&mut buffer);
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

// ANCHOR: watch
/// Ends, with an error, when the client takes nothing any more.
async fn watch_progress(client: &Client, stream: &TcpStream) -> io::Result<()> {
    loop {
        sleep(client.patience()).await;
        client.check_progress(stream)?;
    }
}
// ANCHOR_END: watch

// ANCHOR: when_writable
/// Writes at once, and asks the reactor only if the kernel had no room. What the reactor knows is
/// as old as its last turn: before Tokio 1.54 a new socket had to wait for one.
async fn when_writable(
    stream: &TcpStream,
    mut write: impl FnMut() -> io::Result<usize>,
) -> io::Result<usize> {
    match write() {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            stream.async_io(Interest::WRITABLE, write).await
        }
        done => done,
    }
}
// ANCHOR_END: when_writable
