//! Compares the readiness in Tokio's reactor with the socket's state in the kernel (lesson 08).
#![allow(clippy::print_stdout, reason = "the output of an example is its purpose")]

use std::io;
use std::net::TcpStream as Client;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

fn main() -> io::Result<()> {
    // The runtime has one thread, so the reactor polls the kernel only when this task waits.
    Builder::new_current_thread().enable_all().build()?.block_on(ask())
}

// ANCHOR: ask
async fn ask() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let _client = Client::connect(listener.local_addr()?)?;
    let (accepted, _) = listener.accept().await?;
    println!("accepted by Tokio:  {:?}", accepted.try_write(b"hello"));

    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let _client = Client::connect(listener.local_addr()?)?;
    let (accepted, _) = listener.accept()?;
    accepted.set_nonblocking(true)?;
    let registered = TcpStream::from_std(accepted)?;
    println!("just registered:    {:?}", registered.try_write(b"hello").map_err(|e| e.kind()));
    let send = || SockRef::from(&registered).send(b"hello");
    println!("the kernel:         {:?}", send());
    println!("through `async_io`: {:?}", registered.async_io(Interest::WRITABLE, send).await);
    Ok(())
}
// ANCHOR_END: ask
