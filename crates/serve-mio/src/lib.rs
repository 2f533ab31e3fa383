//! The file server on mio, with a hand-written event loop per worker thread and no runtime.
//!
//! mio reports which sockets are ready, and does nothing else. The other siblings get all other
//! parts from their runtime or from the kernel. This crate contains these parts:
//!
//! - `event_loop` waits for events, accepts connections, and runs the connections that can make
//!   progress. This is the work of an executor and of a reactor.
//! - `state_machine` serves one client. The other siblings write this code as a sequence of
//!   statements that wait. An event loop must not wait in the middle of a function. Therefore, each
//!   statement that waits is a state, and the event loop calls the state machine again when the
//!   wait is over. The compiler generates the same state machine from an `async fn`.
//! - `timers` stores the deadlines of all connections of a loop, and the pause after a failed
//!   `accept`.
//! - `pool` runs calls that may wait for a disk.
//!
//! The functions have the same names as in the other siblings. A connection stays on the loop that
//! accepted it, so its state needs no lock.
//!
//! Run `cargo run -p serve-mio` and open <http://localhost:4000/> in a browser.

mod event_loop;
mod pool;
mod state_machine;
mod timers;

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Once};
use std::thread;

use serve_core::{Approach, Server, no_thread};

use event_loop::EventLoop;
use pool::Pool;
use timers::AcceptPause;

/// The description of this sibling.
pub const APPROACH: Approach = Approach {
    name: "mio",
    summary: "mio, one hand-written event loop per worker thread",
    has_workers: true,
    max_connections: 10_000,
    connection_bytes: 6 * 1024,
    // An event loop has an epoll instance, an eventfd of its waker, and a duplicate of the listener.
    worker_descriptors: 3,
    run,
};

/// Serves clients until the shutdown (see [`Approach::run`]).
///
/// # Errors
///
/// Returns an error if no file descriptor is left for an event loop, or if a thread cannot be
/// started.
pub fn run(listener: TcpListener, server: Arc<Server>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let (pool, pause) = (Pool::start()?, AcceptPause::default());
    let event_loop = |_| EventLoop::new(&listener, &server, &pool, &pause);
    let event_loops: Vec<_> =
        (0..server.config.workers).map(event_loop).collect::<Result<_, _>>()?;
    // The kernel closes the accept queue when every loop has closed its listener.
    drop(listener);
    let wakers: Vec<_> = event_loops.iter().map(|it| it.waker.clone()).collect();
    let wake_all = || wakers.iter().for_each(|waker| waker.wake_by_ref());
    let announced = Once::new();
    thread::scope(|scope| {
        let started = event_loops.into_iter().try_for_each(|event_loop| {
            let worker = || {
                // No client is accepted before the event `listening`.
                announced.wait();
                event_loop.run();
            };
            let thread = thread::Builder::new().name("mio".to_owned());
            thread.spawn_scoped(scope, worker).map(drop).map_err(no_thread)
        });
        let result = started.map(|()| {
            announced.call_once(|| server.announce());
            server.shutdown.wait();
            wake_all();
            server.wait_until_idle(server.config.grace);
        });
        // Each loop ends, and drops its sockets and then their `Connection`s.
        server.disconnect_all();
        wake_all();
        // If a thread could not be started, the other threads are still waiting.
        announced.call_once(|| {});
        result
    })
}
