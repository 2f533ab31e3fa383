//! A server in one thread, with a reactor that waits for sockets and wakes tasks.

use std::collections::HashMap;
use std::env;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use mio::event::Source;
use mio::net::TcpListener;
use mio::{Events, Interest, Registry, Token};

#[path = "../executor.rs"]
mod executor;
#[path = "../server.rs"]
mod server;
use executor::Executor;
use server::{Direction, Socket, accept_loop};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, port] = arguments.as_slice() else { panic!("usage: exercise-28 FILE PORT") };
    let port = port.parse().expect("PORT must be a number from 0 to 65535");
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    println!("listening on {}", listener.local_addr()?);
    let (executor, reactor) = (Executor::default(), Arc::new(Reactor::new()?));
    let listener = Socket::new(listener, &reactor)?;
    executor.spawn(accept_loop(listener, file.clone(), executor.clone(), Arc::clone(&reactor)));
    loop {
        reactor.wait(executor.has_ready_tasks().then_some(Duration::ZERO))?;
        executor.run_ready_tasks();
    }
}

/// Waits for sockets, and wakes the tasks that wait for these sockets.
struct Reactor {
    poll: Mutex<mio::Poll>,
    registry: Registry,
    last_token: AtomicUsize,
    /// The wakers of the tasks that wait.
    wakers: Mutex<HashMap<(Token, Direction), Waker>>,
}

impl Reactor {
    fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let (registry, last_token) = (poll.registry().try_clone()?, AtomicUsize::new(0));
        Ok(Self { poll: Mutex::new(poll), registry, last_token, wakers: Mutex::default() })
    }

    /// Adds a socket to the sockets for which the reactor waits. Returns the socket's token.
    fn register(&self, socket: &mut impl Source) -> io::Result<Token> {
        let token = Token(self.last_token.fetch_add(1, Ordering::Relaxed));
        self.registry.register(socket, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(token)
    }

    /// Makes the reactor call the waker once, when the socket is ready. A task calls this function
    /// only after an operation has failed with `WouldBlock`.
    fn wake_when_ready(&self, token: Token, direction: Direction, waker: &Waker) {
        let mut wakers = self.wakers.lock().expect("not poisoned");
        wakers.insert((token, direction), waker.clone());
    }

    /// Waits until a socket is ready, or until the timeout expires. Calls the wakers of the sockets
    /// that are ready. `None` means no timeout.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        match self.poll.lock().expect("not poisoned").poll(&mut events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let mut wakers = self.wakers.lock().expect("not poisoned");
        for event in &events {
            let is_readable = event.is_readable() || event.is_read_closed() || event.is_error();
            let is_writable = event.is_writable() || event.is_write_closed() || event.is_error();
            for (is_ready, direction) in
                [(is_readable, Direction::Read), (is_writable, Direction::Write)]
            {
                if is_ready {
                    wakers.remove(&(event.token(), direction)).into_iter().for_each(Waker::wake);
                }
            }
        }
        Ok(())
    }
}
