//! A server in one thread, with an executor that runs one task per client.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use std::{env, mem};

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
        reactor.wait(executor.has_ready_tasks().then_some(Duration::ZERO))?;
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
type Queue = Arc<Mutex<VecDeque<Arc<Task>>>>;

/// A future, and the queue that the task enters when it is woken.
struct Task {
    /// The future, or `None` after it has completed.
    future: Mutex<Option<BoxedFuture>>,
    queue: Queue,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let queue = Arc::clone(&self.queue);
        queue.lock().expect("not poisoned").push_back(self);
    }
}

impl Task {
    fn poll(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        let mut slot = self.future.lock().expect("not poisoned");
        // A task may be woken after its future has completed.
        let Some(mut future) = slot.take() else { return };
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            *slot = Some(future);
        }
    }
}

/// Runs tasks on one thread.
#[derive(Default)]
struct Executor {
    queue: Queue,
}

impl Executor {
    /// Creates a task, which is ready to be polled.
    fn spawn(&mut self, future: impl Future<Output = ()> + Send + 'static) {
        let future = Mutex::new(Some(Box::pin(future) as _));
        Arc::new(Task { future, queue: Arc::clone(&self.queue) }).wake();
    }

    fn has_ready_tasks(&self) -> bool {
        !self.queue.lock().expect("not poisoned").is_empty()
    }

    /// Polls each task that is ready. Tasks that are woken meanwhile are polled by the next call.
    fn run_ready_tasks(&mut self) {
        let ready = mem::take(&mut *self.queue.lock().expect("not poisoned"));
        ready.into_iter().for_each(Task::poll);
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
