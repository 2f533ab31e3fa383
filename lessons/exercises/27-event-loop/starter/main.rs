//! The server of exercise 27, whose event loop serves one client at a time.

use std::env;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const CHUNK_BYTES: u64 = 64 * 1024;
const LISTENER: Token = Token(0);
const CLIENT: Token = Token(1);

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, port] = arguments.as_slice() else { panic!("usage: exercise-27 FILE PORT") };
    let port = port.parse().expect("PORT must be a number from 0 to 65535");
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    println!("listening on {}", listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(256);
    loop {
        match poll.poll(&mut events, None) {
            // A signal can interrupt `poll`.
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        // Your turn: serve all clients at the same time, in this loop.
        while let Ok((stream, _)) = listener.accept() {
            if let Err(error) = serve(stream, file, &mut poll, &mut events) {
                eprintln!("cannot serve a client: {error}");
            }
        }
    }
}

/// Sends the preamble and the file to one client.
fn serve(
    mut stream: TcpStream,
    path: &str,
    poll: &mut Poll,
    events: &mut Events,
) -> io::Result<()> {
    poll.registry().register(&mut stream, CLIENT, Interest::WRITABLE)?;
    let file = File::open(path)?;
    let mut chunk = b"HTTP/1.1\n\n".to_vec();
    loop {
        while !chunk.is_empty() {
            match stream.write(&chunk) {
                Ok(sent) => drop(chunk.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => poll.poll(events, None)?,
                Err(error) => return Err(error),
            }
        }
        if (&file).take(CHUNK_BYTES).read_to_end(&mut chunk)? == 0 {
            return Ok(());
        }
    }
}
