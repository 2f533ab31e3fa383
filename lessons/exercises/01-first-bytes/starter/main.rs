//! The server of exercise 01, which must send the first byte.
//!
//! `exercise-01 FILE PORT` listens on 127.0.0.1. FILE is first used in exercise 03.

use std::env;
use std::io;
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

fn handle_connection(stream: TcpStream) -> io::Result<()> {
    // Your turn: write at least one byte to the client. Do not wait for data from the client.

    // Dropping the stream closes the socket, and the client receives the server's FIN.
    drop(stream);
    Ok(())
}

fn port() -> u16 {
    let port = env::args().nth(2).expect("usage: exercise-01 FILE PORT");
    port.parse().expect("PORT must be a number from 0 to 65535")
}
