//! The file on its way to one client: opened, and taken chunk by chunk.
//!
//! A file on a disk may keep whoever reads it waiting; one in the page cache does not. On Linux the
//! kernel can be asked for what it has at hand and nothing else, so a task needs a pool of threads
//! that may block only for the rest. nginx reads so, too (its `aio threads`).

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::iter;
use std::path::Path;

use socket2::SockRef;

use crate::config::Config;
use crate::server::Server;

/// A file and its length when it was opened.
#[derive(Debug)]
pub struct Body {
    /// At its beginning.
    pub file: File,
    /// How many bytes to send, whatever becomes of the file meanwhile.
    pub bytes: u64,
}

impl Body {
    /// Opens a regular file.
    ///
    /// # Errors
    ///
    /// When there is none, it may not be read, no descriptor is left, or it is a folder, a pipe
    /// or a device.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::of(open_options().open(path)?)
    }

    /// [`open`](Self::open) if that needs no disk, on Linux; `None` says nothing but that it might.
    pub(crate) fn open_cached(path: &Path) -> Option<Self> {
        Self::of(cached::open(path)?).ok()
    }

    fn of(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            let kind = io::ErrorKind::IsADirectory;
            return Err(io::Error::new(kind, "not a regular file"));
        }
        Ok(Self { bytes: metadata.len(), file })
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

    /// Has the kernel copy up to `bytes` from where it is in the file to a socket (`sendfile`), and
    /// returns how many that were.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the file became shorter, `Unsupported` elsewhere than on Linux, and those
    /// of a write: `WouldBlock` if the socket has no room and does not block.
    pub fn sendfile<'s>(&self, to: impl Into<SockRef<'s>>, bytes: usize) -> io::Result<usize> {
        match zero_copy::sendfile(&to.into(), &self.file, bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            sent => Ok(sent),
        }
    }
}

/// A file's chunks in copy mode, one after another through one buffer.
#[derive(Debug)]
pub struct Chunks {
    /// At the end of what was read.
    file: File,
    /// As long as the present chunk: all are full but the last.
    buffer: Vec<u8>,
    /// How much of the present chunk is in the buffer.
    filled_bytes: usize,
    /// How much of the file comes after the present chunk.
    left_bytes: u64,
    asks_page_cache: bool,
}

impl Chunks {
    /// The file's, with a buffer of one chunk; of less for a file that is shorter than one.
    #[must_use]
    pub fn new(body: Body, server: &Server) -> Self {
        let file_bytes = usize::try_from(body.bytes).unwrap_or(usize::MAX);
        Self {
            file: body.file,
            buffer: vec![0; file_bytes.min(server.config.chunk_bytes)],
            filled_bytes: 0,
            left_bytes: body.bytes,
            asks_page_cache: server.asks_page_cache,
        }
    }

    /// Goes on to the next chunk, which then has to be read; false if there is none.
    pub fn advance(&mut self) -> bool {
        // If it does not fit into usize, it is longer than the buffer, too.
        self.buffer.truncate(usize::try_from(self.left_bytes).unwrap_or(usize::MAX));
        self.left_bytes -= self.buffer.len() as u64;
        self.filled_bytes = 0;
        !self.buffer.is_empty()
    }

    // ANCHOR: read_cached
    /// Reads of this chunk what the page cache has; false if that is not the whole of it, and
    /// [`read`](Self::read) has to go on. Never waits for a disk.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the file became shorter.
    pub fn read_cached(&mut self) -> io::Result<bool> {
        while self.asks_page_cache && self.filled_bytes < self.buffer.len() {
            match cached::read(&self.file, &mut self.buffer[self.filled_bytes..]) {
                Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(bytes) => self.filled_bytes += bytes,
                None => break,
            }
        }
        Ok(self.filled_bytes == self.buffer.len())
    }
    // ANCHOR_END: read_cached

    // ANCHOR: read
    /// Reads the rest of this chunk; it blocks. It takes itself and gives itself back, so that it can
    /// go to a thread that may block, buffer and all.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the file became shorter, and what else reading a file may say.
    pub fn read(mut self) -> io::Result<Self> {
        self.file.read_exact(&mut self.buffer[self.filled_bytes..])?;
        self.filled_bytes = self.buffer.len();
        Ok(self)
    }
    // ANCHOR_END: read

    /// The present chunk, once it was read.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.filled_bytes]
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

/// What the kernel can do without waiting for a disk. `None` says nothing but that it did not: the
/// ordinary call tells why, or does it.
#[cfg(target_os = "linux")]
mod cached {
    use std::fs::File;
    use std::io::IoSliceMut;
    use std::path::Path;

    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
    use rustix::io::ReadWriteFlags;

