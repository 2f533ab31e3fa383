//! Exercise 03, serve a file: bytes, not text, and opened anew for each client.
//!
//! `exercise-03 FILE PORT` listens on 127.0.0.1.

use std::env;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};

const PREAMBLE: &[u8; 10] = b"HTTP/1.1\n\n";

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on 127.0.0.1:{port}");
    for stream in listener.incoming() {
        serve_client(stream?, &file)?;
    }
    Ok(())
}

fn serve_client(mut stream: TcpStream, path: &str) -> io::Result<()> {
    println!("a client came for {path}");
    stream.write_all(PREAMBLE)
    // Your turn: then the file, as it is now and as it is, byte for byte.
}

fn arguments() -> (String, u16) {
    let words: Vec<String> = env::args().skip(1).collect();
    let [file, port] = words.as_slice() else { panic!("say: exercise-03 FILE PORT") };
    (file.clone(), port.parse().expect("PORT is a number up to 65535"))
}
