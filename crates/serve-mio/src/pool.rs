//! The blocking pool. Its threads make the calls that may wait for a disk, because such a call on a
//! worker thread would delay all connections of an event loop.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serve_core::{POOL_THREADS, no_thread};

type Call = Box<dyn FnOnce() + Send>;

/// The threads of the pool, which end after this value is dropped. A thread that hangs in a call is
/// not joined, so that it does not delay the shutdown.
pub(crate) struct Pool(Sender<Call>);

impl Pool {
    /// Starts all threads of the pool, because the system may refuse to start a thread later.
    pub(crate) fn start() -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..POOL_THREADS.get() {
            let receiver = Arc::clone(&receiver);
            let thread = thread::Builder::new().name("mio-pool".to_owned());
            thread.spawn(move || run_calls(&receiver)).map_err(no_thread)?;
        }
        Ok(Self(sender))
    }

    /// Runs a call on the next thread that is free.
    pub(crate) fn spawn(&self, call: impl FnOnce() + Send + 'static) {
        self.0.send(Box::new(call)).expect("the threads run as long as the pool exists");
    }
}

fn run_calls(receiver: &Mutex<Receiver<Call>>) {
    loop {
        // The lock is released at the end of this statement, so that other threads can receive
        // calls while this thread runs the call.
        let call = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(call) = call else { return };
        call();
    }
}
