//! One of many solutions to exercise 09.

use std::env;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

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

fn handle_connection(stream: TcpStream, path: &str, linger: Duration) -> io::Result<()> {
    send_file(&stream, path)?;
    // The reply is complete. Send the server's FIN.
    stream.shutdown(Shutdown::Write)?;
    drain(&stream, linger)
}

/// Drains until the client's FIN arrives, for at most `linger` in total.
fn drain(mut stream: &TcpStream, linger: Duration) -> io::Result<()> {
    let until = Instant::now() + linger;
    let mut buffer = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(()),
                _ => return Err(error),
            },
        }
    }
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
