//! This answer is incorrect because the server writes to a `BufWriter` and never flushes the
//! buffer.

use std::env;
use std::io::{self, BufWriter, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let port = port();
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on 127.0.0.1:{port}");
    let mut writers = Vec::new();
    for stream in listener.incoming() {
        handle_connection(stream?, &mut writers)?;
    }
    Ok(())
}

fn handle_connection(stream: TcpStream, writers: &mut Vec<BufWriter<TcpStream>>) -> io::Result<()> {
    let mut writer = BufWriter::new(stream);
    writer.write_all(b"Hello\n")?;
    writers.push(writer);
    Ok(())
}

fn port() -> u16 {
    let port = env::args().nth(2).expect("usage: exercise-01 FILE PORT");
    port.parse().expect("PORT must be a number from 0 to 65535")
}
