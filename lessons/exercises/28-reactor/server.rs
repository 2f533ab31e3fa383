//! The tasks of the server, and the sockets that they wait for.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::Shutdown;
use std::sync::Arc;
use std::task::Poll;

use mio::Token;
use mio::event::Source;
use mio::net::{TcpListener, TcpStream};

use super::Reactor;
use super::executor::Executor;

const CHUNK_BYTES: u64 = 64 * 1024;

/// Starts two tasks per client, which share the socket. One task sends, and the other one receives.
pub async fn accept_loop(
    listener: Socket<TcpListener>,
    path: String,
    executor: Executor,
    reactor: Arc<Reactor>,
) {
    loop {
        let accepted = listener.when_ready(Direction::Read, TcpListener::accept).await;
        match accepted.and_then(|(stream, _)| Socket::new(stream, &reactor)) {
            Ok(socket) => {
                let socket = Arc::new(socket);
                executor.spawn(drain(Arc::clone(&socket)));
                let path = path.clone();
                executor.spawn(async move {
                    let result = send_file(&socket, &path).await;
                    // After an error, the task `drain` must also end.
                    let how = if result.is_ok() { Shutdown::Write } else { Shutdown::Both };
                    let _ = socket.io.shutdown(how);
                });
            }
            Err(error) => {
                eprintln!("cannot accept a client: {error}");
                yield_now().await;
            }
        }
    }
}

/// Sends the preamble and the file.
async fn send_file(socket: &Socket<TcpStream>, path: &str) -> io::Result<()> {
    let (file, mut chunk) = (File::open(path)?, b"HTTP/1.1\n\n".to_vec());
    loop {
        while !chunk.is_empty() {
            let sent = socket.when_ready(Direction::Write, |mut io| io.write(&chunk)).await?;
            chunk.drain(..sent);
        }
        if (&file).take(CHUNK_BYTES).read_to_end(&mut chunk)? == 0 {
            return Ok(());
        }
        yield_now().await;
    }
}

/// Reads and discards data until the client's FIN.
async fn drain(socket: Arc<Socket<TcpStream>>) {
    let read = |mut io: &TcpStream| io.read(&mut [0; 16 * 1024]);
    while socket.when_ready(Direction::Read, read).await.is_ok_and(|bytes| bytes > 0) {
        yield_now().await;
    }
}

/// Lets the other tasks run.
async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A socket that a task can wait for.
pub struct Socket<T: Source> {
    io: T,
    token: Token,
    reactor: Arc<Reactor>,
}

impl<T: Source> Socket<T> {
    pub fn new(mut io: T, reactor: &Arc<Reactor>) -> io::Result<Self> {
        let token = reactor.register(&mut io)?;
        Ok(Self { io, token, reactor: Arc::clone(reactor) })
    }

    /// Calls `operation` until it returns a result other than the error `WouldBlock`. Between two
    /// calls, the task waits until its waker is called.
    async fn when_ready<R>(
        &self,
        direction: Direction,
        operation: impl Fn(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        poll_fn(|context| match operation(&self.io) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.reactor.wake_when_ready(self.token, direction, context.waker());
                Poll::Pending
            }
            result => Poll::Ready(result),
        })
        .await
    }
}

/// The kind of readiness for which a task waits. Two tasks can wait for the same socket.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    Read,
    Write,
}
