//! Handles one connection, from its first byte to its end.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use std::{mem, process};

use serve_core::{ErrorKind, EventKind, Linger};

use crate::mutant::{self, Mutant};
use crate::reply::{Client, send_file};

/// The stack size of a thread, in bytes. std's default of 2 MiB is more than a thread needs to copy
/// bytes.
pub const STACK_BYTES: usize = 128 * 1024;

/// Serves one connection and logs its end.
pub fn handle_connection(client: Client) {
    let Client { stream, conn, .. } = &client;
    match mutant::active() {
        Some(Mutant::WaitsForRequest) => _ = stream.peek(&mut [0]),
        Some(Mutant::WaitsBriefly) => {
            let _ = stream.set_read_timeout(Some(Duration::from_millis(330)));
            let _ = stream.peek(&mut [0]);
            let _ = stream.set_read_timeout(None);
        }
        // While the pipe is full, the thread that prints the events holds the lock on stdout.
        Some(Mutant::WaitsForLog) => drop(io::stdout().lock()),
        Some(Mutant::ExitsOnClosedStdout) if writeln!(io::stdout(), "connected").is_err() => {
            process::exit(101);
        }
        _ => {}
    }
    let ended = serve(&client);
    let is_reset = |error: &io::Error| ErrorKind::of(error) == ErrorKind::ConnectionReset;
    if Mutant::ExitsOnReset.is_active() && ended.as_ref().is_err_and(is_reset) {
        process::exit(1);
    }
    conn.finish(ended, &**stream);
    if Mutant::DisconnectedTwice.is_active() {
        let kind = EventKind::Disconnected { conn: conn.id(), sent: 0, received: 0 };
        conn.server().log.record(kind);
    }
}

fn serve(client: &Client) -> io::Result<()> {
    thread::scope(|scope| {
        let (sender, drained) = mpsc::channel();
        let reader = move || sender.send(drain(client));
        let thread = thread::Builder::new().stack_size(STACK_BYTES);
        let sent = match mutant::active() {
            Some(Mutant::WriteAndClose) => send_file(client),
            Some(Mutant::NeverReads) => {
                let sent = send_file(client);
                thread.spawn_scoped(scope, reader)?;
                sent
            }
            _ => {
                // A thread that is blocked in `write` cannot read, so a second thread reads.
                thread.spawn_scoped(scope, reader)?;
                send_file(client)
            }
        };
        let ended = sent.and_then(|()| lingering_close(client, &drained));
        // Wakes the reader thread if it is still blocked in `read`.
        let _ = client.stream.shutdown(Shutdown::Both);
        ended
    })
}

/// Ends the reply. Shuts down the write half and waits until the client has shut down its write
/// half or the linger timeout has expired. If the server closed the socket earlier, the kernel
/// would answer further data from the client with an RST.
fn lingering_close(client: &Client, drained: &Receiver<io::Result<()>>) -> io::Result<()> {
    client.has_ended_reply.store(true, Ordering::Relaxed);
    match mutant::active() {
        Some(Mutant::CloseWithoutDrain | Mutant::WriteAndClose) => return Ok(()),
        Some(Mutant::NoFin) => return drained.recv().unwrap_or(Ok(())),
        _ => client.stream.shutdown(Shutdown::Write)?,
    }
    if Mutant::NoLingerTimeout.is_active() {
        return drained.recv().unwrap_or(Ok(()));
    }
    let linger_timeout = client.conn.config().linger_timeout;
    let ends_early: fn(&Client) -> bool = match mutant::active() {
        Some(Mutant::SpinsInDrain) => |_| false,
        Some(Mutant::StopsDrainingAtShutdown) => |client| {
            thread::sleep(Duration::from_millis(10));
            client.conn.server().shutdown.is_requested()
        },
        Some(Mutant::LingersFromFileEnd) => {
            return drained.recv_timeout(linger_timeout).unwrap_or(Ok(()));
        }
        _ => return linger(client, drained),
    };
    let started = Instant::now();
    while drained.try_recv().is_err() && started.elapsed() < linger_timeout && !ends_early(client) {
    }
    Ok(())
}

/// Waits until the client has acknowledged everything, and until the client's FIN has arrived or the
/// linger timeout has expired.
fn linger(client: &Client, drained: &Receiver<io::Result<()>>) -> io::Result<()> {
    let mut linger = Linger::new(&client.conn);
    loop {
        match drained.recv_timeout(linger.wait()) {
            Ok(result) => break result?,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if linger.is_expired(&*client.stream)? => {
                if Mutant::LeaksAtLingerTimeout.is_active() {
                    mem::forget(File::open(&client.conn.config().file));
                }
                return Ok(());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    while !linger.is_acknowledged(&*client.stream)? {
        if client.conn.server().wait_for_disconnect(linger.wait()) {
            break;
        }
    }
    Ok(())
}

/// Reads and discards the client's data until end of file. End of file only means that the client
/// sends no more data. The server continues to send the reply.
fn drain(client: &Client) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    let mut stored = Vec::new();
    let mut has_data = false;
    loop {
        match (&*client.stream).read(&mut buffer) {
            Ok(0) => match mutant::active() {
                Some(mutant) if ends_at_fin(client, mutant, has_data) => {
                    return client.stream.shutdown(Shutdown::Both);
                }
                // Without a time limit, this loop would never end. The check needs less than a
                // minute.
                Some(Mutant::SpinsAfterFin)
                    if client.connected_at.elapsed() < Duration::from_secs(60) => {}
                _ => {
                    client.has_read_fin.store(true, Ordering::Relaxed);
                    return Ok(());
                }
            },
            Ok(read) => {
                has_data = true;
                record_received(client, &buffer[..read], &mut stored);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns whether a mutant ends the connection when the client's FIN has arrived.
fn ends_at_fin(client: &Client, mutant: Mutant, has_data: bool) -> bool {
    match mutant {
        Mutant::HalfCloseAsDisconnect => true,
        Mutant::HalfCloseAfterDataAsDisconnect => has_data,
        Mutant::LateHalfCloseAsDisconnect => {
            client.connected_at.elapsed() > Duration::from_millis(800)
        }
        _ => false,
    }
}

fn record_received(client: &Client, bytes: &[u8], stored: &mut Vec<u8>) {
    let conn = &client.conn;
    conn.record_received(bytes);
    let text = || String::from_utf8_lossy(bytes);
    match mutant::active() {
        Some(Mutant::StoresEverything) => stored.extend(bytes),
        Some(Mutant::StoresFirstMib) if stored.len() < 1 << 20 => stored.extend(bytes),
        Some(Mutant::StoresAfterReply) if client.has_ended_reply.load(Ordering::Relaxed) => {
            stored.extend(bytes);
        }
        Some(Mutant::UnescapedLog) => _ = writeln!(io::stdout(), "data: \"{}\"", text()),
        Some(Mutant::FloodsLog) => {
            let (id, bytes, preview) = (conn.id(), bytes.len() as u64, text().into_owned());
            conn.server().log.record(EventKind::Data { conn: id, bytes, preview });
        }
        _ => {}
    }
}
