//! One of many solutions to exercise 02.

use std::env;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};

/// The preamble of the original Node server, which is not quite HTTP. The status is missing, and
/// the lines end with `\n`.
const PREAMBLE: &[u8; 10] = b"HTTP/1.1\n\n";

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
