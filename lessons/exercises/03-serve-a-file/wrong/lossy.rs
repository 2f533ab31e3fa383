//! This answer is incorrect because the server sends replacement characters for bytes that are not
//! valid UTF-8.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};

const PREAMBLE: &[u8; 10] = b"HTTP/1.1\n\n";

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on 127.0.0.1:{port}");
    for stream in listener.incoming() {
        handle_connection(stream?, &file)?;
    }
    Ok(())
}

fn handle_connection(mut stream: TcpStream, path: &str) -> io::Result<()> {
    println!("sending {path} to a client");
    stream.write_all(PREAMBLE)?;
    let bytes = fs::read(path)?;
    write!(stream, "{}", String::from_utf8_lossy(&bytes))
}

fn arguments() -> (String, u16) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, port] = arguments.as_slice() else { panic!("usage: exercise-03 FILE PORT") };
    (file.clone(), port.parse().expect("PORT must be a number from 0 to 65535"))
}
