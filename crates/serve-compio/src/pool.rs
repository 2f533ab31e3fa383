//! The blocking pool, which all servers of the process share.
//!
//! compio has its own pool, but if all threads of that pool are busy, compio tries again without a
//! pause. A disk that does not answer would block the worker thread.

use blocking::{set_max_blocking_threads, unblock};
use futures_lite::future::block_on;
use serve_core::{POOL_THREADS, start_shared_pool};

/// Starts all threads of the pool, because the system may refuse to start a thread later. In that
/// case, the pool would try again without a pause, unless it has reached its maximum.
pub(crate) fn start() {
    start_shared_pool(|calls| {
        set_max_blocking_threads(POOL_THREADS);
        calls.map(unblock).into_iter().for_each(block_on);
    });
}
