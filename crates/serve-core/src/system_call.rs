//! Repeats interrupted system calls.

use std::io;

/// Makes a system call, and repeats the call as long as a signal interrupts it (`EINTR`). Functions
/// of std repeat only some calls, such as `accept`, but not `send`.
pub(crate) fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
