//! Shows which events mio's `poll` returns, and when readiness is out of date (lesson 16).
#![allow(clippy::print_stdout, reason = "the output of an example is its purpose")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream as Client};
use std::time::Duration;

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

fn main() -> io::Result<()> {
    one_connection()?;
    two_loops()
}

/// Waits for events for at most 50 ms, and returns a description of each event.
fn wait(poll: &mut Poll) -> io::Result<String> {
    let mut events = Events::with_capacity(16);
    poll.poll(&mut events, Some(Duration::from_millis(50)))?;
    let described: Vec<String> = events.iter().map(describe).collect();
    Ok(if described.is_empty() { "no event".to_owned() } else { described.join(", ") })
}

fn describe(event: &Event) -> String {
    let properties = [
        (event.is_readable(), "readable"),
        (event.is_writable(), "writable"),
        (event.is_read_closed(), "read closed"),
    ];
    let properties = properties.into_iter().filter(|(holds, _)| *holds).map(|(_, name)| name);
    format!("token {}: {}", event.token().0, properties.collect::<Vec<_>>().join(" + "))
}

// ANCHOR: connection
fn one_connection() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let (mut client, mut stream) = connect()?;
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut stream, Token(7), interest)?;
    println!("registered:      {}", wait(&mut poll)?);
    client.write_all(b"hello")?;
    println!("the client sent: {}", wait(&mut poll)?);
    println!("nothing is read: {}", wait(&mut poll)?);
    client.write_all(b"again")?;
    println!("the client sent: {}", wait(&mut poll)?);
    let mut buffer = [0; 1024];
    println!("first read:      {:?}", stream.read(&mut buffer));
    println!("second read:     {:?}", stream.read(&mut buffer).map_err(|error| error.kind()));
    client.shutdown(Shutdown::Write)?;
    println!("half-close:      {}", wait(&mut poll)?);
    println!("third read:      {:?}", stream.read(&mut buffer));
    Ok(())
}
// ANCHOR_END: connection

fn connect() -> io::Result<(Client, TcpStream)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let client = Client::connect(listener.local_addr()?)?;
    let (stream, _) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok((client, TcpStream::from_std(stream)))
}

// ANCHOR: two_loops
fn two_loops() -> io::Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let (mut poll_a, mut poll_b) = (Poll::new()?, Poll::new()?);
    let mut listener_a = TcpListener::from_std(listener.try_clone()?);
    let mut listener_b = TcpListener::from_std(listener);
    poll_a.registry().register(&mut listener_a, Token(0), Interest::READABLE)?;
    poll_b.registry().register(&mut listener_b, Token(0), Interest::READABLE)?;
    let _client = Client::connect(listener_a.local_addr()?)?;
    println!("loop A: {}", wait(&mut poll_a)?);
    println!("loop B: {}", wait(&mut poll_b)?);
    println!("loop A: accept has succeeded: {}", listener_a.accept().is_ok());
    println!("loop B: accept: {:?}", listener_b.accept().map(drop).map_err(|error| error.kind()));
    Ok(())
}
// ANCHOR_END: two_loops
