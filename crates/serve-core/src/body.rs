//! The file that is sent to one client.

use std::fs::{File, OpenOptions};
use std::io;
use std::iter;
use std::path::Path;

use socket2::SockRef;

use crate::config::Config;
use crate::send;

/// An open file, and its length at the time it was opened.
#[derive(Debug)]
pub struct Body {
    /// The file. Its position is at the beginning.
    pub file: File,
    /// The number of bytes to send, even if the file's length changes later.
    pub bytes: u64,
}

impl Body {
    /// Opens a regular file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file does not exist or is not readable, if it is a directory, a pipe
    /// or a device, or if no file descriptor is left.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::from_file(open_options().open(path)?)
    }

    /// Opens a regular file if that needs no disk access (Linux only). Returns `None` if opening
    /// might need disk access, or if it failed. In that case, call [`open`](Self::open).
    pub(crate) fn open_cached(path: &Path) -> Option<Self> {
        Self::from_file(open_cached(path)?).ok()
    }

    fn from_file(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            let kind = io::ErrorKind::IsADirectory;
            return Err(io::Error::new(kind, "not a regular file"));
        }
        Ok(Self { bytes: metadata.len(), file })
    }

    /// Returns the lengths of the file's chunks, in bytes. Only the last chunk may be shorter than
    /// the chunk size.
    pub fn chunks(&self, config: &Config) -> impl Iterator<Item = usize> + use<> {
        let (chunk_bytes, mut remaining) = (config.chunk_bytes as u64, self.bytes);
        iter::from_fn(move || {
            let bytes = remaining.min(chunk_bytes);
            remaining -= bytes;
            // The chunk size fits into `usize`, so the length of a chunk does, too.
            (bytes > 0).then_some(bytes as usize)
        })
    }

    /// Lets the kernel copy up to `bytes` bytes, but at most 1 MiB, from the file's position to a
    /// socket (`sendfile`). Returns how many bytes the kernel copied.
    ///
    /// # Errors
    ///
    /// Returns `UnexpectedEof` if the file became shorter, `Unsupported` on systems other than
    /// Linux, or the error of a write. On a non-blocking socket, `WouldBlock` means that the send
    /// buffer is full.
    pub fn sendfile<'s>(&self, to: impl Into<SockRef<'s>>, bytes: usize) -> io::Result<usize> {
        match send::sendfile(&to.into(), &self.file, bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            sent => Ok(sent),
        }
    }
}

#[cfg(unix)]
fn open_options() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    // If a named pipe replaced the file, opening it must not wait for a writer.
    options.read(true).custom_flags(libc::O_NONBLOCK);
    options
}

#[cfg(not(unix))]
fn open_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    options
}

// ANCHOR: open_cached
/// Opens a file if the kernel has all data for this in memory (Linux 5.12 or later).
#[cfg(target_os = "linux")]
fn open_cached(path: &Path) -> Option<File> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED);
    file.map(File::from).ok()
}
// ANCHOR_END: open_cached

#[cfg(not(target_os = "linux"))]
fn open_cached(_path: &Path) -> Option<File> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_chunks_are_full_except_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seven");
        std::fs::write(&path, "seven b").unwrap();
        let body = Body::open(&path).unwrap();
        let mut config = Config::new(path);
        for (chunk_bytes, expected) in [(1, &[1; 7][..]), (3, &[3, 3, 1]), (7, &[7]), (100, &[7])] {
            config.chunk_bytes = chunk_bytes;
            assert_eq!(body.chunks(&config).collect::<Vec<_>>(), expected);
        }
        let empty = Body { bytes: 0, ..body };
        assert_eq!(empty.chunks(&config).count(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_a_cached_regular_file_is_opened_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seven");
        std::fs::write(&path, "seven b").unwrap();
        assert_eq!(Body::open_cached(&path).unwrap().bytes, 7);
        assert!(Body::open_cached(&folder.path().join("missing")).is_none());
        assert!(Body::open_cached(folder.path()).is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn sendfile_copies_to_the_socket_and_reports_a_shorter_file() {
        use std::io::Read;
        use std::net::{TcpListener, TcpStream};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seven");
        std::fs::write(&path, "seven b").unwrap();
        let body = Body::open(&path).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        assert_eq!(body.sendfile(&stream, 3).unwrap(), 3);
        assert_eq!(body.sendfile(&stream, 100).unwrap(), 4);
        let mut received = [0; 7];
        client.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"seven b");
        let error = body.sendfile(&stream, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
