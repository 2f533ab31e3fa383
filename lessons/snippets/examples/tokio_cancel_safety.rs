//! Shows which data a canceled read loses (lesson 07).
#![allow(clippy::print_stdout, reason = "the output of an example is its purpose")]

use std::io;
use std::str;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::runtime::Builder;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_millis(20);

fn main() -> io::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        lose_data().await?;
        keep_data().await
    })
}

// ANCHOR: lose
async fn lose_data() -> io::Result<()> {
    let (mut client, mut server) = duplex(64);
    let mut message = [0; 10];
    client.write_all(b"first").await?;
    let result = timeout(LIMIT, server.read_exact(&mut message)).await;
    println!("read_exact: {}", if result.is_err() { "canceled" } else { "completed" });
    client.write_all(b"-last").await?;
    let received = server.read(&mut message).await?;
    println!("then read:  {:?}", str::from_utf8(&message[..received]));
    Ok(())
}
// ANCHOR_END: lose

// ANCHOR: keep
async fn keep_data() -> io::Result<()> {
    let (mut client, mut server) = duplex(64);
    let mut message = Vec::with_capacity(10);
    client.write_all(b"first").await?;
    while message.len() < 10 {
        match timeout(LIMIT, server.read_buf(&mut message)).await {
            Ok(received) => println!("read_buf:   {} bytes", received?),
            Err(_elapsed) => {
                println!("read_buf:   canceled");
                client.write_all(b"-last").await?;
            }
        }
    }
    println!("all data:   {:?}", str::from_utf8(&message));
    Ok(())
}
// ANCHOR_END: keep
