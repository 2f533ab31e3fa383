//! The file that is sent to one client.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

use socket2::SockRef;

use crate::config::Config;
use crate::local_file::ServedFile;
use crate::send;
use crate::system_call::retry_interrupted;

/// An open file, and the length that the file had when it was opened.
#[derive(Debug)]
pub struct Body {
    /// The file, positioned at its beginning.
    pub file: ServedFile,
    /// The number of bytes to send, even if the file's length changes later.
    pub bytes: u64,
    /// The number of the device that contains the file. This number is 0 on systems other than
    /// Linux.
    device: u64,
}

impl Body {
    /// Opens a regular file. This call may wait for a disk.
    ///
    /// # Errors
    ///
    /// Returns an error if the file does not exist or is not readable, if it is a directory, a pipe
    /// or a device, or if no file descriptor is left.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::from_file(ServedFile::new(open_options().open(path)?))
    }

    /// Opens a regular file on a local device without disk access (Linux only). Returns `None` if
    /// opening the file might require disk access, if the file is on another device, or if opening
    /// the file fails. In these cases, call [`open`](Self::open).
    pub(crate) fn open_cached(path: &Path, local_device: u64) -> Option<Self> {
        let mut body = Self::from_file(ServedFile::unknown(open_cached(path)?)).ok()?;
        if body.device != local_device {
            return None;
        }
        body.file.set_local();
        Some(body)
    }

    /// Returns the number of the device that contains the file, or `None` if the file is not local.
    pub(crate) fn local_device(&self) -> Option<u64> {
        self.file.is_local().then_some(self.device)
    }

    fn from_file(file: ServedFile) -> io::Result<Self> {
        let metadata = retry_interrupted(|| file.metadata())?;
        if !metadata.is_file() {
            let kind = io::ErrorKind::IsADirectory;
            return Err(io::Error::new(kind, "not a regular file"));
        }
        Ok(Self { bytes: metadata.len(), device: device(&metadata), file })
    }

    /// Returns the lengths of the file's chunks.
    #[must_use]
    pub fn chunks(&self, config: &Config) -> Chunks {
        Chunks { file_remaining: self.bytes, chunk_bytes: config.chunk_bytes }
    }

    /// Copies up to `bytes` bytes, but at most 1 MiB, from the file's position to a socket
    /// (`sendfile`). The kernel copies the data without a buffer in this process. Returns the
    /// number of bytes copied.
    ///
    /// # Errors
    ///
    /// Returns `UnexpectedEof` if the file became shorter, `Unsupported` on systems other than
    /// Linux, or an error from the write. On a non-blocking socket, `WouldBlock` means that the
    /// send buffer is full.
    pub fn sendfile<'s>(&self, to: impl Into<SockRef<'s>>, bytes: usize) -> io::Result<usize> {
        match send::sendfile(&to.into(), &self.file, bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            sent => Ok(sent),
        }
    }
}

/// The lengths of a file's chunks, in bytes. Only the last chunk may be shorter than the chunk
/// size.
#[derive(Debug)]
pub struct Chunks {
    file_remaining: u64,
    chunk_bytes: usize,
}

impl Iterator for Chunks {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let bytes = self.file_remaining.min(self.chunk_bytes as u64);
        self.file_remaining -= bytes;
        // The chunk size fits into `usize`, and a chunk is never longer than the chunk size.
        (bytes > 0).then_some(bytes as usize)
    }
}

#[cfg(unix)]
fn open_options() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    // If a named pipe has replaced the file, opening the pipe must not wait for a writer.
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
/// Opens a file if the kernel has the necessary data in memory (Linux 5.12 or later).
#[cfg(target_os = "linux")]
fn open_cached(path: &Path) -> Option<File> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let open = || rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED);
    rustix::io::retry_on_intr(open).map(File::from).ok()
}
// ANCHOR_END: open_cached

#[cfg(not(target_os = "linux"))]
fn open_cached(_path: &Path) -> Option<File> {
    None
}

#[cfg(target_os = "linux")]
fn device(metadata: &Metadata) -> u64 {
    std::os::linux::fs::MetadataExt::st_dev(metadata)
}

#[cfg(not(target_os = "linux"))]
fn device(_metadata: &Metadata) -> u64 {
    0
}
