//! The blocking pool, which all servers of the process share.

use blocking::set_max_blocking_threads;
use serve_core::{POOL_THREADS, start_shared_pool};
use smol::{block_on, unblock};

/// Starts all threads of the pool, because the system may refuse to start a thread later. In that
/// case, the pool would try again without a pause, unless it has reached its maximum.
pub(crate) fn start() {
    start_shared_pool(|calls| {
        set_max_blocking_threads(POOL_THREADS);
        calls.map(unblock).into_iter().for_each(block_on);
    });
}
