//! One of many solutions to exercise 24.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const PREAMBLE: &[u8; 10] = b"HTTP/1.1\n\n";

fn main() -> io::Result<()> {
    let (file, port, workers) = arguments();
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on 127.0.0.1:{port} with {workers} workers");
    // All workers call `accept` on the same listener. The kernel gives each client to one worker.
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| serve_clients(&listener, &file));
        }
    });
    Ok(())
}

/// Serves clients one after another. While all workers serve clients, no thread calls `accept`, and
/// new clients wait in the accept queue.
fn serve_clients(listener: &TcpListener, path: &str) {
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                if let Err(error) = handle_connection(stream, path) {
                    eprintln!("{peer}: {error}");
                }
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
    println!("{:?} serves a client", thread::current().id());
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

fn arguments() -> (String, u16, usize) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, port, workers] = arguments.as_slice() else {
        panic!("usage: exercise-24 FILE PORT WORKERS")
    };
    let port = port.parse().expect("PORT must be a number from 0 to 65535");
    (file.clone(), port, workers.parse().expect("WORKERS must be a whole number"))
}
