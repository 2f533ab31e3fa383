//! Floors: the least that has to be done, so that it can be seen how far above it a server is.
//!
//! One thread, one client at a time, no log, no limits, and what a client says is read only at the
//! end. They are written as siblings are, so that all else around them is the same; they are nothing
//! to use.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use serve_core::{Approach, Server};

use super::BARE;

/// From memory to the socket, a chunk a write: what copy mode would be without a file.
pub const FLOOR_MEMORY: Approach = Approach {
    name: "floor-memory",
    summary: "A floor: from memory to the socket, without a file.",
    has_workers: false,
    max_connections: 1,
    run: run_memory,
};

/// One `sendfile` after another: what zero-copy would be without a server around it.
#[cfg(target_os = "linux")]
pub const FLOOR_SENDFILE: Approach = Approach {
    name: "floor-sendfile",
    summary: "A floor: one sendfile after another.",
    has_workers: false,
    max_connections: 1,
    run: run_sendfile,
};

fn run_memory(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    let reply = [BARE, &fs::read(&server.config.file)?].concat();
    let chunk_bytes = server.config.chunk_bytes;
    serve(&listener, &server, |mut stream| {
        reply.chunks(chunk_bytes).try_for_each(|chunk| stream.write_all(chunk))
    })
}

#[cfg(target_os = "linux")]
fn run_sendfile(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    use rustix::net::SendFlags;

    let file = fs::File::open(&server.config.file)?;
    let file_bytes = file.metadata()?.len();
    serve(&listener, &server, |stream| {
        rustix::net::send(stream, BARE, SendFlags::MORE | SendFlags::NOSIGNAL)?;
        let mut sent_bytes = 0;
        while sent_bytes < file_bytes {
            let chunk_bytes = server.config.chunk_bytes;
            match rustix::fs::sendfile(stream, &file, Some(&mut sent_bytes), chunk_bytes)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => continue,
            }
        }
        Ok(())
    })
}

/// Serves one client after another until the server is shut down.
fn serve(
    listener: &TcpListener,
    server: &Server,
    send: impl Fn(&TcpStream) -> io::Result<()>,
) -> io::Result<()> {
    let addr = listener.local_addr()?;
    thread::scope(|scope| {
        scope.spawn(|| {
            server.shutdown.wait();
            // The listener is on the loopback address, so a connection ends `accept`.
            drop(TcpStream::connect(addr));
        });
        loop {
            let accepted = listener.accept();
            if server.shutdown.is_requested() {
                return Ok(());
            }
            // A client that is gone is no reason to stop.
            if let Ok((stream, _)) = accepted {
                let _ = send(&stream).and_then(|()| end(&stream));
            }
        }
    })
}

/// Closing with something unread would destroy what is still under way.
fn end(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let mut unread = [0; 4096];
    while stream.read(&mut unread)? > 0 {}
    Ok(())
}
