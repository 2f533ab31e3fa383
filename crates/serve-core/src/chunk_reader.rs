//! Reads a file for copy mode, in pieces that can be read again.
//!
//! A non-reading client must not occupy a buffer. Therefore, a sibling reads a piece of the file
//! immediately before it writes the piece, and discards the bytes that the kernel did not accept.
//! When the socket is writable, the sibling reads these bytes again, usually from the page cache.
//! Each thread has one buffer.
//!
//! A read from the page cache returns immediately. A read from a disk may take a long time. On
//! Linux, a read with the flag `RWF_NOWAIT` returns only cached data. Therefore, a runtime needs
//! its blocking pool only for data that is not cached. nginx uses the same technique (`aio
//! threads`). On a network file system, even such a read may wait for the server. Therefore, the
//! siblings use the flag only for local files.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::mem;
use std::ops::Deref;

use crate::body::{Body, Chunks};
use crate::local_file::ServedFile;
use crate::server::Server;

/// The maximum length of a piece, in bytes (128 KiB). This maximum limits the number of rejected
/// bytes that a sibling must read again, regardless of the chunk size.
pub(crate) const PIECE_BYTES_MAX: usize = 128 * 1024;

/// The minimum length, in bytes, of a piece that is shortened to limit the discarded bytes (one
/// page). Reading fewer bytes is not faster.
const PIECE_BYTES_MIN: usize = 4 * 1024;

/// The number of bytes by which the discarded bytes may exceed the bytes sent (64 KiB). With this
/// limit, the server reads less than three times the length of a large file, even if the send
/// buffer is very small.
const DISCARDED_BYTES_FREE: u64 = 64 * 1024;

thread_local! {
    /// The buffer of this thread. While a [`Piece`] uses the buffer, this value is empty.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Reads a file chunk by chunk, and divides each chunk into pieces of at most 128 KiB.
#[derive(Debug)]
pub struct ChunkReader {
    file: ServedFile,
    /// The position in the file of the next byte that must be sent. This position equals the number
    /// of bytes sent.
    position: u64,
    /// The number of bytes that were read from the file but not accepted by the socket.
    discarded_bytes: u64,
    /// Indicates whether the kernel accepted no byte of the last piece.
    is_blocked: bool,
    /// The number of bytes of the current chunk that have not been sent yet.
    chunk_remaining: usize,
    /// The chunks after the current chunk.
    chunks: Chunks,
    /// The piece that [`fetch`](Self::fetch) read, or an empty vector without an allocation.
    fetched: Vec<u8>,
    reads_page_cache: bool,
}

impl ChunkReader {
    /// Returns a reader that is positioned before the first chunk of the file.
    #[must_use]
    pub fn new(body: Body, server: &Server) -> Self {
        Self {
            chunks: body.chunks(&server.config),
            reads_page_cache: server.reads_page_cache && body.file.is_local(),
            file: body.file,
            position: 0,
            discarded_bytes: 0,
            is_blocked: false,
            chunk_remaining: 0,
            fetched: Vec::new(),
        }
    }

    /// Advances to the next chunk and returns its length in bytes, or `None` after the last chunk.
    /// Call this method only when no byte of the current chunk remains.
    pub fn next_chunk(&mut self) -> Option<usize> {
        self.chunk_remaining = self.chunks.next()?;
        Some(self.chunk_remaining)
    }

    /// The number of bytes sent. After the last chunk, this number is the length of the file.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.position
    }

    /// The number of bytes of the current chunk that have not been sent yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.chunk_remaining
    }

    // ANCHOR: try_read_cached
    /// Reads the next piece of the chunk without disk access. Returns `None` if the piece is not in
    /// the page cache, or if the file is not local. In these cases, call [`fetch`](Self::fetch) on
    /// a thread that may block, and then call this method again.
    ///
    /// # Errors
    ///
    /// Returns `UnexpectedEof` if the file became shorter, or `OutOfMemory` if the buffer cannot be
    /// allocated.
    pub fn try_read_cached(&mut self) -> io::Result<Option<Piece<'_>>> {
        let mut buffer = mem::take(&mut self.fetched);
        if buffer.is_empty() {
            if !self.reads_page_cache {
                return Ok(None);
            }
            buffer = take_buffer(self.piece_bytes())?;
            match read_cached_at(&self.file, &mut buffer, self.position) {
                Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(bytes) => buffer.truncate(bytes),
                None => {
                    BUFFER.set(buffer);
                    return Ok(None);
                }
            }
        }
        Ok(Some(Piece { reader: self, buffer, accepted_bytes: 0 }))
    }
    // ANCHOR_END: try_read_cached

    // ANCHOR: read_blocking
    /// Reads the next piece of the chunk, and blocks until the read completes.
    ///
    /// # Errors
    ///
    /// Returns `UnexpectedEof` if the file became shorter, `OutOfMemory` if the buffer cannot be
    /// allocated, or an error from reading the file.
    pub fn read_blocking(&mut self) -> io::Result<Piece<'_>> {
        let buffer = self.read_piece()?;
        Ok(Piece { reader: self, buffer, accepted_bytes: 0 })
    }

    /// Reads the next piece, blocks until the read completes, and keeps the piece for the next call
    /// of [`try_read_cached`](Self::try_read_cached). This method takes and returns the reader by
    /// value, so that the reader can move to a thread that may block.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`read_blocking`](Self::read_blocking).
    pub fn fetch(mut self) -> io::Result<Self> {
        self.fetched = self.read_piece()?;
        Ok(self)
    }
    // ANCHOR_END: read_blocking

    fn read_piece(&self) -> io::Result<Vec<u8>> {
        let mut buffer = take_buffer(self.piece_bytes())?;
        read_exact_at(&self.file, &mut buffer, self.position)?;
        Ok(buffer)
    }

    // ANCHOR: piece_bytes
    /// Returns the length of the next piece, in bytes. Pieces are short only if the socket accepts
    /// few bytes at a time. A task may be polled even if the send buffer is full, for example
    /// because the client sent data. Therefore, if the kernel accepted no byte of a piece, the next
    /// piece has only one byte. This byte shows whether the send buffer has space.
    fn piece_bytes(&self) -> usize {
        if self.is_blocked {
            return 1;
        }
        let allowance = (self.position + DISCARDED_BYTES_FREE).saturating_sub(self.discarded_bytes);
        let allowance = usize::try_from(allowance).unwrap_or(usize::MAX);
        self.chunk_remaining.min(allowance.clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX))
    }
    // ANCHOR_END: piece_bytes
}

