//! The reply: the preamble and the file.

use std::fs::{self, File};
use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::mem;
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::log::lock;
use crate::mutant::Mutant;
use crate::options::Preamble;
use crate::server::Server;

/// Opens the file and sends the reply. If the file cannot be opened, sends only a preamble, whose
/// status reports the error in http mode.
pub fn send_file(connection: &Connection, path: &Path) -> io::Result<()> {
    let server = &connection.server;
    let is_blocking = server.is_mutant(Mutant::BlockingOnExecutor);
    let _only_thread = is_blocking.then(|| lock(&server.only_thread));
    let opened = open_file(server, path);
    match server.options.mutant {
        Some(Mutant::MissingFileKills) if opened.is_err() => process::exit(1),
        Some(Mutant::MissingFileHangs) if opened.is_err() => loop {
            thread::park();
        },
        _ => {}
    }
    // Each write times out early enough for eight checks within the stall timeout.
    let stall_check_interval = (server.options.stall_timeout / 8).max(Duration::from_millis(1));
    connection.stream().set_write_timeout(Some(stall_check_interval))?;
    write_bytes(connection, &preamble(server, &opened))?;
    let (mut file, bytes) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            server.record_error(Some(connection.id), &error);
            return Ok(());
        }
    };
    let sent = send_copied(connection, &mut *file, bytes);
    if sent.is_ok() || server.is_mutant(Mutant::FileEndedTooEarly) {
        connection.record("file_ended", &format!(r#","bytes":{bytes}"#));
    }
    if sent.is_err() && server.is_mutant(Mutant::LeaksDescriptors) {
        mem::forget(file);
    }
    sent
}

/// Opens the file and returns it with its current length, which is the length of the reply.
fn open_file(server: &Server, path: &Path) -> io::Result<(Box<dyn Read>, u64)> {
    if server.is_mutant(Mutant::FileReadOnce) {
        let content = Arc::clone(&server.startup_content);
        let bytes = content.len() as u64;
        return Ok((Box::new(Cursor::new(content)), bytes));
    }
    let mut file = open_regular(path)?;
    let bytes = file.metadata()?.len();
    if server.is_mutant(Mutant::WholeFileInMemory) {
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        return Ok((Box::new(Cursor::new(content)), bytes));
    }
    Ok((Box::new(file), bytes))
}

/// Opens a regular file. The type is checked first because opening a pipe blocks until it has a
/// writer.
pub fn open_regular(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::IsADirectory, "not a regular file"));
    }
    File::open(path)
}

fn preamble(server: &Server, opened: &io::Result<(Box<dyn Read>, u64)>) -> Vec<u8> {
    let (status, length) = match opened {
        Ok((_, bytes)) if server.is_mutant(Mutant::WrongLength) => ("200 OK", bytes + 1),
        Ok((_, bytes)) => ("200 OK", *bytes),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => {
            ("404 Not Found", 0)
        }
        Err(_) => ("503 Service Unavailable", 0),
    };
    let content_length = match server.is_mutant(Mutant::HttpWithoutLength) {
        true => String::new(),
        false => format!("Content-Length: {length}\r\n"),
    };
    match server.options.preamble {
        Preamble::None => Vec::new(),
        Preamble::Bare if server.is_mutant(Mutant::WrongNewline) => b"HTTP/1.1\r\n\r\n".to_vec(),
        Preamble::Bare => b"HTTP/1.1\n\n".to_vec(),
        Preamble::Http => format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\n\
             {content_length}Connection: close\r\n\r\n"
        )
        .into_bytes(),
    }
}

/// Reads one chunk, writes it completely, and only then reads the next one. This loop is the
/// backpressure.
fn send_copied(connection: &Connection, file: &mut dyn Read, bytes: u64) -> io::Result<()> {
    let server = &connection.server;
    let whole = usize::try_from(bytes).unwrap_or(usize::MAX);
    let chunk_bytes = match server.is_mutant(Mutant::WholeWritesInsteadOfChunk) {
        true => whole.max(1),
        false => server.options.chunk_bytes as usize,
    };
    let mut buffer = vec![0; chunk_bytes.min(whole)];
    let mut left = bytes;
    while left > 0 {
        if left < chunk_bytes as u64 && server.is_mutant(Mutant::LosesLastPartialChunk) {
            break;
        }
        let chunk = &mut buffer[..left.min(chunk_bytes as u64) as usize];
        match file.read_exact(chunk) {
            Err(_) if server.is_mutant(Mutant::Pads) => chunk.fill(0),
            read => read?,
        }
        let started = Instant::now();
        write_bytes(connection, chunk)?;
        if server.options.log_chunks {
            let wait_us = started.elapsed().as_micros();
            connection.record("chunk", &format!(r#","bytes":{},"wait_us":{wait_us}"#, chunk.len()));
        }
        left -= chunk.len() as u64;
    }
    if server.is_mutant(Mutant::FollowsGrowth) {
        let mut grown = Vec::new();
        file.read_to_end(&mut grown)?;
        write_bytes(connection, &grown)?;
    }
    Ok(())
}

/// Writes all bytes, or fails if the client acknowledges no byte within the stall timeout. The
/// duration of a single write is not evidence of a stall: the kernel wakes it only when a third of
/// the send buffer is free. A repeated write uses any free space.
fn write_bytes(connection: &Connection, mut bytes: &[u8]) -> io::Result<()> {
    let (server, mut stream) = (&connection.server, connection.stream());
    let mut progress_at = Instant::now();
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(written) => {
                connection.sent.fetch_add(written as u64, SeqCst);
                bytes = &bytes[written..];
                progress_at = Instant::now();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A write that times out returns `WouldBlock` on Unix and `TimedOut` on Windows.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let since = match server.options.mutant {
                    Some(Mutant::NoStallTimeout) => continue,
                    Some(Mutant::CutsSlowReaders) => connection.connected_at,
                    _ => progress_at,
                };
                if since.elapsed() >= server.options.stall_timeout {
                    let message = "the client took no byte within the stall timeout";
                    return Err(io::Error::new(ErrorKind::TimedOut, message));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
