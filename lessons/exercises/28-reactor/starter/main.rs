//! The server of exercise 28, whose reactor wakes each task immediately.

use std::env;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use mio::Token;
use mio::event::Source;
use mio::net::TcpListener;

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

/// Wakes the tasks that wait for sockets.
struct Reactor {
    // Your turn: a reactor needs a `mio::Poll`, and the wakers of the tasks that wait.
}

impl Reactor {
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Adds a socket to the sockets for which the reactor waits. Returns the socket's token.
    fn register(&self, _socket: &mut impl Source) -> io::Result<Token> {
        Ok(Token(0))
    }

    /// Makes the reactor call the waker once, when the socket is ready. A task calls this function
    /// only after an operation has failed with `WouldBlock`.
    fn wake_when_ready(&self, _token: Token, _direction: Direction, waker: &Waker) {
        waker.wake_by_ref();
    }

    /// Waits until a socket is ready, or until the timeout expires. Calls the wakers of the sockets
    /// that are ready. `None` means no timeout.
    fn wait(&self, _timeout: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}
