//! What a client gets: the preamble, and the file, opened anew.

use std::fs::{File, OpenOptions};
use std::io;
use std::iter;
use std::path::Path;

use crate::config::{Config, Preamble};

/// What goes to one client.
#[derive(Debug)]
pub struct Reply {
    /// What goes before the file, to be written at once.
    pub preamble: Vec<u8>,
    /// The file, or why there is none; then the preamble says so, if it can.
    pub body: io::Result<Body>,
}

/// A file and its length when it was opened.
#[derive(Debug)]
pub struct Body {
    /// At its beginning.
    pub file: File,
    /// How many bytes to send, whatever becomes of the file meanwhile.
    pub bytes: u64,
}

impl Reply {
    /// Opens the configured file, whatever the client may have said. It blocks: not for long, but
    /// on a slow disk longer than an executor thread should stand still.
    #[must_use]
    pub fn open(config: &Config) -> Self {
        let body = Body::open(&config.file);
        let preamble = match (config.preamble, &body) {
            (Preamble::None, _) => Vec::new(),
            (Preamble::Bare, _) => b"HTTP/1.1\n\n".to_vec(),
            (Preamble::Http, Ok(body)) => header(&config.file, body.bytes),
            (Preamble::Http, Err(error)) => error_header(error),
        };
        Self { preamble, body }
    }
}

impl Body {
    /// Opens a regular file.
    ///
    /// # Errors
    ///
    /// When there is none, it may not be read, no descriptor is left, or it is a folder, a pipe
    /// or a device.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = open_options().open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            let kind = io::ErrorKind::IsADirectory;
            return Err(io::Error::new(kind, "not a regular file"));
        }
        Ok(Self { bytes: metadata.len(), file })
    }

    /// How long a buffer for its chunks has to be, in bytes, at least 1: a small file needs only
    /// a small one.
    #[must_use]
    pub fn buffer_bytes(&self, config: &Config) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX).clamp(1, config.chunk_bytes)
    }

    /// The lengths of its chunks, in bytes: all of them full but the last.
    pub fn chunks(&self, config: &Config) -> impl Iterator<Item = usize> + use<> {
        let (chunk_bytes, mut left) = (config.chunk_bytes as u64, self.bytes);
        iter::from_fn(move || {
            let bytes = left.min(chunk_bytes);
            left -= bytes;
            // A chunk's length came from a usize.
            (bytes > 0).then_some(bytes as usize)
        })
    }
}

#[cfg(unix)]
fn open_options() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    // Should a named pipe stand where the file was, opening it must not wait for a writer.
    options.read(true).custom_flags(libc::O_NONBLOCK);
    options
}

#[cfg(not(unix))]
fn open_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    options
}

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

fn error_header(error: &io::Error) -> Vec<u8> {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    let status = match error.kind() {
        NotFound | NotADirectory | IsADirectory => "404 Not Found",
        _ => "503 Service Unavailable",
    };
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn reply_for(preamble: Preamble, path: &Path) -> Reply {
        let mut config = Config::new(path);
        config.preamble = preamble;
        Reply::open(&config)
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
    fn a_name_without_a_known_ending_is_a_stream_of_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no-ending");
        std::fs::write(&path, "").unwrap();
        let reply = reply_for(Preamble::Http, &path);
        assert!(text(&reply).contains("Content-Type: application/octet-stream\r\n"));
        assert!(text(&reply).contains("Content-Length: 0\r\n"));
    }

    #[test]
    fn what_cannot_be_opened_is_said_as_well_as_the_preamble_can() {
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
    fn a_folder_is_not_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let reply = reply_for(Preamble::Http, folder.path());
        assert!(text(&reply).starts_with("HTTP/1.1 404 Not Found\r\n"));
        assert_eq!(reply.body.unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn chunks_and_their_buffer_fit_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seven");
        std::fs::write(&path, "seven b").unwrap();
        let mut config = Config::new(&path);
        let body = Body::open(&path).unwrap();
        assert_eq!(body.buffer_bytes(&config), 7);
        assert_eq!(body.chunks(&config).collect::<Vec<_>>(), [7]);
        config.chunk_bytes = 3;
        assert_eq!(body.buffer_bytes(&config), 3);
        assert_eq!(body.chunks(&config).collect::<Vec<_>>(), [3, 3, 1]);
        let empty = Body { bytes: 0, ..body };
        assert_eq!(empty.chunks(&config).count(), 0);
    }
}
