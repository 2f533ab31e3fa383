//! This answer is incorrect because `io::copy` ignores CHUNK and uses a different buffer size.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};

const PREAMBLE: &[u8; 10] = b"HTTP/1.1\n\n";

fn main() -> io::Result<()> {
    let (file, port, chunk_bytes) = arguments();
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on 127.0.0.1:{port}");
    for stream in listener.incoming() {
        send_file(stream?, &file, chunk_bytes)?;
    }
    Ok(())
}

fn send_file(mut stream: TcpStream, path: &str, chunk_bytes: usize) -> io::Result<()> {
    stream.write_all(PREAMBLE)?;
    let mut file = File::open(path)?;
    println!("ignoring CHUNK {chunk_bytes}");
    io::copy(&mut file, &mut stream)?;
    Ok(())
}

fn arguments() -> (String, u16, usize) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, port, chunk] = arguments.as_slice() else {
        panic!("usage: exercise-04 FILE PORT CHUNK")
    };
    let port = port.parse().expect("PORT must be a number from 0 to 65535");
    (file.clone(), port, chunk.parse().expect("CHUNK must be a whole number of bytes"))
}
