//! Finds the length of a server's preamble.

use std::io;
use std::time::Duration;

use harness::fixture::noise;
use tokio::net::TcpStream;
use tokio::time;

/// The maximum length of a preamble in bytes, such as the header of an HTTP response.
const PREAMBLE_BYTES_MAX: usize = 4096;

/// The number of bytes at the beginning of the file that are compared. A preamble does not contain
/// these pseudorandom bytes.
const FILE_BYTES: usize = 16;

/// The maximum time that a client waits for the beginning of the file.
///
/// The server may wait for a request.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The interval at which a client looks at its receive buffer. The kernel reports only that the
/// buffer is not empty.
const INTERVAL: Duration = Duration::from_millis(5);

/// Returns the number of bytes before the file, or `None` if the file does not arrive in time. Does
/// not read the bytes.
pub(super) async fn length(stream: &TcpStream) -> Option<u64> {
    time::timeout(TIMEOUT, find_file(stream)).await.ok()?.ok()?
}

async fn find_file(stream: &TcpStream) -> io::Result<Option<u64>> {
    let mut buffer = [0; PREAMBLE_BYTES_MAX + FILE_BYTES];
    loop {
        let bytes = stream.peek(&mut buffer).await?;
        let mut windows = buffer[..bytes].windows(FILE_BYTES);
        if let Some(position) = windows.position(|window| window == noise(FILE_BYTES)) {
            return Ok(Some(position as u64));
        }
        if bytes == 0 || bytes == buffer.len() {
            return Ok(None);
        }
        time::sleep(INTERVAL).await;
    }
}
