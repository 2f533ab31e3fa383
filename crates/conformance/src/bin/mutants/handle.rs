//! One connection, from its first byte to its end.

use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::connection::{Connection, reset_on_close};
use crate::mutant::Mutant;
use crate::reply::send_file;

/// The stack size of a thread. std's default of 2 MiB is more than a thread needs to copy bytes.
pub const STACK_BYTES: usize = 128 * 1024;

/// Serves one connection from the first byte to its end.
pub fn handle_connection(connection: Connection) {
    let (server, stream) = (&connection.server, connection.stream());
    match server.options.mutant {
        Some(Mutant::AcceptThenWait) => _ = stream.peek(&mut [0]),
        Some(Mutant::WaitsALittle) => {
            let _ = stream.set_read_timeout(Some(Duration::from_millis(330)));
            let _ = stream.peek(&mut [0]);
            let _ = stream.set_read_timeout(None);
        }
        _ => {}
    }
    let path = match server.is_mutant(Mutant::RequestChoosesFile) {
        true => path_of_request(&server.options.file, stream),
        false => server.options.file.clone(),
    };
    let ended = thread::scope(|scope| {
        let connection = &connection;
        let (sender, drained) = mpsc::channel();
        let reader = move || sender.send(drain(connection));
        let thread = thread::Builder::new().stack_size(STACK_BYTES);
        let sent = match server.options.mutant {
            Some(Mutant::WriteAndClose) => send_file(connection, &path),
            Some(Mutant::NeverReads) => {
                let sent = send_file(connection, &path);
                thread.spawn_scoped(scope, reader)?;
                sent
            }
            _ => {
                // A thread that is blocked in `write` cannot read, so a second thread reads.
                thread.spawn_scoped(scope, reader)?;
                send_file(connection, &path)
            }
        };
        let ended = sent.and_then(|()| lingering_close(connection, &drained));
        // Wakes the reader thread if it is still blocked in `read`.
        let _ = stream.shutdown(Shutdown::Both);
        ended
    });
    connection.finish(ended);
}

/// Ends the reply: shuts down the write half, and waits until the client has closed its side or the
/// linger timeout has expired. If the server closed the socket earlier, the kernel would answer
/// further data from the client with a RST.
fn lingering_close(connection: &Connection, drained: &Receiver<io::Result<()>>) -> io::Result<()> {
    let (server, stream) = (&connection.server, connection.stream());
    match server.options.mutant {
        Some(Mutant::CloseWithoutDrain | Mutant::WriteAndClose) => return Ok(()),
        Some(Mutant::NoFin) => return drained.recv().unwrap_or(Ok(())),
        _ => stream.shutdown(Shutdown::Write)?,
    }
    if server.is_mutant(Mutant::NeverLetsGo) {
        return drained.recv().unwrap_or(Ok(()));
    }
    let received = connection.received.load(SeqCst);
    drained.recv_timeout(server.options.linger_timeout).unwrap_or_else(|_| {
        // A client that still sends data would block when its send buffer is full. The RST ends
        // that.
        if connection.received.load(SeqCst) > received {
            reset_on_close(stream);
        }
        Ok(())
    })
}

/// Returns the path of the file that `GET /name` requests, if the request arrives within 50 ms, as
/// [`Mutant::RequestChoosesFile`] does.
fn path_of_request(default: &Path, stream: &TcpStream) -> PathBuf {
    let mut request = [0; 512];
    let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
    let read = stream.peek(&mut request).unwrap_or(0);
    let _ = stream.set_read_timeout(None);
    let request = String::from_utf8_lossy(&request[..read]);
    let name = request.strip_prefix("GET /").and_then(|rest| rest.split(' ').next());
    match name.and_then(|name| Path::new(name).file_name()) {
        Some(name) => default.with_file_name(name),
        None => default.to_owned(),
    }
}

/// Reads and discards what the client sends until end of file. End of file only means that the
/// client sends no more data; the reply continues.
fn drain(connection: &Connection) -> io::Result<()> {
    let mut stream = connection.stream();
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => {
                match connection.server.options.mutant {
                    Some(Mutant::HalfCloseAsGoodbye) => _ = stream.shutdown(Shutdown::Both),
                    // The loop would never end. Three seconds are long enough for the check.
                    Some(Mutant::SpinsAfterFin)
                        if connection.connected_at.elapsed() < Duration::from_secs(3) =>
                    {
                        continue;
                    }
                    _ => {}
                }
                return Ok(());
            }
            Ok(read) => connection.record_received(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
