//! This answer is incorrect because the server waits half a second for a request.

use std::env;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

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
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    let _ = stream.read(&mut [0; 1024]);
    stream.write_all(b"Hello\n")
}

fn port() -> u16 {
    let port = env::args().nth(2).expect("usage: exercise-01 FILE PORT");
    port.parse().expect("PORT must be a number from 0 to 65535")
}
