//! A small executor without I/O, which prints each poll and each wake (lesson 06).
#![allow(clippy::print_stdout, reason = "the output of an example is its purpose")]

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

fn main() {
    block_on(Sleep::new(50));
    println!("block_on has returned");

    // ANCHOR: main
    let executor = Executor::new();
    executor.spawn("A", async {
        println!("  A waits for the timer");
        Sleep::new(50).await;
        println!("  A continues");
    });
    executor.spawn("B", async {
        println!("  B yields");
        yield_now().await;
        println!("  B continues");
    });
    executor.run();
    // ANCHOR_END: main
}

// ANCHOR: sleep
/// A future that completes at its deadline. A separate thread waits and then wakes the task.
struct Sleep {
    deadline: Instant,
}

impl Sleep {
    fn new(milliseconds: u64) -> Self {
        Self { deadline: Instant::now() + Duration::from_millis(milliseconds) }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        thread::spawn(move || {
            thread::sleep(remaining);
            waker.wake();
        });
        Poll::Pending
    }
}
// ANCHOR_END: sleep

// ANCHOR: yield_now
/// Returns `Pending` once, so that other tasks can run.
async fn yield_now() {
    let mut has_yielded = false;
    let yielding = poll_fn(|context| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    });
    yielding.await;
}
// ANCHOR_END: yield_now

// ANCHOR: block_on
/// Wakes a thread that waits in `park`.
struct ThreadWaker(Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        println!("wake the thread");
        self.0.unpark();
    }
}

/// Polls one future until it completes, and returns its output.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(ThreadWaker(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        println!("poll the future");
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
// ANCHOR_END: block_on

// ANCHOR: task
/// A future, and the queue that the task enters when it is woken.
struct Task {
    name: &'static str,
    /// The future, or `None` after it has completed.
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    queue: Sender<Arc<Self>>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        println!("wake {}", self.name);
        let queue = self.queue.clone();
        // `send` fails only if the executor was dropped. In that case, the task is dropped, too.
        let _ = queue.send(self);
    }
}

impl Task {
    fn poll(self: Arc<Self>) {
        println!("poll {}", self.name);
        let waker = Waker::from(Arc::clone(&self));
        let mut slot = self.future.lock().expect("a poll that panics ends `run`");
        // A task may be woken after its future has completed.
        let Some(mut future) = slot.take() else { return };
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(()) => println!("  Ready"),
            Poll::Pending => {
                println!("  Pending");
                *slot = Some(future);
            }
        }
    }
}
// ANCHOR_END: task

// ANCHOR: executor
/// Runs tasks on one thread.
struct Executor {
    sender: Sender<Arc<Task>>,
    ready: Receiver<Arc<Task>>,
}

impl Executor {
    fn new() -> Self {
        let (sender, ready) = mpsc::channel();
        Self { sender, ready }
    }

    /// Creates a task. The first poll of the task happens in `run`.
    fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        println!("spawn {name}");
        let future = Mutex::new(Some(Box::pin(future) as _));
        let task = Task { name, future, queue: self.sender.clone() };
        self.sender.send(Arc::new(task)).expect("the executor has the receiver");
    }

    /// Polls each task in the queue, and waits while the queue is empty. Returns when no task is
    /// left.
    fn run(self) {
        // Now only tasks have senders. When no task is left, the channel closes and the loop ends.
        drop(self.sender);
        for task in self.ready {
            task.poll();
        }
    }
}
// ANCHOR_END: executor
