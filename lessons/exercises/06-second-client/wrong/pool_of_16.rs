//! This answer is incorrect because sixteen non-reading clients occupy all sixteen threads.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

const PREAMBLE: &[u8; 10] = b"HTTP/1.1\n\n";

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let (sender, receiver) = mpsc::channel::<(TcpStream, SocketAddr)>();
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..16 {
        let (receiver, file) = (Arc::clone(&receiver), file.clone());
        thread::spawn(move || {
            loop {
                let connection =
                    receiver.lock().expect("no thread panics while it holds the lock").recv();
                let Ok((stream, peer)) = connection else { return };
                if let Err(error) = handle_connection(stream, &file) {
                    eprintln!("{peer}: {error}");
                }
            }
        });
    }
    println!("listening on 127.0.0.1:{port}");
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                // One of the idle threads receives the connection.
                let _ = sender.send((stream, peer));
            }
            Err(error) => {
                eprintln!("cannot accept a client: {error}");
                // If no file descriptor is left, `accept` fails immediately, so wait a moment.
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

fn handle_connection(mut stream: TcpStream, path: &str) -> io::Result<()> {
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

fn arguments() -> (String, u16) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, port] = arguments.as_slice() else { panic!("usage: exercise-06 FILE PORT") };
    (file.clone(), port.parse().expect("PORT must be a number from 0 to 65535"))
}
