//! The file server in smol: a task for each client, on an executor of its own.
//!
//! smol is a handful of small crates. An executor is a value: it runs on the threads that lend
//! themselves to it, and dropping it drops its tasks. A file is read by a thread of a pool that
//! fills a pipe ahead of us; left alone that pipe would be 8 MiB, so it is made a chunk long. A
//! task that always finds work must yield by itself.
//!
//! `cargo run -p serve-smol`, then a browser at <http://localhost:4000/>.

// ANCHOR: imports
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, TcpListener};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::thread;
use std::time::Duration;

use serve_core::{Approach, Client, DRAIN_BYTES, Reply, Server};
use smol::channel;
use smol::future::{or, yield_now};
use smol::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;
use smol::{Async, Executor, Timer, Unblock, block_on, unblock};
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
    let executor = Executor::new();
    // Nothing is ever sent: that `stop` is dropped is the message.
    let (stop, stopped) = channel::bounded::<Infallible>(1);
    thread::scope(|scope| {
        let _stop = stop;
        for _ in 0..server.config.workers {
            let worker = || block_on(executor.run(stopped.recv()));
            thread::Builder::new().name("smol".to_owned()).spawn_scoped(scope, worker)?;
        }
        block_on(async {
            let shutdown = async {
                server.shutdown.requested().await;
                Ok(())
            };
            or(accept_clients(listener, &server, &executor), shutdown).await?;
            let _ = timeout(server.config.grace, server.idle()).await;
            Ok(())
        })
    })
}
// ANCHOR_END: run

// ANCHOR: accept
async fn accept_clients(
    listener: TcpListener,
    server: &Arc<Server>,
    executor: &Executor<'_>,
) -> io::Result<()> {
    let listener = smol::net::TcpListener::from(Async::new(listener)?);
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
async fn serve_client(client: Client, stream: TcpStream) {
    enum Ended {
        Sending(io::Result<()>),
        Draining(io::Result<()>),
    }
    let ended = {
        let mut draining = pin!(drain_client(&client, stream.clone()));
        let mut sending = pin!(async {
            send_file(&client, &mut stream.clone()).await?;
            stream.shutdown(Shutdown::Write)
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
async fn send_file(client: &Client, stream: &mut TcpStream) -> io::Result<()> {
    let server = Arc::clone(client.server());
    let reply = unblock(move || Reply::open(&server.config)).await;
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
    let mut file = Unblock::with_capacity(buffer.len(), body.file);
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
async fn send_bytes(client: &Client, stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match timeout(client.patience(), stream.write(bytes)).await {
            Some(written) => {
                let written = written?;
                client.sent(written);
                bytes = &bytes[written..];
            }
            None => client.check_progress(&*stream)?,
        }
    }
    Ok(())
}
// ANCHOR_END: send

// ANCHOR: drain
async fn drain_client(client: &Client, mut reader: TcpStream) -> io::Result<()> {
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
