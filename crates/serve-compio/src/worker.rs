//! The worker threads. Each worker thread has its own runtime, because a runtime of compio belongs to
//! the thread that created it.

use std::io::{self, Write};
use std::net::TcpListener;
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};
use std::thread;

use compio::driver::{DriverType, ProactorBuilder};
use compio::runtime::Runtime;
use serve_core::no_thread;

const WARNING: &str = "warning: io_uring is not available, so the server uses epoll\n";

/// Starts one worker thread per listener, and calls `main` when all runtimes are ready. Each thread
/// then runs the future that `work` returns, and drops its runtime with all remaining tasks.
///
/// # Errors
///
/// Returns an error if a thread or a runtime cannot be started. In this case, no worker runs.
pub(crate) fn run_all(
    listeners: Vec<TcpListener>,
    work: impl AsyncFn(TcpListener) + Sync,
    main: impl FnOnce(),
) -> io::Result<()> {
    let can_work = OnceLock::new();
    thread::scope(|scope| {
        let (sender, drivers) = mpsc::channel();
        let spawned = listeners.into_iter().try_for_each(|listener| {
            let (sender, work, can_work) = (sender.clone(), &work, &can_work);
            let worker = move || {
                let Some(runtime) = start_runtime(sender) else { return };
                if *can_work.wait() {
                    runtime.block_on(work(listener));
                }
            };
            let thread = thread::Builder::new().name("compio".to_owned());
            thread.spawn_scoped(scope, worker).map(drop).map_err(no_thread)
        });
        drop(sender);
        let drivers: io::Result<Vec<_>> = spawned.and_then(|()| drivers.iter().collect());
        let started = drivers.map(|drivers| {
            if drivers.iter().any(DriverType::is_polling) {
                let _ = io::stderr().write_all(WARNING.as_bytes());
            }
        });
        let _ = can_work.set(started.is_ok());
        started?;
        main();
        Ok(())
    })
}

/// Starts a runtime, and sends its driver or the error.
fn start_runtime(sender: Sender<io::Result<DriverType>>) -> Option<Runtime> {
    // ANCHOR: flags
    let mut proactor = ProactorBuilder::new();
    // The kernel completes operations when this thread enters the kernel, and does not interrupt the
    // thread. For `river.webp` in zero-copy mode, this saves a fifth of the CPU time. Linux before
    // 5.19 rejects this flag, so compio uses epoll there.
    proactor.coop_taskrun(true);
    // ANCHOR_END: flags
    let runtime = Runtime::builder().with_proactor(proactor).build().map_err(|error| {
        let message = format!("neither io_uring nor epoll is available: {error}");
        io::Error::new(error.kind(), message)
    });
    let (runtime, driver) = match runtime {
        Ok(runtime) => {
            let driver = runtime.driver_type();
            (Some(runtime), Ok(driver))
        }
        Err(error) => (None, Err(error)),
    };
    let _ = sender.send(driver);
    runtime
}
