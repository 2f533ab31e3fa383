//! This answer is incorrect because the empty line after `HTTP/1.1` is missing.

use std::env;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};

const PREAMBLE: &[u8] = b"HTTP/1.1\n";

fn main() -> io::Result<()> {
    let port = port();
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on 127.0.0.1:{port}");
    for stream in listener.incoming() {
        handle_connection(stream?)?;
    }
    Ok(())
}

fn handle_connection(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(PREAMBLE)
}

fn port() -> u16 {
    let port = env::args().nth(2).expect("usage: exercise-02 FILE PORT");
    port.parse().expect("PORT must be a number from 0 to 65535")
}
