//! An executor is a value: what that means while it runs, and when it is dropped. Lesson 08.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::future::pending;
use std::thread;

use smol::future::yield_now;
use smol::{Executor, block_on};

fn main() {
    let executor = Executor::new();
    // ANCHOR: spawn
    let forever = executor.spawn(async {
        let _socket = Socket("a task that waits for ever");
        pending::<()>().await;
    });
    forever.detach();
    let sum = executor.spawn(async {
        println!("a task runs on {:?}", thread::current().name());
        yield_now().await;
        1 + 2
    });
    println!("two tasks are spawned, and no thread runs them");
    // ANCHOR_END: spawn
    // ANCHOR: lend
    let sum = thread::scope(|scope| {
        let lent = thread::Builder::new().name("lent".to_owned());
        let running = lent.spawn_scoped(scope, || block_on(executor.run(sum)));
        running.expect("a thread can be started").join().expect("no task panics")
    });
    println!("its result is {sum}, and the thread is gone");
    // ANCHOR_END: lend
    // ANCHOR: drop
    println!("the executor goes, and with it");
    drop(executor);
    println!("nothing is left");
    // ANCHOR_END: drop
}

struct Socket(&'static str);

impl Drop for Socket {
    fn drop(&mut self) {
        println!("  {}: its socket is closed", self.0);
    }
}
