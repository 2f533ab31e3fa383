//! Shows that `select!` drops the futures that do not complete first (lesson 07).
#![allow(clippy::print_stdout, reason = "the output of an example is its purpose")]

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
    let pooled = async {
        let _socket = Socket("pooled");
        let work = spawn_blocking(|| {
            std::thread::sleep(Duration::from_millis(200));
            println!("pooled: the closure ran to its end");
        });
        let _ = work.await;
        println!("pooled: never printed");
    };
    select! {
        () = slow => {}
        () = pooled => {}
        () = sleep(Duration::from_millis(50)) => println!("the timer completed first"),
    }
    println!("after the select");
    yield_now().await;
}
// ANCHOR_END: race
