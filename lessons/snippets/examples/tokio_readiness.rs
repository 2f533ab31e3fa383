//! What Tokio's reactor knows of a socket, and what the kernel would say: lesson 06.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::io;
use std::net::TcpStream as Client;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

fn main() -> io::Result<()> {
    // One thread: the reactor has no turn before this task waits for something.
    Builder::new_current_thread().enable_all().build()?.block_on(ask())
}

// ANCHOR: ask
async fn ask() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let _client = Client::connect(listener.local_addr()?)?;
    let (accepted, _) = listener.accept().await?;
    println!("accepted by Tokio:   {:?}", accepted.try_write(b"hello"));

    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let _client = Client::connect(listener.local_addr()?)?;
    let (accepted, _) = listener.accept()?;
    accepted.set_nonblocking(true)?;
    let registered = TcpStream::from_std(accepted)?;
    println!("registered just now: {:?}", registered.try_write(b"hello").map_err(|e| e.kind()));
    println!("the kernel itself:   {:?}", SockRef::from(&registered).send(b"hello"));
    registered.writable().await?;
    println!("one turn later:      {:?}", registered.try_write(b"hello"));
    Ok(())
}
// ANCHOR_END: ask
