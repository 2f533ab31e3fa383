//! This answer is incorrect because the server exits after its first client.

use std::env;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let port = port();
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on 127.0.0.1:{port}");
    let (stream, _) = listener.accept()?;
    handle_connection(stream)
}

fn handle_connection(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(b"Hello\n")
}

fn port() -> u16 {
    let port = env::args().nth(2).expect("usage: exercise-01 FILE PORT");
    port.parse().expect("PORT must be a number from 0 to 65535")
}
