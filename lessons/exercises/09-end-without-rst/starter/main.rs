//! The server of exercise 09, which must close a connection without losing data that it has sent.
//!
//! `exercise-09 FILE PORT LINGER_SECONDS` listens on 127.0.0.1.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const PREAMBLE: &[u8; 10] = b"HTTP/1.1\n\n";

fn main() -> io::Result<()> {
    let (file, port, linger) = arguments();
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on 127.0.0.1:{port}");
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                let file = file.clone();
                thread::spawn(move || {
                    if let Err(error) = handle_connection(stream, &file, linger) {
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

fn handle_connection(stream: TcpStream, path: &str, _linger: Duration) -> io::Result<()> {
    send_file(&stream, path)?;
    // Your turn: the socket is closed here. What happens if the socket still contains unread data?
    Ok(())
}

fn send_file(mut stream: &TcpStream, path: &str) -> io::Result<()> {
    stream.write_all(PREAMBLE)?;
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&chunk[..read])?;
    }
}

fn arguments() -> (String, u16, Duration) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, port, linger] = arguments.as_slice() else {
        panic!("usage: exercise-09 FILE PORT LINGER_SECONDS")
    };
    let port = port.parse().expect("PORT must be a number from 0 to 65535");
    let linger = linger.parse().expect("LINGER_SECONDS must be a whole number");
    (file.clone(), port, Duration::from_secs(linger))
}
