//! Shows two calls that exist in both async-std and smol, but behave differently (lesson 09).
#![allow(clippy::print_stdout, reason = "an example prints its results")]

use std::io::{self, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use futures_lite::AsyncWriteExt;
use smol::Timer;

fn main() -> io::Result<()> {
    drop_tasks();
    close_streams()
}

// ANCHOR: dropped
/// Drops the handles of tasks that still wait.
fn drop_tasks() {
    drop(async_std::task::spawn(print_after(100, "async-std: the task continued")));
    drop(smol::spawn(print_after(200, "smol: the task continued")));
    smol::spawn(print_after(300, "smol, detached: the task continued")).detach();
    std::thread::sleep(Duration::from_millis(500));
}

async fn print_after(wait_ms: u64, message: &str) {
    Timer::after(Duration::from_millis(wait_ms)).await;
    println!("{message}");
}
// ANCHOR_END: dropped

// ANCHOR: closed
/// Closes streams without dropping them, and prints what the peer receives.
fn close_streams() -> io::Result<()> {
    let (peer, stream) = connected()?;
    let mut stream = async_std::net::TcpStream::from(stream);
    async_std::task::block_on(stream.close())?;
    println!("async-std, close():  {}", received_by(&peer)?);
    stream.shutdown(Shutdown::Write)?;
    println!("async-std, shutdown: {}", received_by(&peer)?);

    let (peer, stream) = connected()?;
    let mut stream = smol::net::TcpStream::try_from(stream)?;
    smol::block_on(stream.close())?;
    println!("smol, close():       {}", received_by(&peer)?);
    Ok(())
}
// ANCHOR_END: closed

fn connected() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let peer = TcpStream::connect(listener.local_addr()?)?;
    peer.set_read_timeout(Some(Duration::from_millis(200)))?;
    Ok((peer, listener.accept()?.0))
}

fn received_by(mut peer: &TcpStream) -> io::Result<&'static str> {
    match peer.read(&mut [0]) {
        Ok(0) => Ok("end of file"),
        Ok(_) => Ok("a byte"),
        Err(error)
            if [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&error.kind()) =>
        {
            Ok("nothing within 200 ms")
        }
        Err(error) => Err(error),
    }
}
