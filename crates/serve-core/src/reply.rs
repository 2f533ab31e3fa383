//! The reply to one client: the preamble and the file.

use std::io;
use std::path::Path;

use socket2::SockRef;

use crate::body::Body;
use crate::config::{Config, Preamble};
use crate::send::send_more;
use crate::server::Server;

/// The reply to one client.
#[derive(Debug)]
pub struct Reply {
    /// The bytes before the file.
    pub preamble: Vec<u8>,
    /// The file, or the error of opening it. The `http` preamble then reports that error.
    pub body: io::Result<Body>,
}

impl Reply {
    /// Opens the configured file, regardless of what the client sent. The call blocks: usually for
    /// a short time, but on a slow disk for longer than a worker thread may block.
    #[must_use]
    pub fn open(server: &Server) -> Self {
        Self::with_body(&server.config, Body::open(&server.config.file))
    }

    /// Opens the configured file if that needs no disk access. Returns `None` if opening might need
    /// disk access, or if it failed. In that case, call [`open`](Self::open).
    #[must_use]
    pub fn open_cached(server: &Server) -> Option<Self> {
        let body = server.reads_page_cache.then(|| Body::open_cached(&server.config.file))??;
        Some(Self::with_body(&server.config, Ok(body)))
    }

    /// Sends the preamble to a socket, so that it shares a TCP segment with the first data of the
    /// file (`MSG_MORE` on Linux). Returns how many bytes the kernel accepted. Usually it accepts
    /// all, because the send buffer of a new connection is empty. If the send buffer is full, it
    /// accepts 0.
    ///
    /// # Errors
    ///
    /// Returns the error of a write, except `WouldBlock`.
    pub fn send_preamble<'s>(&self, to: impl Into<SockRef<'s>>) -> io::Result<usize> {
        send_more(&to.into(), &self.preamble)
    }

    fn with_body(config: &Config, body: io::Result<Body>) -> Self {
        // ANCHOR: preamble
        let preamble = match (config.preamble, &body) {
            (Preamble::None, _) => Vec::new(),
            (Preamble::Bare, _) => b"HTTP/1.1\n\n".to_vec(),
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
    use crate::log::EventLog;
    use std::io::Read;

    fn server_of(preamble: Preamble, path: &Path) -> Server {
        let mut config = Config::new(path);
        config.preamble = preamble;
        Server::new(config, EventLog::off())
    }

    fn reply_for(preamble: Preamble, path: &Path) -> Reply {
        Reply::open(&server_of(preamble, path))
    }

    fn text(reply: &Reply) -> &str {
        std::str::from_utf8(&reply.preamble).unwrap()
    }

    #[test]
    fn preambles_are_exact() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.webp");
        std::fs::write(&path, "seven b").unwrap();
        assert_eq!(text(&reply_for(Preamble::Bare, &path)), "HTTP/1.1\n\n");
        assert_eq!(text(&reply_for(Preamble::None, &path)), "");
        let reply = reply_for(Preamble::Http, &path);
        assert_eq!(
            text(&reply),
            "HTTP/1.1 200 OK\r\nContent-Type: image/webp\r\nContent-Length: 7\r\n\
             Connection: close\r\n\r\n"
        );
        let mut body = reply.body.unwrap();
        assert_eq!(body.bytes, 7);
        let mut content = String::new();
        body.file.read_to_string(&mut content).unwrap();
        assert_eq!(content, "seven b");
    }

    #[test]
    fn an_unknown_extension_has_the_type_octet_stream() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no-ending");
        std::fs::write(&path, "").unwrap();
        let reply = reply_for(Preamble::Http, &path);
        assert!(text(&reply).contains("Content-Type: application/octet-stream\r\n"));
        assert!(text(&reply).contains("Content-Length: 0\r\n"));
    }

    #[test]
    fn the_http_preamble_reports_a_file_that_cannot_be_opened() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let reply = reply_for(Preamble::Bare, &missing);
        assert_eq!(text(&reply), "HTTP/1.1\n\n");
        assert_eq!(reply.body.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(text(&reply_for(Preamble::None, &missing)), "");
        assert_eq!(
            text(&reply_for(Preamble::Http, &missing)),
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let no_descriptors = io::Error::from_raw_os_error(24);
        assert!(error_header(&no_descriptors).starts_with(b"HTTP/1.1 503 Service Unavailable\r\n"));
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_is_not_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let reply = reply_for(Preamble::Http, folder.path());
        assert!(text(&reply).starts_with("HTTP/1.1 404 Not Found\r\n"));
        assert_eq!(reply.body.unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
