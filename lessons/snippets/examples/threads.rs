//! The server of exercise 03, and the first two steps toward the std sibling (lesson 03).
#![allow(clippy::print_stdout, reason = "the output of an example is its purpose")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use std::{env, thread};

type Serve = fn(&TcpListener, &str) -> io::Result<()>;

fn main() -> io::Result<()> {
    let usage = || io::Error::other("usage: threads FILE");
    let path = env::args().nth(1).ok_or_else(usage)?;
    let servers: [(&str, Serve); 3] =
        [("start", one_at_a_time), ("step 1", survives_errors), ("step 2", thread_per_connection)];
    for (name, serve) in servers {
        match second_client_wait(serve, path.clone()) {
            Ok(wait) => println!("{name}: received the first byte after {} ms", wait.as_millis()),
            Err(error) => println!("{name}: received nothing: {error}"),
        }
    }
    Ok(())
}

// ANCHOR: start
fn one_at_a_time(listener: &TcpListener, path: &str) -> io::Result<()> {
    for stream in listener.incoming() {
        handle_connection(stream?, path)?;
    }
    Ok(())
}

fn handle_connection(mut stream: TcpStream, path: &str) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1\n\n")?;
    let mut file = File::open(path)?;
    io::copy(&mut file, &mut stream)?;
    Ok(())
}
// ANCHOR_END: start

fn survives_errors(listener: &TcpListener, path: &str) -> io::Result<()> {
    // ANCHOR: errors
    for stream in listener.incoming() {
        let _ = stream.and_then(|stream| handle_connection(stream, path));
    }
    // ANCHOR_END: errors
    Ok(())
}

fn thread_per_connection(listener: &TcpListener, path: &str) -> io::Result<()> {
    // ANCHOR: threads
    for stream in listener.incoming() {
        let path = path.to_owned();
        thread::spawn(move || stream.and_then(|stream| handle_connection(stream, &path)));
    }
    // ANCHOR_END: threads
    Ok(())
}

/// Returns how long a second client waits for its first byte. The first client reads one byte,
/// stays connected for half a second, and disconnects.
fn second_client_wait(serve: Serve, path: String) -> io::Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || serve(&listener, &path));

    let mut first = TcpStream::connect(address)?;
    first.read_exact(&mut [0])?;
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        drop(first);
    });
    let started = Instant::now();
    let mut second = TcpStream::connect(address)?;
    second.read_exact(&mut [0])?;
    Ok(started.elapsed())
}
