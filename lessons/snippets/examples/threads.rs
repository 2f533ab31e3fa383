//! How long a second client waits for the first: one at a time, and a thread each. Lesson 03.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

fn main() -> io::Result<()> {
    println!("one at a time: the second client waited {} ms", waited(one_at_a_time)?);
    println!("a thread each: the second client waited {} ms", waited(a_thread_each)?);
    Ok(())
}

// ANCHOR: serve
/// Says ten bytes, and ends when the client does.
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
fn a_thread_each(listener: TcpListener) {
    for stream in listener.incoming() {
        thread::spawn(move || stream.and_then(serve));
    }
}
// ANCHOR_END: each

/// The first client stays for half a second after it has everything; the second comes meanwhile.
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
    let began = Instant::now();
    let mut second = TcpStream::connect(address)?;
    second.read_to_end(&mut Vec::new())?;
    Ok(began.elapsed().as_millis())
}
