//! This answer is incorrect because the server waits forever for the missing bytes if the file
//! becomes shorter.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, thread};

#[cfg(target_os = "linux")]
use rustix::fs::sendfile;

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
/// The maximum number of bytes per `sendfile` call. A larger maximum reduces the number of calls.
#[cfg(target_os = "linux")]
const CALL_BYTES: usize = 1024 * 1024;

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let file: Arc<Path> = file.into();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let file = Arc::clone(&file);
                thread::spawn(move || handle_connection(&stream, &file));
            }
            // If no file descriptor is left, `accept` fails immediately, so wait a moment.
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Serves one client. An error ends only the connection to this client.
fn handle_connection(stream: &TcpStream, file: &Path) -> io::Result<()> {
    thread::scope(|scope| {
        scope.spawn(|| drain(stream));
        let sent = send_file(stream, file);
        if sent.is_err() {
            // Sending failed. Shut down both directions, so that the draining thread ends.
            let _ = stream.shutdown(Shutdown::Both);
        }
        sent
    })
}

/// Sends the preamble, the file and the server's FIN.
fn send_file(mut stream: &TcpStream, file: &Path) -> io::Result<()> {
    stream.write_all(PREAMBLE)?;
    if let Ok(file) = File::open(file) {
        let bytes = file.metadata()?.len();
        send_contents(stream, &file, bytes)?;
    }
    stream.shutdown(Shutdown::Write)
}

/// Sends `bytes` bytes of the file with `sendfile`. Fails if the file becomes shorter.
#[cfg(target_os = "linux")]
fn send_contents(stream: &TcpStream, file: &File, bytes: u64) -> io::Result<()> {
    let mut left = bytes;
    while left > 0 {
        let most = usize::try_from(left).map_or(CALL_BYTES, |left| left.min(CALL_BYTES));
        left -= sendfile(stream, file, None, most)? as u64;
    }
    Ok(())
}

/// Sends `bytes` bytes of the file through a buffer, on systems other than Linux.
#[cfg(not(target_os = "linux"))]
fn send_contents(mut stream: &TcpStream, file: &File, bytes: u64) -> io::Result<()> {
    let sent = io::copy(&mut file.take(bytes), &mut stream)?;
    if sent < bytes {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
    }
    Ok(())
}

/// Reads and discards the client's data until the client's FIN arrives.
fn drain(mut stream: &TcpStream) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|bytes| bytes > 0) {}
}

fn arguments() -> (PathBuf, u16) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("usage: exercise-18 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT must be a number from 0 to 65535"))
}
