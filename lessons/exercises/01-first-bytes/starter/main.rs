//! Exercise 01, first bytes: a server that speaks first.
//!
//! `exercise-01 FILE PORT` listens on 127.0.0.1. FILE is not used yet; exercise 03 will.

use std::env;
use std::io;
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

fn serve_client(stream: TcpStream) -> io::Result<()> {
    // Your turn: write a word to the client. It has said none, and need not.

    // What goes out of scope is closed: the client sees the end.
    drop(stream);
    Ok(())
}

fn port() -> u16 {
    let port = env::args().nth(2).expect("say: exercise-01 FILE PORT");
    port.parse().expect("PORT is a number up to 65535")
}
