//! The reply to one client, which consists of the preamble and the file.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use socket2::SockRef;

use crate::body::Body;
use crate::config::{Config, Preamble};
use crate::send::send_more;
use crate::server::{NO_DEVICE, Server};

/// The reply to one client.
#[derive(Debug)]
pub struct Reply {
    /// The bytes that the server sends before the file, without the bytes that it has already sent.
    pub preamble: Vec<u8>,
    /// The file, or the error from opening it. The `http` preamble reports this error.
    pub body: io::Result<Body>,
}

impl Reply {
    /// Opens the configured file, regardless of what the client sent. This call may wait for a
    /// disk, so an async task must not make the call on a worker thread. The disk may not answer.
    /// Therefore, first send [`Preamble::fixed_bytes`], which the preamble of the reply does not
    /// contain.
    #[must_use]
    pub fn open(server: &Server) -> Self {
        let body = Body::open(&server.config.file);
        let local_device = body.as_ref().ok().and_then(Body::local_device);
        server.local_device.store(local_device.unwrap_or(NO_DEVICE), Ordering::Relaxed);
        let mut reply = Self::with_body(&server.config, body);
        reply.preamble.drain(..server.config.preamble.fixed_bytes().len());
        reply
    }

    /// Opens the configured file without disk access. Returns `None` if opening the file might
    /// require disk access, if opening the file fails, or if the file that [`open`](Self::open)
    /// opened most recently is not on the same local file system. In these cases, call
    /// [`open`](Self::open).
    #[must_use]
    pub fn open_cached(server: &Server) -> Option<Self> {
        let local_device = server.local_device.load(Ordering::Relaxed);
        if !server.reads_page_cache || local_device == NO_DEVICE {
            return None;
        }
        let body = Body::open_cached(&server.config.file, local_device)?;
        Some(Self::with_body(&server.config, Ok(body)))
    }

    /// Sends the preamble to a socket, in the same TCP segment as the first data of the file
    /// (`MSG_MORE` on Linux). Returns the number of bytes that the kernel accepted. The kernel
    /// usually accepts all bytes, because the send buffer of a new connection is empty. If the send
    /// buffer is full, the number is 0.
    ///
    /// # Errors
    ///
    /// Returns an error from the write, except `WouldBlock`.
    pub fn send_preamble<'s>(&self, to: impl Into<SockRef<'s>>) -> io::Result<usize> {
        send_more(&to.into(), &self.preamble)
    }

    fn with_body(config: &Config, body: io::Result<Body>) -> Self {
        // ANCHOR: preamble
        let preamble = match (config.preamble, &body) {
            (Preamble::None | Preamble::Bare, _) => config.preamble.fixed_bytes().to_vec(),
            (Preamble::Http, Ok(body)) => header(&config.file, body.bytes),
            (Preamble::Http, Err(error)) => error_header(error),
        };
        // ANCHOR_END: preamble
        Self { preamble, body }
    }
}

// ANCHOR: header
fn header(path: &Path, bytes: u64) -> Vec<u8> {
    let content_type = mime_guess::from_path(path).first_or_octet_stream();
    format!(
        "HTTP/1.1 200 OK\r\n\
         Content-Type: {content_type}\r\n\
         Content-Length: {bytes}\r\n\
         Connection: close\r\n\
         \r\n"
    )
    .into_bytes()
}
// ANCHOR_END: header

// ANCHOR: error_header
fn error_header(error: &io::Error) -> Vec<u8> {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    let status = match error.kind() {
        NotFound | NotADirectory | IsADirectory => "404 Not Found",
        _ => "503 Service Unavailable",
    };
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}
// ANCHOR_END: error_header

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_server_is_http_503() {
        let no_descriptors = io::Error::from_raw_os_error(24);
        assert!(error_header(&no_descriptors).starts_with(b"HTTP/1.1 503 Service Unavailable\r\n"));
    }
}
