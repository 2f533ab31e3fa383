//! The executor of exercise 25, which runs tasks on one thread.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

type BoxedFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
type Queue = Arc<Mutex<VecDeque<Arc<Task>>>>;

/// A future, and the queue that the task enters when it is woken.
struct Task {
    /// The future, or `None` after it has completed.
    future: Mutex<Option<BoxedFuture>>,
    queue: Queue,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let queue = Arc::clone(&self.queue);
        queue.lock().expect("not poisoned").push_back(self);
    }
}

impl Task {
    fn poll(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        let mut slot = self.future.lock().expect("not poisoned");
        // A task may be woken after its future has completed.
        let Some(mut future) = slot.take() else { return };
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            *slot = Some(future);
        }
    }
}

/// Runs tasks on one thread. All clones run the same tasks.
#[derive(Clone, Default)]
pub struct Executor {
    queue: Queue,
}

impl Executor {
    /// Creates a task, which is ready to be polled.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let future = Mutex::new(Some(Box::pin(future) as _));
        Arc::new(Task { future, queue: Arc::clone(&self.queue) }).wake();
    }

    pub fn has_ready_tasks(&self) -> bool {
        !self.queue.lock().expect("not poisoned").is_empty()
    }

    /// Polls each task that is ready. Tasks that are woken meanwhile are polled by the next call.
    pub fn run_ready_tasks(&self) {
        let ready = mem::take(&mut *self.queue.lock().expect("not poisoned"));
        ready.into_iter().for_each(Task::poll);
    }
}
