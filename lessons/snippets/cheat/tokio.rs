//! A server that uses Tokio's counterparts to Node's calls.
//!
//! Run the server with `cargo run -p snippets --example cheat-tokio`.

#![allow(clippy::print_stdout, reason = "an example may panic if its stdout is closed")]

#[path = "client.rs"]
mod client;

use std::{io, panic};

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

fn main() -> io::Result<()> {
    let runtime = Runtime::new()?;
    let listener = runtime.block_on(listen(0))?;
    let address = listener.local_addr()?;
    runtime.spawn(create_server(listener));
    client::run(address)?;
    runtime.block_on(uncaught());
    Ok(())
}

async fn listen(port: u16) -> io::Result<TcpListener> {
    // ANCHOR: listen
    TcpListener::bind(("127.0.0.1", port)).await
    // ANCHOR_END: listen
}

async fn create_server(listener: TcpListener) -> io::Result<()> {
    // ANCHOR: create_server
    loop {
        let (stream, _peer) = listener.accept().await?;
        tokio::spawn(serve(stream));
    }
    // ANCHOR_END: create_server
}

async fn serve(stream: TcpStream) {
    // ANCHOR: on_error
    if let Err(error) = reply(stream).await {
        println!("error: {}", error.kind());
    }
    // ANCHOR_END: on_error
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
    // ANCHOR: on_data
    let mut buffer = [0; 8 * 1024];
    loop {
        let received = stream.read(&mut buffer).await?;
        if received == 0 {
            println!("end");
            return Ok(());
        }
        println!("data: {received} bytes");
    }
    // ANCHOR_END: on_data
}

async fn create_read_stream(path: &str) -> io::Result<File> {
    // ANCHOR: create_read_stream
    File::open(path).await
    // ANCHOR_END: create_read_stream
}

async fn pipe(mut file: File, stream: &mut TcpStream) -> io::Result<u64> {
    // ANCHOR: pipe
    tokio::io::copy(&mut file, stream).await
    // ANCHOR_END: pipe
}

async fn read_chunk(file: &mut File) -> io::Result<Vec<u8>> {
    // ANCHOR: high_water_mark
    let mut chunk = vec![0; 64 * 1024];
    let read = file.read(&mut chunk).await?;
    chunk.truncate(read);
    // ANCHOR_END: high_water_mark
    Ok(chunk)
}

async fn send_chunks(mut file: File, stream: &mut TcpStream) -> io::Result<()> {
    // ANCHOR: backpressure
    loop {
        let chunk = read_chunk(&mut file).await?;
        if chunk.is_empty() {
            return Ok(());
        }
        // The loop reads the next chunk only after the kernel has accepted this chunk.
        stream.write_all(&chunk).await?;
    }
    // ANCHOR_END: backpressure
}

async fn pipeline(mut file: File, mut stream: TcpStream) -> io::Result<()> {
    // ANCHOR: pipeline
    tokio::io::copy(&mut file, &mut stream).await?;
    stream.shutdown().await
    // ANCHOR_END: pipeline
}

async fn uncaught() {
    panic::set_hook(Box::new(|_| println!("panic")));
    // ANCHOR: uncaught
    let task = tokio::spawn(async { panic!("a bug") });
    assert!(task.await.is_err());
    // ANCHOR_END: uncaught
    println!("one task has ended, and the process continues");
}
