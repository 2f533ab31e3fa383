//! The file server in plain std: a thread for each client, and every call blocks.
//!
//! The kernel does all the scheduling, and the code reads from top to bottom. Threads take turns at
//! `accept`, and each serves whom it accepted: nothing is handed from one to another. A thread that
//! waits in `write` cannot read, so a client that takes its time gets a second one, which hears it.
//! What it costs: a stack or two for a client that may do nothing, a lower cap, and no way to cancel
//! a thread: only its socket can be shut down.
//!
//! `cargo run -p serve-std`, then a browser at <http://localhost:4000/>.

mod threads;

// ANCHOR: imports
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use serve_core::{AcceptWaker, Approach, Body, Chunks, Client, DRAIN_BYTES, Reply, Server};

use threads::{Ear, Streams, Turns, is_over, spawn};
// ANCHOR_END: imports

/// What the kit needs to know of this sibling.
pub const APPROACH: Approach = Approach {
    name: "std",
    summary: "In plain std: a thread for each client, and every call blocks.",
    has_workers: false,
    max_connections: 2_000,
    run,
};

/// How many threads may wait for their turn at `accept`; more end when their client does.
const WAITING_THREADS_MAX: usize = 64;

// ANCHOR: run
/// Serves until the server is shut down; see [`Approach::run`].
///
/// # Errors
///
/// When no descriptor is left to wake `accept` with, or no thread to accept in.
pub fn run(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    let waker = AcceptWaker::new(&listener)?;
    let (turns, streams) = (Turns::new(listener), Streams::default());
    thread::scope(|scope| {
        spawn(scope, || accept_clients(&server, &turns, &streams, scope))?;
        server.shutdown.wait();
        waker.wake();
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
    server: &'scope Arc<Server>,
    turns: &'scope Turns,
    streams: &'scope Streams,
    scope: &'scope Scope<'scope, '_>,
) {
    while let Some((client, stream)) = turns.accept(server) {
        // Somebody has to wait for the next client while this thread serves.
        if turns.waiting() == 0 {
            let another = spawn(scope, || accept_clients(server, turns, streams, scope));
            if let Err(error) = another {
                // No thread left: the next client waits until this thread is back.
                server.accept_failed(&error);
            }
        }
        serve_client(client, streams.add(stream));
        if turns.waiting() >= WAITING_THREADS_MAX {
            break;
        }
    }
}
// ANCHOR_END: accept

// ANCHOR: serve
fn serve_client(client: Client, stream: Arc<TcpStream>) {
    let ended = thread::scope(|scope| {
        let ear = Ear::new(scope, &client, &stream)?;
        let sent = send_file(&client, &stream, &ear).and_then(|()| {
            stream.shutdown(Shutdown::Write)?;
            let linger = client.server().config.linger_timeout;
            drain_client(&client, &stream, Instant::now().checked_add(linger))
        });
        sent.and(ear.close())
    });
    client.ended(ended, &*stream);
}
// ANCHOR_END: serve

// ANCHOR: send
fn send_file(client: &Client, stream: &TcpStream, ear: &Ear) -> io::Result<()> {
    let server = client.server();
    let reply = Reply::open(server);
    let unsent = client.send_preamble(stream, &reply.preamble)?;
    send_bytes(client, stream, ear, unsent)?;
    let body = match reply.body {
        Ok(body) => body,
        Err(error) => {
            client.file_failed(&error);
            return Ok(());
        }
    };
    let file_bytes = body.bytes;
    match server.config.zero_copy {
        true => send_zero_copy(client, stream, ear, body)?,
        false => send_copied(client, stream, ear, body)?,
    }
    client.file_ended(file_bytes);
    Ok(())
}
// ANCHOR_END: send

// ANCHOR: copy
fn send_copied(client: &Client, stream: &TcpStream, ear: &Ear, body: Body) -> io::Result<()> {
    let mut chunks = Chunks::new(body, client.server());
    while chunks.advance() {
        chunks = chunks.read()?;
        let started = client.chunk_started();
        send_bytes(client, stream, ear, chunks.bytes())?;
        client.chunk_sent(chunks.bytes().len(), started);
    }
    Ok(())
}

/// `write_all`, but what the kernel took is counted even if the rest fails.
fn send_bytes(
    client: &Client,
    mut stream: &TcpStream,
    ear: &Ear,
    mut bytes: &[u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = ear.hear_while(|| stream.write(bytes))?;
        client.sent(sent);
        bytes = &bytes[sent..];
    }
    Ok(())
}
// ANCHOR_END: copy

// ANCHOR: zero_copy
fn send_zero_copy(client: &Client, stream: &TcpStream, ear: &Ear, body: Body) -> io::Result<()> {
    for chunk_bytes in body.chunks(&client.server().config) {
        let started = client.chunk_started();
        let mut left_bytes = chunk_bytes;
        while left_bytes > 0 {
            let sent = ear.hear_while(|| body.sendfile(stream, left_bytes))?;
            client.sent(sent);
            left_bytes -= sent;
        }
        client.chunk_sent(chunk_bytes, started);
    }
    Ok(())
}
// ANCHOR_END: zero_copy

// ANCHOR: drain
/// Hears the client until its end, or until then.
fn drain_client(client: &Client, mut stream: &TcpStream, until: Option<Instant>) -> io::Result<()> {
    let mut buffer = [0; DRAIN_BYTES];
    loop {
        if let Some(until) = until {
            // Zero would mean for ever.
            let left = until.saturating_duration_since(Instant::now());
            stream.set_read_timeout(Some(left.max(Duration::from_micros(1))))?;
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => client.received(&buffer[..read]),
            Err(error) if is_over(&error) => {}
            Err(error) => return Err(error),
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            return client.let_go();
        }
    }
}
// ANCHOR_END: drain
