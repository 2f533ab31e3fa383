//! This answer is incorrect because Content-Length must not include the length of the header.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const PREAMBLE: &[u8; 10] = b"HTTP/1.1\n\n";

fn main() -> io::Result<()> {
    let (file, port, is_http) = arguments();
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on 127.0.0.1:{port}");
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                let file = file.clone();
                thread::spawn(move || {
                    if let Err(error) = handle_connection(stream, &file, is_http) {
                        eprintln!("{peer}: {error}");
                    }
                });
            }
            Err(error) => {
                eprintln!("cannot accept a client: {error}");
                // If no file descriptor is left, `accept` fails immediately, so wait a moment.
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

fn handle_connection(stream: TcpStream, path: &str, is_http: bool) -> io::Result<()> {
    let sent = send_file(&stream, path, is_http);
    stream.shutdown(Shutdown::Write)?;
    sent.and(drain(&stream))
}

fn send_file(mut stream: &TcpStream, path: &str, is_http: bool) -> io::Result<()> {
    // Open the file before sending the header, because the header contains the file's length.
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    match &opened {
        _ if !is_http => stream.write_all(PREAMBLE)?,
        Ok((bytes, _)) => stream.write_all(header("200 OK", *bytes).as_bytes())?,
        Err(_) => stream.write_all(header("404 Not Found", 0).as_bytes())?,
    }
    let (bytes, file) = opened?;
    // Send only the number of bytes that the header states, even if the file has grown.
    io::copy(&mut file.take(bytes), &mut stream)?;
    Ok(())
}

fn header(status: &str, bytes: u64) -> String {
    format!(
        "HTTP/1.1 {status}\r\n\
         Content-Type: application/octet-stream\r\n\
         Content-Length: {}\r\n\
         Connection: close\r\n\
         \r\n",
        bytes + 100
    )
}

/// Drains until the client's FIN arrives, for at most 5 seconds (see exercise 09).
fn drain(mut stream: &TcpStream) -> io::Result<()> {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        if left.is_zero() || stream.read(&mut [0; 4096])? == 0 {
            return Ok(());
        }
    }
}

fn arguments() -> (String, u16, bool) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, port, preamble] = arguments.as_slice() else {
        panic!("usage: exercise-11 FILE PORT bare|http")
    };
    (file.clone(), port.parse().expect("PORT must be a number from 0 to 65535"), preamble == "http")
}
