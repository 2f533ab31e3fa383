//! Files that may be on a disk that does not answer.
//!
//! If a network server or a FUSE program does not answer, calls such as `open`, `read`, `sendfile`
//! and `close` block for an unlimited time, even with `RESOLVE_CACHED` and `RWF_NOWAIT`. A worker
//! thread must not make such calls. Therefore, the async siblings make these calls on a worker
//! thread only if the file is on a local file system.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::thread;

/// The stack size of a thread that closes a file, in bytes (64 KiB). The thread makes one system
/// call.
const CLOSE_STACK_BYTES: usize = 64 * 1024;

// ANCHOR: local
/// The file systems that keep their data on a disk of this machine or in memory, with their numbers
/// from statfs(2) and from the kernel's `magic.h`.
///
/// The list contains overlayfs, because the images of containers are usually on a local disk. An
/// overlay can also be on a network file system. In that case, a call can block a worker thread.
#[cfg(target_os = "linux")]
const LOCAL_FILE_SYSTEMS: [u32; 13] = [
    0x9123_683e, // btrfs
    0xca45_1a4e, // bcachefs
    0xe0f5_e1e2, // EROFS
    0x2011_bab0, // exFAT
    0xef53,      // ext2, ext3 and ext4
    0xf2f5_2010, // F2FS
    0x4d44,      // FAT
    0x794c_7630, // overlayfs
    0x8584_58f6, // ramfs
    0x7371_7368, // SquashFS
    0x0102_1994, // tmpfs
    0x5846_5342, // XFS
    0x2fc1_2fc1, // ZFS
];

/// Returns whether a file is on a local file system. This call may wait for a disk.
#[cfg(target_os = "linux")]
fn is_local(file: &File) -> bool {
    let file_system = rustix::io::retry_on_intr(|| rustix::fs::fstatfs(file));
    // The number has 32 bits. Its type depends on the processor architecture.
    file_system.is_ok_and(|it| LOCAL_FILE_SYSTEMS.contains(&(it.f_type as u32)))
}
// ANCHOR_END: local

/// Returns `true`, because only Linux has the fast path for local files.
#[cfg(not(target_os = "linux"))]
fn is_local(_file: &File) -> bool {
    true
}

/// An open file. Dropping the value closes the file without blocking the thread.
#[derive(Debug)]
pub struct ServedFile {
    /// The file, or `None` after it has been closed.
    file: Option<File>,
    is_local: bool,
}

impl ServedFile {
    /// Determines the file system of a file. This call may wait for a disk.
    pub(crate) fn new(file: File) -> Self {
        Self { is_local: is_local(&file), file: Some(file) }
    }

    /// Does not determine the file system of a file. Until [`set_local`](Self::set_local) is
    /// called, the file counts as not local.
    pub(crate) fn unknown(file: File) -> Self {
        Self { is_local: false, file: Some(file) }
    }

    /// Returns whether the file is on a local disk or in memory. A system call on such a file
    /// does not block for an unlimited time, so a worker thread may make the call.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Records that the file is local. Call this method only if another file on the same device is
    /// local.
    pub(crate) fn set_local(&mut self) {
        self.is_local = true;
    }
}

impl Deref for ServedFile {
    type Target = File;

    fn deref(&self) -> &File {
        self.file.as_ref().expect("only `drop` closes the file")
    }
}

impl Read for ServedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&**self).read(buffer)
    }
}

impl Drop for ServedFile {
    fn drop(&mut self) {
        let file = self.file.take();
        if !self.is_local {
            // `close` may wait for a disk (`FUSE_FLUSH`, NFS). If the thread cannot be started,
            // this thread closes the file.
            let closing = thread::Builder::new().stack_size(CLOSE_STACK_BYTES);
            let _ = closing.spawn(move || drop(file));
        }
    }
}
