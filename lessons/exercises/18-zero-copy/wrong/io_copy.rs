//! Leaves it to io::copy, which once used sendfile.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, thread};

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let file: Arc<Path> = file.into();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let file = Arc::clone(&file);
                thread::spawn(move || serve_client(&stream, &file));
            }
            // No descriptor left, say: that passes.
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Serves one client; an error ends this connection only.
fn serve_client(stream: &TcpStream, file: &Path) -> io::Result<()> {
    thread::scope(|scope| {
        scope.spawn(|| hear_client(stream));
        let sent = send_file(stream, file);
        if sent.is_err() {
            // Nobody has to be heard any more.
            let _ = stream.shutdown(Shutdown::Both);
        }
        sent
    })
}

/// The preamble, the file, and our FIN.
fn send_file(mut stream: &TcpStream, file: &Path) -> io::Result<()> {
    stream.write_all(PREAMBLE)?;
    if let Ok(file) = File::open(file) {
        let bytes = file.metadata()?.len();
        send_bytes(stream, &file, bytes)?;
    }
    stream.shutdown(Shutdown::Write)
}

/// So many bytes of the file; an error if it turns out to be shorter.
fn send_bytes(mut stream: &TcpStream, file: &File, bytes: u64) -> io::Result<()> {
    let sent = io::copy(&mut file.take(bytes), &mut stream)?;
    if sent < bytes {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
    }
    Ok(())
}

/// Reads what the client says, and throws it away, until its FIN.
fn hear_client(mut stream: &TcpStream) {
    let mut words = [0; 4096];
    while stream.read(&mut words).is_ok_and(|bytes| bytes > 0) {}
}

fn arguments() -> (PathBuf, u16) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("say: exercise-18 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT is a number up to 65535"))
}
