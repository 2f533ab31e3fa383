//! A server in one thread, with an event loop that serves all clients at the same time.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::{Duration, Instant};
use std::{env, mem};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const CHUNK_BYTES: usize = 64 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const LISTENER: Token = Token(0);

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, port] = arguments.as_slice() else { panic!("usage: exercise-27 FILE PORT") };
    let port = port.parse().expect("PORT must be a number from 0 to 65535");
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    println!("listening on {}", listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(256);
    let mut connections = HashMap::new();
    // The sockets that may be ready. mio does not repeat an event of a socket that is still ready,
    // so a socket stays in this set until a call has returned `WouldBlock`.
    let mut ready = HashSet::new();
    let mut accept_at: Option<Instant> = None;
    let mut last_token = LISTENER;
    loop {
        let pause = accept_at.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = if ready.is_empty() { pause } else { Some(Duration::ZERO) };
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        ready.extend(events.iter().map(Event::token));
        if accept_at.is_some_and(|at| at <= Instant::now()) {
            ready.insert(LISTENER);
        }
        for token in mem::take(&mut ready) {
            if token == LISTENER {
                accept_at = None;
                match listener.accept() {
                    Ok((stream, _)) => {
                        last_token.0 += 1;
                        match Connection::new(stream, file, &poll, last_token) {
                            Ok(connection) => drop(connections.insert(last_token, connection)),
                            Err(error) => eprintln!("cannot serve a client: {error}"),
                        }
                        ready.extend([LISTENER, last_token]);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => {
                        eprintln!("cannot accept a client: {error}");
                        accept_at = Some(Instant::now() + ACCEPT_PAUSE);
                    }
                }
                continue;
            }
            // The connection may have ended before this event.
            let Some(connection) = connections.get_mut(&token) else { continue };
            match connection.serve() {
                Ok(Progress::Waits) => {}
                Ok(Progress::Yields) => drop(ready.insert(token)),
                Ok(Progress::Ended) => drop(connections.remove(&token)),
                Err(error) => {
                    eprintln!("cannot serve a client: {error}");
                    connections.remove(&token);
                }
            }
        }
    }
}

enum Progress {
    /// No call can succeed before the next event.
    Waits,
    /// The next call may succeed.
    Yields,
    Ended,
}

struct Connection {
    stream: TcpStream,
    /// The file, or `None` after its last byte has been sent.
    file: Option<File>,
    /// The bytes to send before the next read from the file.
    chunk: Vec<u8>,
    /// Indicates whether the client's FIN has been read.
    is_half_closed: bool,
}

impl Connection {
    fn new(mut stream: TcpStream, path: &str, poll: &Poll, token: Token) -> io::Result<Self> {
        let (file, chunk) = (Some(File::open(path)?), b"HTTP/1.1\n\n".to_vec());
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, token, interest)?;
        Ok(Self { stream, file, chunk, is_half_closed: false })
    }

    /// Calls `read` and `write` at most once, so that no client delays other clients.
    fn serve(&mut self) -> io::Result<Progress> {
        let mut progress = Progress::Waits;
        if !self.is_half_closed {
            match if_ready(self.stream.read(&mut [0; CHUNK_BYTES]))? {
                Some(0) => self.is_half_closed = true,
                Some(_) => progress = Progress::Yields,
                None => {}
            }
        }
        if let (true, Some(file)) = (self.chunk.is_empty(), &self.file) {
            if file.take(CHUNK_BYTES as u64).read_to_end(&mut self.chunk)? == 0 {
                self.stream.shutdown(Shutdown::Write)?;
                self.file = None;
            }
        }
        if self.file.is_none() {
            // Closing the socket before the client's FIN could reset the connection.
            return Ok(if self.is_half_closed { Progress::Ended } else { progress });
        }
        if let Some(sent) = if_ready(self.stream.write(&self.chunk))? {
            self.chunk.drain(..sent);
            progress = Progress::Yields;
        }
        Ok(progress)
    }
}

/// Returns `None` if the socket is not ready.
fn if_ready(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}
