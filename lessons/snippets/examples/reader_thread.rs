//! Runs a client that sends data before it reads, with servers that use one or two threads per
//! connection (lesson 03).
#![allow(clippy::print_stdout, reason = "the output of an example is its purpose")]

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;
use std::{env, thread};

const UPLOAD: &[u8] = &[0; 20_000_000];

type Handle = fn(&TcpStream, &str) -> io::Result<()>;

fn main() -> io::Result<()> {
    let usage = || io::Error::other("usage: reader_thread FILE");
    let path = env::args().nth(1).ok_or_else(usage)?;
    let handlers: [(&str, Handle); 2] = [("step 2", one_thread), ("step 3", two_threads)];
    for (name, handle) in handlers {
        println!("{name}: {}", upload(handle, path.clone())?);
    }
    Ok(())
}

// ANCHOR: send_file
fn send_file(mut stream: &TcpStream, path: &str) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1\n\n")?;
    let mut file = File::open(path)?;
    io::copy(&mut file, &mut stream)?;
    Ok(())
}

/// Reads and discards what the client sends, until its FIN or an error.
fn drain(mut stream: &TcpStream) {
    let _ = io::copy(&mut stream, &mut io::sink());
}
// ANCHOR_END: send_file

fn one_thread(stream: &TcpStream, path: &str) -> io::Result<()> {
    send_file(stream, path)
}

// ANCHOR: two_threads
fn two_threads(stream: &TcpStream, path: &str) -> io::Result<()> {
    thread::scope(|scope| {
        scope.spawn(|| drain(stream));
        let sent = send_file(stream, path);
        // The reply is complete, so send the server's FIN.
        let ended = stream.shutdown(Shutdown::Write);
        sent.and(ended)
    })
}
// ANCHOR_END: two_threads

/// Runs a client that uploads data before it reads, and describes the result.
fn upload(handle: Handle, path: String) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    thread::spawn(move || listener.accept().and_then(|(stream, _)| handle(&stream, &path)));

    client.set_write_timeout(Some(Duration::from_secs(1)))?;
    let mut sent = 0;
    while sent < UPLOAD.len() {
        match client.write(&UPLOAD[sent..]) {
            Ok(bytes) => sent += bytes,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(format!("sent {sent} bytes, then no more within 1 s"));
            }
            Err(error) => return Err(error),
        }
    }
    client.shutdown(Shutdown::Write)?;
    let received = io::copy(&mut client, &mut io::sink())?;
    Ok(format!("sent {sent} bytes, then received {received} bytes"))
}
