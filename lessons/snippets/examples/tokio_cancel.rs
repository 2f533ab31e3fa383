//! What becomes of a future that lost a `select!`: lesson 06.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::io;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::select;
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::sleep;

fn main() -> io::Result<()> {
    Builder::new_multi_thread().enable_all().build()?.block_on(race());
    Ok(())
}

// ANCHOR: guard
struct Socket(&'static str);

impl Drop for Socket {
    fn drop(&mut self) {
        println!("{}: closed", self.0);
    }
}
// ANCHOR_END: guard

// ANCHOR: race
async fn race() {
    let slow = async {
        let _socket = Socket("slow");
        sleep(Duration::from_secs(3600)).await;
        println!("slow: never printed");
    };
    let in_the_pool = async {
        let _socket = Socket("in the pool");
        let working = spawn_blocking(|| {
            std::thread::sleep(Duration::from_millis(200));
            println!("in the pool: the closure went on to its end");
        });
        let _ = working.await;
        println!("in the pool: never printed");
    };
    select! {
        () = slow => {}
        () = in_the_pool => {}
        () = sleep(Duration::from_millis(50)) => println!("the clock was first"),
    }
    println!("after the select");
    yield_now().await;
}
// ANCHOR_END: race
