//! Threads that the system may refuse to start.

use std::array;
use std::error::Error;
use std::fmt::{self, Display};
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Barrier, Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The number of threads in the blocking pool of an async sibling. With few threads, a sibling can
/// start the whole pool at startup, so that it never depends on a new thread later. Four threads
/// read 500 MB/s in pieces of 128 KiB, even if each read takes 1 ms.
pub const POOL_THREADS: NonZeroUsize = NonZeroUsize::new(4).expect("4 is not zero");

/// A call that occupies a thread of a blocking pool.
pub type PoolCall = Box<dyn FnOnce() + Send>;

/// Returns one call per thread of a blocking pool. Each call waits for the other calls, so that all
/// calls return as soon as the pool has started all of its threads.
#[must_use]
pub fn pool_calls() -> [PoolCall; POOL_THREADS.get()] {
    let barrier = Arc::new(Barrier::new(POOL_THREADS.get()));
    array::from_fn(|_| -> PoolCall {
        let barrier = Arc::clone(&barrier);
        Box::new(move || {
            barrier.wait();
        })
    })
}

/// Passes [`pool_calls`] to a function that starts the blocking pool of the process. Only the first
/// server in the process starts this pool. Further servers wait until the pool has started.
pub fn start_shared_pool(start: impl FnOnce([PoolCall; POOL_THREADS.get()])) {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| start(pool_calls()));
}

/// The maximum time that [`check_threads`] waits until the kernel has removed the ended threads.
/// Without this limit, the wait would not end if another part of the process started a thread.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Checks that `count` more threads can run at the same time. Runtimes panic, wait forever or start
/// fewer workers if they cannot start a thread.
pub(crate) fn check_threads(count: usize) -> io::Result<()> {
    let existing = count_threads();
    let gate = Mutex::new(());
    let closed = gate.lock();
    let started = thread::scope(|scope| {
        let _closed = closed;
        for _ in 0..count {
            let wait = || drop(gate.lock().unwrap_or_else(PoisonError::into_inner));
            thread::Builder::new().spawn_scoped(scope, wait)?;
        }
        Ok(())
    });
    // For a moment after the end of a thread, the kernel counts this thread against the limit.
    let deadline = Instant::now() + REMOVAL_TIMEOUT;
    while count_threads() > existing && Instant::now() < deadline {
        thread::yield_now();
    }
    started
}

/// Returns the number of threads of this process, or 0 if the number is unknown.
fn count_threads() -> usize {
    match cfg!(target_os = "linux") {
        true => std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count),
        false => 0,
    }
}

/// Returns the error of a thread that could not be started, for [`ErrorKind::NoThreads`].
///
/// [`ErrorKind::NoThreads`]: crate::ErrorKind::NoThreads
#[must_use]
pub fn no_thread(error: io::Error) -> io::Error {
    io::Error::other(NoThread(error))
}

/// Returns whether [`no_thread`] returned this error.
pub(crate) fn is_no_thread(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<NoThread>())
}

/// The error of a thread that could not be started. Operating systems report this error as
/// `WouldBlock` or as a lack of memory. Other failures have the same error kinds, so this type
/// distinguishes them.
#[derive(Debug)]
struct NoThread(io::Error);

impl Display for NoThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start a thread: {}", self.0)
    }
}

impl Error for NoThread {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_can_start_pass_the_check() {
        check_threads(8).unwrap();
    }

    #[test]
    fn pool_calls_return_when_all_of_them_run() {
        let calls = pool_calls().map(thread::spawn);
        for call in calls {
            call.join().unwrap();
        }
    }
}
