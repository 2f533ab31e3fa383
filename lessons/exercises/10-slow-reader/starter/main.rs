//! Exercise 10, a slow reader: who waits holds nothing that others need.
//!
//! `exercise-10 FILE PORT` listens on 127.0.0.1. Only one thread at a time may read from the disk.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const PREAMBLE: &[u8; 10] = b"HTTP/1.1\n\n";

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let disk = Arc::new(Mutex::new(()));
    println!("listening on 127.0.0.1:{port}");
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                let (file, disk) = (file.clone(), Arc::clone(&disk));
                thread::spawn(move || {
                    if let Err(error) = serve_client(stream, &file, &disk) {
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

fn serve_client(stream: TcpStream, path: &str, disk: &Mutex<()>) -> io::Result<()> {
    send_file(&stream, path, disk)?;
    stream.shutdown(Shutdown::Write)
}

fn send_file(mut stream: &TcpStream, path: &str, disk: &Mutex<()>) -> io::Result<()> {
    stream.write_all(PREAMBLE)?;
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 64 * 1024];
    loop {
        // Your turn: an old disk is slow when many read at once, so they take turns. For how long?
        let turn = disk.lock().expect("nobody panics in his turn");
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&chunk[..read])?;
        drop(turn);
    }
}

fn arguments() -> (String, u16) {
    let words: Vec<String> = env::args().skip(1).collect();
    let [file, port] = words.as_slice() else { panic!("say: exercise-10 FILE PORT") };
    (file.clone(), port.parse().expect("PORT is a number up to 65535"))
}
