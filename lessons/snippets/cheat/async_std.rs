//! A server that uses async-std's counterparts to Node's calls.
//!
//! Run the server with `cargo run -p snippets --example cheat-async-std`.

#![allow(clippy::print_stdout, reason = "an example may panic if its stdout is closed")]

#[path = "client.rs"]
mod client;

use std::net::Shutdown;
use std::panic::{self, AssertUnwindSafe};

use async_std::fs::File;
use async_std::io::{self, ReadExt, WriteExt};
use async_std::net::{TcpListener, TcpStream};
use async_std::task;
use futures_lite::FutureExt;

fn main() -> io::Result<()> {
    let listener = task::block_on(listen(0))?;
    let address = listener.local_addr()?;
    task::spawn(create_server(listener));
    client::run(address)?;
    task::block_on(uncaught());
    Ok(())
}

async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await
}

async fn create_server(listener: TcpListener) -> io::Result<()> {
    // ANCHOR: create_server
    loop {
        let (stream, _peer) = listener.accept().await?;
        task::spawn(serve(stream));
    }
    // ANCHOR_END: create_server
}

async fn serve(stream: TcpStream) {
    if let Err(error) = reply(stream).await {
        println!("error: {}", error.kind());
    }
    // `reply` owned the stream, so the stream is closed now, even after an error.
    println!("close");
    client::CLOSED.wait();
}

/// Sends the file three times, each time with different calls.
async fn reply(mut stream: TcpStream) -> io::Result<()> {
    drain(&mut stream).await?;
    pipe(create_read_stream(client::FILE).await?, &mut stream).await?;
    send_chunks(create_read_stream(client::FILE).await?, &mut stream).await?;
    pipeline(create_read_stream(client::FILE).await?, stream).await
}

async fn drain(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 8 * 1024];
    loop {
        let received = stream.read(&mut buffer).await?;
        if received == 0 {
            println!("end");
            return Ok(());
        }
        println!("data: {received} bytes");
    }
}

async fn create_read_stream(path: &str) -> io::Result<File> {
    File::open(path).await
}

async fn pipe(mut file: File, stream: &mut TcpStream) -> io::Result<u64> {
    io::copy(&mut file, stream).await
}

async fn read_chunk(file: &mut File) -> io::Result<Vec<u8>> {
    let mut chunk = vec![0; 64 * 1024];
    let read = file.read(&mut chunk).await?;
    chunk.truncate(read);
    Ok(chunk)
}

async fn send_chunks(mut file: File, stream: &mut TcpStream) -> io::Result<()> {
    loop {
        let chunk = read_chunk(&mut file).await?;
        if chunk.is_empty() {
            return Ok(());
        }
        // The loop reads the next chunk only after the kernel has accepted this chunk.
        stream.write_all(&chunk).await?;
    }
}

async fn pipeline(mut file: File, mut stream: TcpStream) -> io::Result<()> {
    // ANCHOR: pipeline
    io::copy(&mut file, &mut stream).await?;
    stream.shutdown(Shutdown::Write)
    // ANCHOR_END: pipeline
}

async fn uncaught() {
    panic::set_hook(Box::new(|_| println!("panic")));
    // ANCHOR: uncaught
    let task = task::spawn(async { panic!("a bug") });
    // Awaiting the task resumes the panic.
    assert!(AssertUnwindSafe(task).catch_unwind().await.is_err());
    // ANCHOR_END: uncaught
    println!("one task has ended, and the process continues");
}
