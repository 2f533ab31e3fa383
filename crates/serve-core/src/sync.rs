//! The synchronization primitives of the shared state. A build with `--cfg loom` replaces them with
//! the primitives of loom, so that the tests in `models` can run the code with every order of the
//! threads' steps.

use std::io;
use std::sync::PoisonError;

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::thread::sleep;

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};

#[cfg(loom)]
pub(crate) use self::model::{Condvar, sleep};

/// Locks a mutex even if a thread panicked while it held the lock, so that the log continues to
/// work. The data is valid even after a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a thread.
#[cfg(not(loom))]
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

#[cfg(loom)]
pub(crate) fn spawn(_name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    loom::thread::spawn(run);
    Ok(())
}

/// The parts of std that loom does not provide.
#[cfg(loom)]
mod model {
    use std::sync::LockResult;
    use std::time::Duration;

    use loom::sync::MutexGuard;

    /// A model has no clock, so a sleeping thread only lets the other threads run.
    pub(crate) fn sleep(_time: Duration) {
        loom::thread::yield_now();
    }

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }

        pub(crate) fn wait_while<'a, T>(
            &self,
            mut guard: MutexGuard<'a, T>,
            mut condition: impl FnMut(&mut T) -> bool,
        ) -> LockResult<MutexGuard<'a, T>> {
            while condition(&mut *guard) {
                guard = self.0.wait(guard)?;
            }
            Ok(guard)
        }

        /// Waits without a timeout. If a wakeup is missing, the model ends in a deadlock, which
        /// loom reports.
        pub(crate) fn wait_timeout_while<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            _timeout: Duration,
            condition: impl FnMut(&mut T) -> bool,
        ) -> LockResult<(MutexGuard<'a, T>, ())> {
            match self.wait_while(guard, condition) {
                Ok(guard) => Ok((guard, ())),
                Err(_) => unreachable!("the mutexes of loom are never poisoned"),
            }
        }
    }
}
