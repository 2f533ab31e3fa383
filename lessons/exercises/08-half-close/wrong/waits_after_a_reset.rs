//! Exercise 08, half-close: "I have no more to say" is not goodbye.
//!
//! `exercise-08 FILE PORT` listens on 127.0.0.1.

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
                    if let Err(error) = serve_client(stream, &file) {
                        eprintln!("{peer}: {error}");
                    }
                });
            }
            Err(error) => {
                eprintln!("accept: {error}");
                // If no descriptor is left, it would fail again at once, a million times a second.
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

fn serve_client(stream: TcpStream, path: &str) -> io::Result<()> {
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let sent = send_file(&stream, path);
            sent.and(stream.shutdown(Shutdown::Write))
        });
        if hear_client(&stream).is_err() {
            // It may come back.
            thread::sleep(Duration::from_secs(20));
        }
        sending.join().expect("sending does not panic")
    })
}

/// Reads until the client's FIN, which is a read of 0 bytes, or an error.
fn hear_client(mut stream: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

fn send_file(mut stream: &TcpStream, path: &str) -> io::Result<()> {
    stream.write_all(PREAMBLE)?;
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 4096];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&chunk[..read])?;
    }
}

fn arguments() -> (String, u16) {
    let words: Vec<String> = env::args().skip(1).collect();
    let [file, port] = words.as_slice() else { panic!("say: exercise-08 FILE PORT") };
    (file.clone(), port.parse().expect("PORT is a number up to 65535"))
}
