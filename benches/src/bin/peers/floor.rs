//! The least that a right server can do: one thread, one client at a time, one `sendfile` loop.
//!
//! It reads what the client says only at the end, since closing with something unread would destroy
//! what is under way; it logs nothing, it knows no limits, and it is no server to use.

use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::ExitCode;

use rustix::net::SendFlags;
use socket2::{Domain, Socket, Type};

/// The hidden first argument.
pub const ARGUMENT: &str = "floor";

const BACKLOG: i32 = 4096;

/// As `peers floor FILE PORT`, this program is the floor.
pub fn main_of_floor() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != ARGUMENT {
        return None;
    }
    let (file, port) = (args.next()?, args.next()?.into_string().ok()?.parse().ok()?);
    Some(match serve(Path::new(&file), port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = io::Write::write_all(&mut io::stderr(), format!("{error}\n").as_bytes());
            ExitCode::FAILURE
        }
    })
}

fn serve(path: &Path, port: u16) -> io::Result<()> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(BACKLOG)?;
    let listener: TcpListener = socket.into();
    loop {
        // A client that is gone is no reason to stop.
        if let Ok((stream, _)) = listener.accept() {
            let _ = send(&stream, &file, bytes);
        }
    }
}

fn send(mut stream: &TcpStream, file: &File, bytes: u64) -> io::Result<()> {
    rustix::net::send(stream, b"HTTP/1.1\n\n", SendFlags::MORE | SendFlags::NOSIGNAL)?;
    let mut sent = 0;
    while sent < bytes {
        // The kernel takes 2 GiB less a page at most.
        let left = usize::try_from(bytes - sent).unwrap_or(usize::MAX);
        if rustix::fs::sendfile(stream, file, Some(&mut sent), left)? == 0 {
            break;
        }
    }
    stream.shutdown(Shutdown::Write)?;
    let mut unread = [0; 4096];
    while stream.read(&mut unread)? > 0 {}
    Ok(())
}