// ANCHOR: piece
/// A piece of a chunk, in a buffer of this thread. The piece dereferences to the bytes that have
/// not been sent yet. Dropping the piece discards these bytes, and the next piece contains them
/// again.
#[derive(Debug)]
pub struct Piece<'a> {
    reader: &'a mut ChunkReader,
    buffer: Vec<u8>,
    accepted_bytes: usize,
}

impl Piece<'_> {
    /// Removes the first `bytes` bytes from the piece, because the kernel has accepted these bytes.
    ///
    /// # Panics
    ///
    /// Panics if the piece has fewer than `bytes` bytes.
    pub fn advance(&mut self, bytes: usize) {
        assert!(bytes <= self.len(), "expected at most {} bytes, got {bytes}", self.len());
        self.accepted_bytes += bytes;
        self.reader.position += bytes as u64;
        self.reader.chunk_remaining -= bytes;
    }
}

impl Deref for Piece<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.accepted_bytes..]
    }
}

impl Drop for Piece<'_> {
    fn drop(&mut self) {
        self.reader.discarded_bytes += self.len() as u64;
        self.reader.is_blocked = self.accepted_bytes == 0;
        BUFFER.set(mem::take(&mut self.buffer));
    }
}
// ANCHOR_END: piece

/// Takes the buffer of this thread, and sets its length.
fn take_buffer(bytes: usize) -> io::Result<Vec<u8>> {
    let mut buffer = BUFFER.take();
    // Without this call, `resize` would abort the process if no memory is left.
    buffer.try_reserve_exact(bytes.saturating_sub(buffer.len()))?;
    buffer.resize(bytes, 0);
    Ok(buffer)
}

// ANCHOR: read_cached_at
/// Reads the bytes at a position that are in the page cache (Linux 4.14 or later), and returns
/// their number. Returns `None` if the byte at the position is not cached, or if the file system
/// does not support such reads.
#[cfg(target_os = "linux")]
fn read_cached_at(file: &File, buffer: &mut [u8], position: u64) -> Option<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};

    let buffers = &mut [io::IoSliceMut::new(buffer)];
    let read = || preadv2(file, buffers, position, ReadWriteFlags::NOWAIT);
    rustix::io::retry_on_intr(read).ok()
}
// ANCHOR_END: read_cached_at

#[cfg(not(target_os = "linux"))]
fn read_cached_at(_file: &File, _buffer: &mut [u8], _position: u64) -> Option<usize> {
    None
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, position)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, buffer: &mut [u8], position: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};

    file.seek(SeekFrom::Start(position))?;
    file.read_exact(buffer)
}
