//! Shows which variables become part of a future (lesson 06).
#![allow(clippy::print_stdout, reason = "the output of an example is its purpose")]

use std::hint::black_box;

use tokio::task::yield_now;

fn main() {
    println!("the buffer is dropped before the await: {} bytes", size_of_val(&before()));
    println!("the buffer lives across the await:      {} bytes", size_of_val(&across()));
    println!("the caller of the second function:      {} bytes", size_of_val(&caller()));
}

// ANCHOR: functions
async fn before() {
    {
        let buffer = [0; 1024];
        use_bytes(&buffer);
    }
    yield_now().await;
}

async fn across() {
    let buffer = [0; 1024];
    yield_now().await;
    use_bytes(&buffer);
}

async fn caller() {
    across().await;
}
// ANCHOR_END: functions

fn use_bytes(bytes: &[u8]) {
    black_box(bytes);
}
