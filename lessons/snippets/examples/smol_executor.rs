//! Creates an executor, runs it on a thread, and drops it (lesson 10).
#![allow(clippy::print_stdout, reason = "an example prints its results")]

use std::future::pending;
use std::thread;

use smol::future::yield_now;
use smol::{Executor, block_on};

fn main() {
    let executor = Executor::new();
    // ANCHOR: spawn
    let waiting = executor.spawn(async {
        let _socket = Socket("the waiting task");
        pending::<()>().await;
    });
    waiting.detach();
    let sum = executor.spawn(async {
        println!("a task runs on the thread {:?}", thread::current().name());
        yield_now().await;
        1 + 2
    });
    println!("two tasks are spawned, but no thread runs them");
    // ANCHOR_END: spawn
    // ANCHOR: run
    let sum = thread::scope(|scope| {
        let worker = thread::Builder::new().name("worker".to_owned());
        let running = worker.spawn_scoped(scope, || block_on(executor.run(sum)));
        running.expect("a thread can be started").join().expect("no task panics")
    });
    println!("the result is {sum}, and the thread has ended");
    // ANCHOR_END: run
    // ANCHOR: drop
    println!("dropping the executor");
    drop(executor);
    println!("no task is left");
    // ANCHOR_END: drop
}

struct Socket(&'static str);

impl Drop for Socket {
    fn drop(&mut self) {
        println!("  the socket of {} is closed", self.0);
    }
}
