//! What a task that blocks does to its neighbour on the same thread: lesson 06.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

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
        println!("waits for a timer:   neighbour held up for {} ms", gap.as_millis());
        let gap = longest_gap(async { thread::sleep(DISK) }).await;
        println!("blocks its thread:   neighbour held up for {} ms", gap.as_millis());
        let gap = longest_gap(async { _ = spawn_blocking(|| thread::sleep(DISK)).await }).await;
        println!("blocks in the pool:  neighbour held up for {} ms", gap.as_millis());
    });
    Ok(())
}

// ANCHOR: gap
/// As long as a slow disk, or a network file system on a bad day.
const DISK: Duration = Duration::from_millis(300);

/// How long a task that wants to run every 10 ms was kept from it while `work` was done.
async fn longest_gap(work: impl Future<Output = ()>) -> Duration {
    let neighbour = tokio::spawn(async {
        let mut longest = Duration::ZERO;
        for _ in 0..50 {
            let began = Instant::now();
            sleep(Duration::from_millis(10)).await;
            longest = longest.max(began.elapsed() - Duration::from_millis(10));
        }
        longest
    });
    // The neighbour begins first.
    sleep(Duration::from_millis(50)).await;
    work.await;
    neighbour.await.expect("it neither panics nor is cancelled")
}
// ANCHOR_END: gap
