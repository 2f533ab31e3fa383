//! Exercise 02, the preamble: ten bytes, exactly.
//!
//! `exercise-02 FILE PORT` listens on 127.0.0.1. FILE is not used yet; exercise 03 will.

use std::env;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let port = port();
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on 127.0.0.1:{port}");
    for stream in listener.incoming() {
        serve_client(stream?)?;
    }
    Ok(())
}

fn serve_client(mut stream: TcpStream) -> io::Result<()> {
    // Your turn: not this, but what the note's server in Node says.
    stream.write_all(b"Hello\n")
}

fn port() -> u16 {
    let port = env::args().nth(2).expect("say: exercise-02 FILE PORT");
    port.parse().expect("PORT is a number up to 65535")
}
