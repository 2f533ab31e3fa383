//! A FUSE file system whose calls can hang, for tests of servers whose disk does not answer.
//!
//! The file system contains one file. A thread of this process reads the kernel's requests from
//! `/dev/fuse`, and answers them or keeps them. The module implements only the requests that one
//! read-only file needs. The crate `fuser` implements all requests, but it would add a dozen crates
//! to the first `cargo test`.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::TempFolder;

/// The size of the buffer for requests, in bytes (64 KiB). The kernel requires at least 8 KiB, and
/// space for one write of the size in the reply to `INIT`.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// The time for which the kernel caches the file's name and attributes, in seconds. With this time,
/// the kernel finds the file without a request, so that only the calls of [`Call`] need a request.
const VALID_S: u64 = 3600;

const ROOT_NODE: u64 = 1;
const FILE_NODE: u64 = 2;
const FILE_NAME: &str = "file.bin";

/// The version of the protocol that this module implements. Linux supports it since version 5.2.
const VERSION: [u32; 2] = [7, 31];

/// Lets the kernel send reads without waiting for the replies. A thread that waits for such a read
/// waits for a page of the page cache, so a signal can kill the thread.
const INIT_ASYNC_READ: u32 = 1;

/// Keeps the cached data when the file is opened. Without this flag, `open` waits for the reads
/// that hang, and a signal cannot kill a thread that waits in this way.
const OPEN_KEEP_CACHE: u32 = 1 << 1;

/// The numbers of the requests that this module answers (`enum fuse_opcode` in `linux/fuse.h`).
mod opcode {
    pub const LOOKUP: u32 = 1;
    pub const FORGET: u32 = 2;
    pub const GETATTR: u32 = 3;
    pub const OPEN: u32 = 14;
    pub const READ: u32 = 15;
    pub const STATFS: u32 = 17;
    pub const RELEASE: u32 = 18;
    pub const FLUSH: u32 = 25;
    pub const INIT: u32 = 26;
    pub const INTERRUPT: u32 = 36;
    pub const BATCH_FORGET: u32 = 42;
}

/// A call that can hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `open`. Nothing can kill a thread that hangs in this call, so [`HangingDisk::abort`] must
    /// end the call before the thread's process can end.
    Open,
    /// `read` and `sendfile`. A signal can kill a thread that hangs in these calls.
    Read,
    /// `close`. Nothing can kill a thread that hangs in this call (see [`Call::Open`]).
    Close,
}

/// A mounted file system with one file. Dropping the value ends all hanging calls and unmounts the
/// file system.
#[derive(Debug)]
pub struct HangingDisk {
    folder: TempFolder,
    shared: Arc<Shared>,
    daemon: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    device: File,
    content: Vec<u8>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The kinds of calls that the file system does not answer.
    hanging: Vec<Call>,
    /// The requests that have not been answered.
    held: Vec<Request>,
}

/// A request from the kernel (`struct fuse_in_header` and the request's data).
#[derive(Debug)]
struct Request {
    opcode: u32,
    /// The number that the reply must contain.
    unique: u64,
    /// The file or folder that the request concerns.
    node: u64,
    data: Vec<u8>,
}

impl HangingDisk {
    /// Mounts a file system whose file has this content. At first, no call hangs.
    ///
    /// # Errors
    ///
    /// Fails if this process may not mount file systems, or if the kernel does not support FUSE.
    pub fn mount(content: Vec<u8>) -> io::Result<Self> {
        let folder = TempFolder::new()?;
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse")?;
        let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
        let options = format!(
            "fd={},rootmode=40000,user_id={},group_id={}",
            device.as_raw_fd(),
            user.as_raw(),
            group.as_raw()
        );
        let options = CString::new(options)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("highwater", folder.path(), "fuse", flags, &*options)?;
        let state = Mutex::new(State::default());
        let shared = Arc::new(Shared { device, content, state, changed: Condvar::new() });
        let daemon = Arc::clone(&shared);
        let daemon = Some(thread::spawn(move || daemon.run()));
        Ok(Self { folder, shared, daemon })
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join(FILE_NAME)
    }

