//! A server that uses std's counterparts to Node's calls.
//!
//! Run the server with `cargo run -p snippets --example cheat-std`.

#![allow(clippy::print_stdout, reason = "an example may panic if its stdout is closed")]

#[path = "client.rs"]
mod client;

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::{panic, thread};

fn main() -> io::Result<()> {
    let listener = listen(0)?;
    let address = listener.local_addr()?;
    thread::spawn(move || create_server(listener));
    client::run(address)?;
    uncaught();
    Ok(())
}

fn listen(port: u16) -> io::Result<TcpListener> {
    // ANCHOR: listen
    TcpListener::bind(("127.0.0.1", port))
    // ANCHOR_END: listen
}

fn create_server(listener: TcpListener) -> io::Result<()> {
    // ANCHOR: create_server
    loop {
        let (stream, _peer) = listener.accept()?;
        thread::spawn(move || serve(stream));
    }
    // ANCHOR_END: create_server
}

fn serve(stream: TcpStream) {
    // ANCHOR: on_error
    if let Err(error) = reply(stream) {
        println!("error: {}", error.kind());
    }
    // ANCHOR_END: on_error
    // ANCHOR: on_close
    // `reply` owned the stream, so the stream is closed now, even after an error.
    println!("close");
    // ANCHOR_END: on_close
    client::CLOSED.wait();
}

/// Sends the file three times, each time with different calls.
fn reply(mut stream: TcpStream) -> io::Result<()> {
    drain(&mut stream)?;
    pipe(create_read_stream(client::FILE)?, &mut stream)?;
    send_chunks(create_read_stream(client::FILE)?, &mut stream)?;
    pipeline(create_read_stream(client::FILE)?, stream)
}

fn drain(stream: &mut TcpStream) -> io::Result<()> {
    // ANCHOR: on_data
    let mut buffer = [0; 8 * 1024];
    loop {
        let received = stream.read(&mut buffer)?;
        // ANCHOR: on_end
        if received == 0 {
            println!("end");
            return Ok(());
        }
        // ANCHOR_END: on_end
        println!("data: {received} bytes");
    }
    // ANCHOR_END: on_data
}

fn create_read_stream(path: &str) -> io::Result<File> {
    // ANCHOR: create_read_stream
    File::open(path)
    // ANCHOR_END: create_read_stream
}

fn pipe(mut file: File, stream: &mut TcpStream) -> io::Result<u64> {
    // ANCHOR: pipe
    io::copy(&mut file, stream)
    // ANCHOR_END: pipe
}

fn read_chunk(file: &mut File) -> io::Result<Vec<u8>> {
    // ANCHOR: high_water_mark
    let mut chunk = vec![0; 64 * 1024];
    let read = file.read(&mut chunk)?;
    chunk.truncate(read);
    // ANCHOR_END: high_water_mark
    Ok(chunk)
}

fn send_chunks(mut file: File, stream: &mut TcpStream) -> io::Result<()> {
    // ANCHOR: backpressure
    loop {
        let chunk = read_chunk(&mut file)?;
        if chunk.is_empty() {
            return Ok(());
        }
        // The loop reads the next chunk only after the kernel has accepted this chunk.
        stream.write_all(&chunk)?;
    }
    // ANCHOR_END: backpressure
}

fn pipeline(mut file: File, mut stream: TcpStream) -> io::Result<()> {
    // ANCHOR: pipeline
    io::copy(&mut file, &mut stream)?;
    stream.shutdown(Shutdown::Write)
    // ANCHOR_END: pipeline
}

fn uncaught() {
    panic::set_hook(Box::new(|_| println!("panic")));
    // ANCHOR: uncaught
    let thread = thread::spawn(|| panic!("a bug"));
    assert!(thread.join().is_err());
    // ANCHOR_END: uncaught
    println!("one thread has ended, and the process continues");
}
