//! The file server in smol: a task for each client, on an executor of its own.
//!
//! smol is a handful of small crates. An executor is a value: it runs on the threads that lend
//! themselves to it, and dropping it drops its tasks. [`Async`] makes any socket of std's wait for
//! the reactor instead of blocking. A task that always finds work must yield by itself.
//!
//! `cargo run -p serve-smol`, then a browser at <http://localhost:4000/>.

// ANCHOR: imports
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::thread;
use std::time::Duration;

use serve_core::{Approach, Body, Chunks, Client, DRAIN_BYTES, Reply, Server, Turn};
use smol::channel;
use smol::future::{or, yield_now};
use smol::io::{AsyncRead, AsyncWriteExt};
use smol::{Async, Executor, Timer, block_on, unblock};
// ANCHOR_END: imports

/// What the kit needs to know of this sibling.
pub const APPROACH: Approach = Approach {
    name: "smol",
    summary: "In smol: a task for each client, on an executor of its own.",
    has_workers: true,
    max_connections: 10_000,
    run,
};

// ANCHOR: run
/// Serves until the server is shut down; see [`Approach::run`].
///
/// # Errors
///
/// When a thread for the executor cannot be started, or the listener not be asked for readiness.
pub fn run(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    // Dropped at the end: who is still there then is cut off, first its socket, then its client.
    let executor = Arc::new(Executor::new());
    let listener = Async::new(listener)?;
    let accepting =
        executor.spawn(accept_clients(listener, Arc::clone(&server), Arc::clone(&executor)));
    // Nothing is ever sent: that `stop` is dropped is the message.
    let (stop, stopped) = channel::bounded::<Infallible>(1);
    thread::scope(|scope| {
        let _stop = stop;
        for _ in 0..server.config.workers {
            let worker = || block_on(executor.run(stopped.recv()));
            thread::Builder::new().name("smol".to_owned()).spawn_scoped(scope, worker)?;
        }
        server.shutdown.wait();
        block_on(accepting.cancel());
        server.wait_for_idle(server.config.grace);
        Ok(())
    })
}
// ANCHOR_END: run

// ANCHOR: accept
async fn accept_clients(
    listener: Async<TcpListener>,
    server: Arc<Server>,
    executor: Arc<Executor<'static>>,
) {
    loop {
        let slot = server.slot().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                executor.spawn(serve_client(slot.connected(peer), stream)).detach();
            }
            Err(error) => {
                if let Some(pause) = server.accept_failed(&error) {
                    Timer::after(pause).await;
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
                timeout(linger, draining).await.unwrap_or_else(|| client.let_go())
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
            unblock(move || Reply::open(&server)).await
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
            chunks = unblock(move || chunks.read()).await?;
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
        Timer::after(client.patience()).await;
        client.check_progress(stream)?;
    }
}
// ANCHOR_END: watch

// ANCHOR: timeout
/// smol has the parts of a timeout: of two futures, whichever is first.
async fn timeout<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let over = async {
        Timer::after(limit).await;
        None
    };
    or(async { Some(work.await) }, over).await
}
// ANCHOR_END: timeout
