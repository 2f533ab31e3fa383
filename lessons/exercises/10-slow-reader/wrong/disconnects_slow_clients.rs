//! This answer is incorrect because the server disconnects a client if a write blocks for more than
//! two seconds.

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
                    if let Err(error) = handle_connection(stream, &file, &disk) {
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

fn handle_connection(stream: TcpStream, path: &str, disk: &Mutex<()>) -> io::Result<()> {
    send_file(&stream, path, disk)?;
    stream.shutdown(Shutdown::Write)
}

fn send_file(mut stream: &TcpStream, path: &str, disk: &Mutex<()>) -> io::Result<()> {
    stream.write_all(PREAMBLE)?;
    stream.set_write_timeout(Some(Duration::from_secs(2)))?;
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let guard = disk.lock().expect("no thread panics while it holds the lock");
        let read = file.read(&mut chunk)?;
        // Release the lock before the write, because the write blocks if the client does not read.
        drop(guard);
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&chunk[..read])?;
    }
}

fn arguments() -> (String, u16) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, port] = arguments.as_slice() else { panic!("usage: exercise-10 FILE PORT") };
    (file.clone(), port.parse().expect("PORT must be a number from 0 to 65535"))
}