    /// Makes all calls of this kind hang from now on. A read of data that the kernel has cached
    /// does not hang.
    pub fn hang(&self, call: Call) {
        self.shared.lock().hanging.push(call);
    }

    /// Waits until at least `count` requests hang. Returns `false` if the timeout expires first.
    /// Reads of the same part of the file are one request.
    #[must_use]
    pub fn wait_until_hanging(&self, count: usize, timeout: Duration) -> bool {
        let too_few = |state: &mut State| state.held.len() < count;
        let result = self.shared.changed.wait_timeout_while(self.shared.lock(), timeout, too_few);
        !result.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Completes all hanging calls. From now on, no call hangs.
    pub fn resume(&self) {
        let state = std::mem::take(&mut *self.shared.lock());
        for request in &state.held {
            self.shared.answer(request);
        }
    }

    /// Ends all hanging calls with an error, and unmounts the file system. From now on, all calls
    /// fail.
    pub fn abort(&self) {
        unmount_folder(self.folder.path());
    }
}

/// Unmounts the file system that is mounted on a folder, and ends all its hanging calls with an
/// error. Does nothing if no file system is mounted on the folder.
pub(crate) fn unmount_folder(folder: &Path) {
    let _ = unmount(folder, UnmountFlags::FORCE | UnmountFlags::DETACH);
}

impl Drop for HangingDisk {
    fn drop(&mut self) {
        self.abort();
        if let Some(daemon) = self.daemon.take() {
            let _ = daemon.join();
        }
    }
}

impl Shared {
    /// Answers the kernel's requests until the file system is unmounted.
    fn run(&self) {
        let mut buffer = vec![0; REQUEST_BYTES_MAX];
        loop {
            match (&self.device).read(&mut buffer) {
                Ok(bytes) => self.receive(&buffer[..bytes]),
                // The calling process of a request may end before this thread reads the request.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn receive(&self, request: &[u8]) {
        let Some(request) = Request::parse(request) else { return };
        let mut state = self.lock();
        if request.call().is_some_and(|call| state.hanging.contains(&call)) {
            state.held.push(request);
            self.changed.notify_all();
        } else {
            drop(state);
            self.answer(&request);
        }
    }

    fn answer(&self, request: &Request) {
        let result = match request.opcode {
            // The kernel expects no reply to these requests.
            opcode::FORGET | opcode::BATCH_FORGET | opcode::INTERRUPT => return,
            opcode::INIT => Ok(init_reply()),
            opcode::LOOKUP => self.look_up(&request.data),
            opcode::GETATTR => Ok(self.attributes(request.node)),
            opcode::OPEN => Ok(open_reply()),
            opcode::READ => Ok(self.read(&request.data)),
            // `struct fuse_statfs_out`, in which all numbers are zero.
            opcode::STATFS => Ok(vec![0; 80]),
            opcode::FLUSH | opcode::RELEASE => Ok(Vec::new()),
            _ => Err(libc::ENOSYS),
        };
        let (error, data) = match result {
            Ok(data) => (0, data),
            Err(error) => (-error, Vec::new()),
        };
        // `struct fuse_out_header` begins with the length of the reply.
        let mut reply = Fields::default().u32(16 + data.len() as u32).u32(error as u32);
        reply = reply.u64(request.unique);
        reply.0.extend(data);
        // The write fails if the calling process has ended, or if the file system was unmounted.
        let _ = (&self.device).write(&reply.0);
    }

    /// Returns a `struct fuse_entry_out`, or `ENOENT` if there is no file with this name.
    fn look_up(&self, name: &[u8]) -> Result<Vec<u8>, i32> {
        if name.strip_suffix(&[0]) != Some(FILE_NAME.as_bytes()) {
            return Err(libc::ENOENT);
        }
        // The node, its generation, and the validity of the name and of the attributes.
        let entry = Fields::default().u64(FILE_NODE).u64(0).u64(VALID_S).u64(VALID_S).u64(0);
        Ok(self.push_attributes(entry, FILE_NODE).0)
    }

    /// Returns a `struct fuse_attr_out`.
    fn attributes(&self, node: u64) -> Vec<u8> {
        self.push_attributes(Fields::default().u64(VALID_S).u64(0), node).0
    }

    /// Appends a `struct fuse_attr`.
    fn push_attributes(&self, fields: Fields, node: u64) -> Fields {
        let (mode, bytes) = match node {
            ROOT_NODE => (libc::S_IFDIR | 0o755, 0),
            _ => (libc::S_IFREG | 0o644, self.content.len() as u64),
        };
        // The node, the size, the number of blocks, and three times with their nanoseconds.
        let fields = fields.u64(node).u64(bytes).u64(bytes.div_ceil(512));
        let fields = fields.u64(0).u64(0).u64(0).u32(0).u32(0).u32(0);
        // The mode, the number of links, the owner, the device, the block size and the flags.
        fields.u32(mode).u32(1).u64(0).u32(0).u32(4096).u32(0)
    }

    /// Returns the part of the content that a `struct fuse_read_in` requests.
    fn read(&self, request: &[u8]) -> Vec<u8> {
        let offset = u64_at(request, 8).unwrap_or(0) as usize;
        let bytes = u32_at(request, 16).unwrap_or(0) as usize;
        let end = offset.saturating_add(bytes).min(self.content.len());
        self.content.get(offset..end).unwrap_or_default().to_vec()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Request {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (opcode, unique) = (u32_at(bytes, 4)?, u64_at(bytes, 8)?);
        Some(Self { opcode, unique, node: u64_at(bytes, 16)?, data: bytes.get(40..)?.to_vec() })
    }

    fn call(&self) -> Option<Call> {
        match self.opcode {
            opcode::OPEN => Some(Call::Open),
            opcode::READ => Some(Call::Read),
            opcode::FLUSH => Some(Call::Close),
            _ => None,
        }
    }
}

/// Returns the first fields of a `struct fuse_init_out`. The kernel sets the other fields to zero.
fn init_reply() -> Vec<u8> {
    let [major, minor] = VERSION;
    // The version, the maximum readahead, the flags, the default maxima of concurrent requests, and
    // the maximum size of a write.
    let fields = Fields::default().u32(major).u32(minor).u32(128 * 1024).u32(INIT_ASYNC_READ);
    fields.u32(0).u32(4096).0
}

/// Returns a `struct fuse_open_out`.
fn open_reply() -> Vec<u8> {
    Fields::default().u64(0).u32(OPEN_KEEP_CACHE).u32(0).0
}

/// The fields of a structure in the byte order of this machine.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// Returns `None` if this process may not mount file systems.
    fn disk(content: &[u8]) -> Option<HangingDisk> {
        HangingDisk::mount(content.to_vec()).ok()
    }

    #[test]
    fn the_file_can_be_read() {
        let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_ne_bytes).collect();
        let Some(disk) = disk(&content) else { return };
        assert_eq!(fs::metadata(disk.file()).unwrap().len(), content.len() as u64);
        assert!(fs::read(disk.file()).unwrap() == content, "expected the content of the file");
        let missing = disk.file().with_file_name("missing");
        assert_eq!(fs::read(missing).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn calls_hang_until_they_are_resumed_or_aborted() {
        for call in [Call::Open, Call::Read, Call::Close] {
            for is_aborted in [false, true] {
                let Some(disk) = disk(b"content") else { return };
                disk.hang(call);
                let path = disk.file();
                let reader = thread::spawn(move || fs::read(path));
                assert!(disk.wait_until_hanging(1, TIMEOUT), "expected a hanging {call:?}");
                assert!(!reader.is_finished());
                if is_aborted {
                    disk.abort()
                } else {
                    disk.resume()
                }
                let result = reader.join().unwrap();
                // `fs::read` ignores an error of `close`.
                assert_eq!(result.is_err(), is_aborted && call != Call::Close, "{call:?}");
            }
        }
    }
}
