//! Three things that look the same in async-std and smol, and are not: lesson 07.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::io::{self, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use futures_lite::AsyncWriteExt;
use smol::Timer;

fn main() -> io::Result<()> {
    a_dropped_task();
    a_closed_stream()
}

// ANCHOR: dropped
/// The handle of a task is dropped while the task waits.
fn a_dropped_task() {
    drop(async_std::task::spawn(tell_after(100, "async-std: the task went on")));
    drop(smol::spawn(tell_after(200, "smol: the task went on")));
    smol::spawn(tell_after(300, "smol, detached: the task went on")).detach();
    std::thread::sleep(Duration::from_millis(500));
}

async fn tell_after(wait_ms: u64, what: &str) {
    Timer::after(Duration::from_millis(wait_ms)).await;
    println!("{what}");
}
// ANCHOR_END: dropped

// ANCHOR: closed
/// A stream is closed, but not dropped: what does the other side see?
fn a_closed_stream() -> io::Result<()> {
    let (peer, stream) = connected()?;
    let mut stream = async_std::net::TcpStream::from(stream);
    async_std::task::block_on(stream.close())?;
    println!("async-std, close():  {}", seen_by(&peer)?);
    stream.shutdown(Shutdown::Write)?;
    println!("async-std, shutdown: {}", seen_by(&peer)?);

    let (peer, stream) = connected()?;
    let mut stream = smol::net::TcpStream::try_from(stream)?;
    smol::block_on(stream.close())?;
    println!("smol, close():       {}", seen_by(&peer)?);
    Ok(())
}
// ANCHOR_END: closed

fn connected() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let peer = TcpStream::connect(listener.local_addr()?)?;
    peer.set_read_timeout(Some(Duration::from_millis(200)))?;
    Ok((peer, listener.accept()?.0))
}

fn seen_by(mut peer: &TcpStream) -> io::Result<&'static str> {
    match peer.read(&mut [0]) {
        Ok(0) => Ok("the end of the file"),
        Ok(_) => Ok("a byte"),
        Err(error)
            if [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&error.kind()) =>
        {
            Ok("nothing, for 200 ms")
        }
        Err(error) => Err(error),
    }
}
