//! Shows that a task that blocks delays another task on the same thread (lesson 06).
#![allow(clippy::print_stdout, reason = "the output of an example is its purpose")]

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

fn main() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let gap = longest_gap(async { sleep(DISK).await }).await;
        println!("waits for a timer:   other task delayed by {} ms", gap.as_millis());
        let gap = longest_gap(async { thread::sleep(DISK) }).await;
        println!("blocks its thread:   other task delayed by {} ms", gap.as_millis());
        let gap = longest_gap(async { _ = spawn_blocking(|| thread::sleep(DISK)).await }).await;
        println!("blocking pool:       other task delayed by {} ms", gap.as_millis());
    });
    Ok(())
}

// ANCHOR: gap
/// The simulated duration of a read from a slow disk or a network file system.
const DISK: Duration = Duration::from_millis(300);

/// Runs `work`, and returns the longest delay of another task that wakes every 10 ms.
async fn longest_gap(work: impl Future<Output = ()>) -> Duration {
    let other_task = tokio::spawn(async {
        let mut longest = Duration::ZERO;
        for _ in 0..50 {
            let started = Instant::now();
            sleep(Duration::from_millis(10)).await;
            longest = longest.max(started.elapsed() - Duration::from_millis(10));
        }
        longest
    });
    // Ensure that the other task starts first.
    sleep(Duration::from_millis(50)).await;
    work.await;
    other_task.await.expect("the task neither panics nor is canceled")
}
// ANCHOR_END: gap
