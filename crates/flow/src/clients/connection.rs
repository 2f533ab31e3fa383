//! Uploads, reads, and ends the connection, as the settings of a client require.

use std::cell::RefCell;
use std::future;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{self, Instant};

use crate::connections::Counters;
use crate::trace::Settings;

/// The number of reads per second of a client with a maximum read rate. The default interval of the
/// sampler is 100 ms, so that each sample of such a client differs from the previous sample.
const READS_PER_SECOND: u64 = 20;

/// The maximum number of bytes of a read or a write.
const BUFFER_BYTES: usize = 64 << 10;

/// The maximum delay after which a client with a maximum read rate still catches up.
const CATCH_UP: Duration = Duration::from_millis(100);

/// The bytes that clients upload.
static ZEROS: [u8; BUFFER_BYTES] = [0; BUFFER_BYTES];

thread_local! {
    /// The buffer into which all clients on this thread read.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_BYTES]);
}

/// The reason why a client stops early.
enum Stop {
    Failed(String),
    /// The server reset the connection of a client that does not read.
    Disconnected,
    /// The client has read the number of bytes after which it resets the connection.
    Reset,
}

/// Uploads and reads as `settings` require, until the server's FIN or until the client has read
/// `limit` bytes. Then closes or resets the connection.
///
/// # Errors
///
/// Returns a description of the failed operation.
pub(super) async fn run(
    stream: TcpStream,
    settings: &Settings,
    limit: u64,
    mut speed: watch::Receiver<Option<u64>>,
    counters: &Counters,
) -> Result<(), String> {
    let upload = upload(&stream, settings, counters);
    let read = read(&stream, limit, &mut speed, counters);
    let result = if settings.upload_first {
        match upload.await {
            Ok(()) => read.await,
            stop => stop,
        }
    } else {
        tokio::try_join!(upload, read).map(|_| ())
    };
    match result {
        Ok(()) if settings.never_close => future::pending().await,
        Ok(()) => Ok(()),
        Err(Stop::Failed(message)) => Err(message),
        // The server's log states the reason.
        Err(Stop::Disconnected) => Ok(()),
        Err(Stop::Reset) => {
            // The call fails if the server has reset the connection.
            let _ = stream.set_zero_linger();
            match settings.reset_after {
                Some(_) => Ok(()),
                None => Err(format!("the maximum of {limit} bytes is reached")),
            }
        }
    }
}

async fn upload(stream: &TcpStream, settings: &Settings, counters: &Counters) -> Result<(), Stop> {
    let mut remaining = settings.upload;
    while remaining > 0 {
        let is_writable = stream.writable().await;
        let bytes = &ZEROS[..at_most(remaining)];
        match is_writable.and_then(|()| stream.try_write(bytes)) {
            Ok(written) => {
                counters.uploaded.fetch_add(written as u64, Ordering::Relaxed);
                remaining -= written as u64;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(Stop::Failed(format!("cannot write: {error}"))),
        }
        // The calls of `try_write` do not count as operations after which the task must yield.
        tokio::task::consume_budget().await;
    }
    if settings.half_close {
        // The call fails if the connection has ended. In that case, the next read fails, too.
        let _ = SockRef::from(stream).shutdown(Shutdown::Write);
    }
    Ok(())
}

/// Reads until the server's FIN.
async fn read(
    stream: &TcpStream,
    limit: u64,
    speed: &mut watch::Receiver<Option<u64>>,
    counters: &Counters,
) -> Result<(), Stop> {
    let mut remaining = limit;
    let mut next_read = Instant::now();
    while remaining > 0 {
        let current = *speed.borrow_and_update();
        let is_readable = tokio::select! {
            changed = speed.changed() => {
                if changed.is_err() {
                    // The client was ended, so this future is canceled.
                    return future::pending().await;
                }
                next_read = Instant::now();
                continue;
            }
            is_readable = readable(stream, current, next_read) => is_readable,
            // A client that does not read would not notice a reset.
            _ = stream.ready(Interest::ERROR), if current == Some(0) => {
                return Err(Stop::Disconnected);
            }
        };
        let max = at_most(remaining.min(current.map_or(u64::MAX, bytes_per_read)));
        match is_readable.and_then(|()| try_read(stream, max)) {
            Ok(0) => return Ok(()),
            Ok(bytes) => {
                counters.read.fetch_add(bytes as u64, Ordering::Relaxed);
                remaining -= bytes as u64;
                if let Some(speed) = current {
                    let pause = Duration::from_secs_f64(bytes as f64 / speed as f64);
                    next_read = (next_read + CATCH_UP).max(Instant::now()) - CATCH_UP + pause;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(Stop::Failed(format!("cannot read: {error}"))),
        }
        tokio::task::consume_budget().await;
    }
    Err(Stop::Reset)
}

/// Waits until the client may read, and until there is data to read.
async fn readable(stream: &TcpStream, speed: Option<u64>, next_read: Instant) -> io::Result<()> {
    match speed {
        Some(0) => future::pending().await,
        Some(_) => time::sleep_until(next_read).await,
        None => {}
    }
    stream.readable().await
}

fn try_read(stream: &TcpStream, max: usize) -> io::Result<usize> {
    BUFFER.with_borrow_mut(|buffer| stream.try_read(&mut buffer[..max]))
}

fn bytes_per_read(speed: u64) -> u64 {
    (speed / READS_PER_SECOND).max(1)
}

/// Returns the number of bytes that one call transfers, if that many bytes remain.
fn at_most(remaining: u64) -> usize {
    usize::try_from(remaining).map_or(BUFFER_BYTES, |bytes| bytes.min(BUFFER_BYTES))
}