    // ANCHOR: page_cache
    /// Since Linux 5.12.
    pub(super) fn open(path: &Path) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED);
        opened.map(File::from).ok()
    }

    /// Since Linux 4.14. Goes on from where it is in the file.
    pub(super) fn read(file: &File, buffer: &mut [u8]) -> Option<usize> {
        const FROM_WHERE_IT_IS: u64 = u64::MAX;
        let buffers = &mut [IoSliceMut::new(buffer)];
        rustix::io::preadv2(file, buffers, FROM_WHERE_IT_IS, ReadWriteFlags::NOWAIT).ok()
    }
    // ANCHOR_END: page_cache
}

#[cfg(not(target_os = "linux"))]
mod cached {
    use std::fs::File;
    use std::path::Path;

    pub(super) fn open(_path: &Path) -> Option<File> {
        None
    }

    pub(super) fn read(_file: &File, _buffer: &mut [u8]) -> Option<usize> {
        None
    }
}

mod zero_copy {
    use std::fs::File;
    use std::io;

    use socket2::SockRef;

    // ANCHOR: sendfile
    #[cfg(target_os = "linux")]
    pub(super) fn sendfile(to: &SockRef<'_>, from: &File, bytes: usize) -> io::Result<usize> {
        // Without an offset it goes on from where it is in the file, as reading does.
        Ok(rustix::fs::sendfile(&**to, from, None, bytes)?)
    }
    // ANCHOR_END: sendfile

    #[cfg(not(target_os = "linux"))]
    pub(super) fn sendfile(_to: &SockRef<'_>, _from: &File, _bytes: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::EventLog;

    fn seven_bytes() -> (tempfile::TempDir, Body) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seven");
        std::fs::write(&path, "seven b").unwrap();
        let body = Body::open(&path).unwrap();
        (folder, body)
    }

    fn server(chunk_bytes: usize, asks_page_cache: bool) -> Server {
        let mut config = Config::new("unused");
        config.chunk_bytes = chunk_bytes;
        let mut server = Server::new(config, EventLog::off());
        server.asks_page_cache = asks_page_cache;
        server
    }

    fn all_of(mut chunks: Chunks) -> io::Result<Vec<String>> {
        let mut all = Vec::new();
        while chunks.advance() {
            if !chunks.read_cached()? {
                chunks = chunks.read()?;
            }
            all.push(String::from_utf8(chunks.bytes().to_vec()).unwrap());
        }
        Ok(all)
    }

    #[test]
    fn chunks_are_full_but_the_last() {
        for asks_page_cache in [true, false] {
            for (chunk_bytes, expected) in [
                (1, &["s", "e", "v", "e", "n", " ", "b"][..]),
                (3, &["sev", "en ", "b"]),
                (7, &["seven b"]),
                (100, &["seven b"]),
            ] {
                let (_folder, body) = seven_bytes();
                let server = server(chunk_bytes, asks_page_cache);
                let lengths: Vec<usize> = body.chunks(&server.config).collect();
                assert!(
                    lengths.iter().eq(expected
                        .iter()
                        .map(|chunk| chunk.len())
                        .collect::<Vec<_>>()
                        .iter())
                );
                assert_eq!(all_of(Chunks::new(body, &server)).unwrap(), expected);
            }
        }
    }

    #[test]
    fn the_buffer_is_no_longer_than_the_file() {
        let (_folder, body) = seven_bytes();
        assert_eq!(Chunks::new(body, &server(1 << 30, true)).buffer.capacity(), 7);
    }

    #[test]
    fn an_empty_file_has_no_chunk() {
        let (_folder, body) = seven_bytes();
        let empty = Body { bytes: 0, ..body };
        assert_eq!(empty.chunks(&Config::new("unused")).count(), 0);
        assert!(!Chunks::new(empty, &server(3, true)).advance());
    }

    #[test]
    fn a_file_that_shrank_is_an_error() {
        for asks_page_cache in [true, false] {
            let (_folder, body) = seven_bytes();
            let longer = Body { bytes: 8, ..body };
            let error = all_of(Chunks::new(longer, &server(3, asks_page_cache))).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_was_just_written_is_at_hand() {
        let (folder, body) = seven_bytes();
        let mut chunks = Chunks::new(body, &server(3, true));
        assert!(chunks.advance());
        assert!(chunks.read_cached().unwrap());
        assert_eq!(Body::open_cached(&folder.path().join("seven")).unwrap().bytes, 7);
        assert!(Body::open_cached(&folder.path().join("missing")).is_none());
        assert!(Body::open_cached(folder.path()).is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_copies_a_file_into_a_socket() {
        use std::net::{TcpListener, TcpStream};

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let (_folder, body) = seven_bytes();
        assert_eq!(body.sendfile(&stream, 3).unwrap(), 3);
        assert_eq!(body.sendfile(&stream, 100).unwrap(), 4);
        let mut taken = [0; 7];
        client.read_exact(&mut taken).unwrap();
        assert_eq!(&taken, b"seven b");
        // It is one byte shorter than was thought.
        let error = body.sendfile(&stream, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
