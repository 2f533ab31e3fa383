//! The server of exercise 23, in which two threads must use one stream without cloning the stream.
//!
//! `exercise-23 FILE PORT` listens on 127.0.0.1.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const PREAMBLE: &[u8; 10] = b"HTTP/1.1\n\n";

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on 127.0.0.1:{port}");
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                let file = file.clone();
                thread::spawn(move || {
                    if let Err(error) = handle_connection(stream, &file) {
                        eprintln!("{peer}: {error}");
                    }
                });
            }
            Err(error) => {
                eprintln!("cannot accept a client: {error}");
                // If no file descriptor is left, `accept` fails immediately, so wait a moment.
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

fn handle_connection(stream: TcpStream, path: &str) -> io::Result<()> {
    // Your turn: start the second thread in a scope, so that both threads can borrow `stream`.
    let reader = stream.try_clone()?;
    thread::spawn(move || count_received(reader));
    send_file(stream, path)
}

/// Reads and counts the client's data until the client's FIN or an error.
fn count_received(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    let mut received = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        received += read;
    }
    println!("received {received} bytes");
}

fn send_file(mut stream: TcpStream, path: &str) -> io::Result<()> {
    stream.write_all(PREAMBLE)?;
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&chunk[..read])?;
    }
}

fn arguments() -> (String, u16) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, port] = arguments.as_slice() else { panic!("usage: exercise-23 FILE PORT") };
    (file.clone(), port.parse().expect("PORT must be a number from 0 to 65535"))
}
