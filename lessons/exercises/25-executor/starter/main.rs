//! The server of exercise 25, whose executor polls each future only once.

use std::collections::VecDeque;
use std::env;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use mio::Interest;
use mio::net::{TcpListener, TcpStream};

#[path = "../reactor.rs"]
mod reactor;
use reactor::{Reactor, Registration};

const CHUNK_BYTES: u64 = 64 * 1024;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, port] = arguments.as_slice() else { panic!("usage: exercise-25 FILE PORT") };
    let port = port.parse().expect("PORT must be a number from 0 to 65535");
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    println!("listening on {}", listener.local_addr()?);
    let mut executor = Executor::default();
    let mut reactor = Reactor::new()?;
    reactor.register(&mut listener, Interest::READABLE)?;
    loop {
        // Your turn: wait without a timeout only if no task is ready.
        reactor.wait(None)?;
        // If no client waits, `accept` returns the error `WouldBlock`.
        while let Ok((stream, _)) = listener.accept() {
            match SendFile::new(stream, file, &mut reactor) {
                Ok(future) => executor.spawn(future),
                Err(error) => eprintln!("cannot serve a client: {error}"),
            }
        }
        executor.run_ready_tasks();
    }
}

type BoxedFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs tasks on one thread.
#[derive(Default)]
struct Executor {
    queue: VecDeque<BoxedFuture>,
}

impl Executor {
    /// Creates a task, which is ready to be polled.
    fn spawn(&mut self, future: impl Future<Output = ()> + Send + 'static) {
        self.queue.push_back(Box::pin(future));
    }

    /// Polls each task that is ready.
    fn run_ready_tasks(&mut self) {
        // Your turn: a pending task must not be dropped. When its waker is called, poll it again.
        let mut context = Context::from_waker(Waker::noop());
        while let Some(mut future) = self.queue.pop_front() {
            let _ = future.as_mut().poll(&mut context);
        }
    }
}

/// Sends the preamble and the file to one client. Dropping this future closes the connection.
struct SendFile {
    stream: TcpStream,
    file: File,
    /// The bytes to send before the next read from the file.
    chunk: Vec<u8>,
    registration: Registration,
}

impl Future for SendFile {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // An error ends only this task.
        self.poll_send(context).map(drop)
    }
}

impl SendFile {
    fn new(mut stream: TcpStream, path: &str, reactor: &mut Reactor) -> io::Result<Self> {
        let (file, chunk) = (File::open(path)?, b"HTTP/1.1\n\n".to_vec());
        let registration = reactor.register(&mut stream, Interest::WRITABLE)?;
        Ok(Self { stream, file, chunk, registration })
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.chunk.is_empty() {
            match self.stream.write(&self.chunk) {
                Ok(sent) => drop(self.chunk.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.registration.wake_when_ready(context.waker());
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let read = (&self.file).take(CHUNK_BYTES).read_to_end(&mut self.chunk)?;
        if read == 0 {
            return Poll::Ready(Ok(()));
        }
        // Yield after each chunk, so that a fast client does not delay other clients.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
