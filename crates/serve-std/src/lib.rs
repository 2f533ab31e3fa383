//! The file server in plain std: two threads for each client, and every call blocks.
//!
//! One thread sends while the other hears the client: a thread that waits in `write` cannot read.
//! The kernel does all the scheduling, the code reads from top to bottom, and a chunk goes from
//! file to socket with nobody in between. What it costs: two stacks for a client that may do
//! nothing, a lower cap, and no way to cancel a thread: only its socket can be shut down.
//!
//! `cargo run -p serve-std`, then a browser at <http://localhost:4000/>.

// ANCHOR: imports
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, Scope, ScopedJoinHandle};

use serve_core::{AcceptWaker, Approach, Client, DRAIN_BYTES, Reply, Server, reset_on_close};
// ANCHOR_END: imports

/// What the kit needs to know of this sibling.
pub const APPROACH: Approach = Approach {
    name: "std",
    summary: "In plain std: two threads for each client, and every call blocks.",
    has_workers: false,
    max_connections: 2_000,
    run,
};

/// A thread's stack, in bytes. Untouched pages cost nothing, but std's own 2 MiB would use up the
/// address space of a 32-bit machine with a thousand clients.
const STACK_BYTES: usize = 128 * 1024;

// ANCHOR: run
/// Serves until the server is shut down; see [`Approach::run`].
///
/// # Errors
///
/// When no descriptor is left to wake `accept` with, or no thread to accept in.
pub fn run(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    let waker = AcceptWaker::new(&listener)?;
    let streams = Streams::default();
    thread::scope(|scope| {
        let accepting = spawn(scope, || accept_clients(listener, &server, &streams, scope))?;
        server.shutdown.wait();
        waker.wake();
        let _ = accepting.join();
        server.wait_for_idle(server.config.grace);
        // Who is still there is cut off: its threads wake up, and the scope waits for them.
        server.cut_off();
        streams.shut_down();
        Ok(())
    })
}
// ANCHOR_END: run

// ANCHOR: accept
fn accept_clients<'scope>(
    listener: TcpListener,
    server: &Arc<Server>,
    streams: &Streams,
    scope: &'scope Scope<'scope, '_>,
) {
    while let Some(slot) = server.wait_for_slot() {
        match listener.accept() {
            // It may be the one that was to wake us.
            Ok((stream, _)) if server.shutdown.is_requested() => {
                reset_on_close(&stream);
                break;
            }
            Ok((stream, peer)) => {
                let client = slot.connected(peer);
                let stream = streams.add(stream);
                if let Err(error) = spawn(scope, move || serve_client(client, stream)) {
                    // No thread left: the client went with the closure, the next may have luck.
                    let pause = server.accept_failed(&error);
                    server.shutdown.wait_timeout(pause.unwrap_or_default());
                }
            }
            Err(error) => {
                if let Some(pause) = server.accept_failed(&error) {
                    server.shutdown.wait_timeout(pause);
                }
            }
        }
    }
}
// ANCHOR_END: accept

// ANCHOR: serve
fn serve_client(client: Client, stream: Arc<TcpStream>) {
    let ended = thread::scope(|scope| {
        let (client, stream) = (&client, &*stream);
        let (tell, heard) = mpsc::channel();
        spawn(scope, move || tell.send(drain_client(client, stream)))?;
        let sent = send_file(client, stream).and_then(|()| stream.shutdown(Shutdown::Write));
        let ended = match sent {
            Ok(()) => {
                let linger = client.server().config.linger_timeout;
                heard.recv_timeout(linger).unwrap_or_else(|_| client.let_go())
            }
            broke => broke,
        };
        // Wakes the thread that hears the client, if it still does.
        let _ = stream.shutdown(Shutdown::Both);
        ended
    });
    client.ended(ended, &*stream);
}
// ANCHOR_END: serve

// ANCHOR: send
fn send_file(client: &Client, stream: &TcpStream) -> io::Result<()> {
    let reply = Reply::open(&client.server().config);
    stream.set_write_timeout(Some(client.patience()))?;
    send_bytes(client, stream, &reply.preamble)?;
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
    let mut file = body.file;
    for chunk_bytes in chunks {
        let chunk = &mut buffer[..chunk_bytes];
        file.read_exact(chunk)?;
        let started = client.chunk_started();
        send_bytes(client, stream, chunk)?;
        client.chunk_sent(chunk_bytes, started);
    }
    client.file_ended(file_bytes);
    Ok(())
}

/// `write_all`, but what the kernel took is counted even if the rest fails, and whoever takes
/// nothing for too long is given up.
fn send_bytes(client: &Client, mut stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(written) => {
                client.sent(written);
                bytes = &bytes[written..];
            }
            Err(error) => match error.kind() {
                // Our patience is over; Unix and Windows say it differently.
                ErrorKind::WouldBlock | ErrorKind::TimedOut => client.check_progress(stream)?,
                ErrorKind::Interrupted => {}
                _ => return Err(error),
            },
        }
    }
    Ok(())
}
// ANCHOR_END: send

// ANCHOR: drain
fn drain_client(client: &Client, mut stream: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; DRAIN_BYTES];
    loop {
        let read = stream.read(&mut buffer)?;
        client.received(&buffer[..read]);
        if read == 0 {
            return Ok(());
        }
    }
}
// ANCHOR_END: drain

// ANCHOR: threads
/// Starts a thread with a small stack, which the scope waits for.
fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work)
}

/// Who is connected. A thread cannot be cancelled, but a socket can be shut down under it.
#[derive(Default)]
struct Streams(Mutex<Vec<Weak<TcpStream>>>);

impl Streams {
    fn add(&self, stream: TcpStream) -> Arc<TcpStream> {
        let stream = Arc::new(stream);
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the list grows, those who left make room.
        if streams.len() == streams.capacity() {
            streams.retain(|stream| stream.strong_count() > 0);
        }
        streams.push(Arc::downgrade(&stream));
        stream
    }

    fn shut_down(&self) {
        let streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in streams.iter().filter_map(Weak::upgrade) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
// ANCHOR_END: threads
