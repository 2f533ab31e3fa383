//! Waits for the rest of a file that has become shorter.

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
/// As much as one call may send: less for others to wait for, more for fewer calls.
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

/// So many bytes of the file, by the kernel; an error if it turns out to be shorter.
#[cfg(target_os = "linux")]
fn send_bytes(stream: &TcpStream, file: &File, bytes: u64) -> io::Result<()> {
    let mut left = bytes;
    while left > 0 {
        let most = usize::try_from(left).map_or(CALL_BYTES, |left| left.min(CALL_BYTES));
        left -= sendfile(stream, file, None, most)? as u64;
    }
    Ok(())
}

/// The same where there is no such call, or another.
#[cfg(not(target_os = "linux"))]
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
