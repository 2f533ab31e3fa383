//! This answer is incorrect because the server reads in a loop after the client's FIN, although
//! every read returns 0 bytes immediately.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const PREAMBLE: &[u8; 10] = b"HTTP/1.1\n\n";

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on 127.0.0.1:{port}");
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                let file = file.clone();
                thread::spawn(move || {
                    if let Err(error) = handle_connection(stream, &file) {
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

fn handle_connection(stream: TcpStream, path: &str) -> io::Result<()> {
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let sent = send_file(&stream, path);
            sent.and(stream.shutdown(Shutdown::Write))
        });
        let drained = drain(&stream, || sending.is_finished());
        if drained.is_err() {
            // The client reset the connection. Stop the sending thread, so that it does not wait.
            let _ = stream.shutdown(Shutdown::Both);
        }
        sending.join().expect("the sending thread does not panic").and(drained)
    })
}

/// Reads and discards the client's data until the client's FIN (a read of 0 bytes) or an error.
fn drain(mut stream: &TcpStream, is_over: impl Fn() -> bool) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 || !is_over() {}
    Ok(())
}

fn send_file(mut stream: &TcpStream, path: &str) -> io::Result<()> {
    stream.write_all(PREAMBLE)?;
    let mut file = File::open(path)?;
    let mut chunk = [0; 1024];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&chunk[..read])?;
    }
}

fn arguments() -> (String, u16) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, port] = arguments.as_slice() else { panic!("usage: exercise-08 FILE PORT") };
    (file.clone(), port.parse().expect("PORT must be a number from 0 to 65535"))
}
