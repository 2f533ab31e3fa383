//! This answer is incorrect because the server sends a status, but the original Node server does
//! not send a status.

use std::env;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};

const PREAMBLE: &[u8] = b"HTTP/1.1 200 OK\n\n";

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
