//! A small reactor, which waits for sockets and wakes the tasks that wait for these sockets.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use mio::event::Source;
use mio::{Events, Interest, Poll, Token};

/// The wakers of the tasks that wait.
type Wakers = Arc<Mutex<HashMap<Token, Waker>>>;

pub struct Reactor {
    poll: Poll,
    wakers: Wakers,
    sockets: usize,
}

impl Reactor {
    pub fn new() -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, wakers: Wakers::default(), sockets: 0 })
    }

    /// Adds a socket to the sockets for which the reactor waits.
    pub fn register(
        &mut self,
        socket: &mut impl Source,
        interest: Interest,
    ) -> io::Result<Registration> {
        self.sockets += 1;
        let token = Token(self.sockets);
        self.poll.registry().register(socket, token, interest)?;
        Ok(Registration { token, wakers: Arc::clone(&self.wakers) })
    }

    /// Waits until a socket is ready, or until the timeout expires. Calls the wakers of the sockets
    /// that are ready. `None` means no timeout.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        match self.poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            let waker = self.wakers.lock().expect("not poisoned").remove(&event.token());
            waker.into_iter().for_each(Waker::wake);
        }
        Ok(())
    }
}

/// The reactor's connection to one socket.
pub struct Registration {
    token: Token,
    wakers: Wakers,
}

impl Registration {
    /// Makes the reactor call the waker once, when the socket is ready. Call this function only
    /// after an operation has failed with `WouldBlock`.
    pub fn wake_when_ready(&self, waker: &Waker) {
        self.wakers.lock().expect("not poisoned").insert(self.token, waker.clone());
    }
}
