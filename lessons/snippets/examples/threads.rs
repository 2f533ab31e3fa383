//! How long a second client waits for the first one, without threads and with one thread per
//! connection: lesson 03.
#![allow(clippy::print_stdout, reason = "the output of an example is its purpose")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

fn main() -> io::Result<()> {
    println!("one at a time: the second client waited {} ms", waited(one_at_a_time)?);
    println!("with threads:  the second client waited {} ms", waited(thread_per_connection)?);
    Ok(())
}

// ANCHOR: serve
/// Sends ten bytes, and drains until the client closes the connection.
fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1\n\n")?;
    stream.shutdown(Shutdown::Write)?;
    io::copy(&mut stream, &mut io::sink())?;
    Ok(())
}
// ANCHOR_END: serve

// ANCHOR: one
fn one_at_a_time(listener: TcpListener) {
    for stream in listener.incoming() {
        let _ = stream.and_then(serve);
    }
}
// ANCHOR_END: one

// ANCHOR: each
fn thread_per_connection(listener: TcpListener) {
    for stream in listener.incoming() {
        thread::spawn(move || stream.and_then(serve));
    }
}
// ANCHOR_END: each

/// Returns how many milliseconds the second client waits. It connects after the first client has
/// received everything, and the first client stays connected for half a second more.
fn waited(server: fn(TcpListener)) -> io::Result<u128> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || server(listener));

    let mut first = TcpStream::connect(address)?;
    first.read_to_end(&mut Vec::new())?;
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        drop(first);
    });
    let started = Instant::now();
    let mut second = TcpStream::connect(address)?;
    second.read_to_end(&mut Vec::new())?;
    Ok(started.elapsed().as_millis())
}
