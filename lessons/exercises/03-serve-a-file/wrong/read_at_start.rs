//! This answer is incorrect because every client receives the content that the file had when the
//! server started.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};

const PREAMBLE: &[u8; 10] = b"HTTP/1.1\n\n";

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let content = fs::read(file)?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on 127.0.0.1:{port}");
    for stream in listener.incoming() {
        handle_connection(stream?, &content)?;
    }
    Ok(())
}

fn handle_connection(mut stream: TcpStream, content: &[u8]) -> io::Result<()> {
    stream.write_all(PREAMBLE)?;
    stream.write_all(content)
}

fn arguments() -> (String, u16) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, port] = arguments.as_slice() else { panic!("usage: exercise-03 FILE PORT") };
    (file.clone(), port.parse().expect("PORT must be a number from 0 to 65535"))
}
