//! The server of exercise 02, which must send exactly ten bytes.
//!
//! `exercise-02 FILE PORT` listens on 127.0.0.1. FILE is first used in exercise 03.

use std::env;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};

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
    // Your turn: instead of these bytes, send the preamble of the original Node server.
    stream.write_all(b"Hello\n")
}

fn port() -> u16 {
    let port = env::args().nth(2).expect("usage: exercise-02 FILE PORT");
    port.parse().expect("PORT must be a number from 0 to 65535")
}
