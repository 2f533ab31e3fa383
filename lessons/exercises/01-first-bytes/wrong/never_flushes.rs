//! Wrong: what it says stays in its own buffer, since it keeps the writer for later.

use std::env;
use std::io::{self, BufWriter, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let port = port();
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on 127.0.0.1:{port}");
    let mut clients = Vec::new();
    for stream in listener.incoming() {
        serve_client(stream?, &mut clients)?;
    }
    Ok(())
}

fn serve_client(stream: TcpStream, clients: &mut Vec<BufWriter<TcpStream>>) -> io::Result<()> {
    let mut writer = BufWriter::new(stream);
    writer.write_all(b"Hello\n")?;
    clients.push(writer);
    Ok(())
}

fn port() -> u16 {
    let port = env::args().nth(2).expect("say: exercise-01 FILE PORT");
    port.parse().expect("PORT is a number up to 65535")
}
