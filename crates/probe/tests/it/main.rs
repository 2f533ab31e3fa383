//! The program against small servers that do to it what servers do.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::SockRef;

/// Whatever takes longer is stuck.
const DEADLINE: Duration = Duration::from_secs(20);

const REPLY: &[u8] = b"HTTP/1.1\n\nRIFF and more";

/// What the program did.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    /// Whether it ended so, and told these parts, in this order.
    fn expect(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let mut rest = self.out.as_str();
        for part in parts {
            let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?} in {self:?}"));
            rest = &rest[at + part.len()..];
        }
    }
}

/// A server for one client, on a port of its own; joined, it returns what it saw.
fn server<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        serve(stream)
    });
    (addr, serving)
}

/// What a right server does; returns what the client said.
fn reply(mut stream: TcpStream) -> Vec<u8> {
    stream.write_all(REPLY).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    received
}

fn probe(addr: SocketAddr, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
    command.arg(addr.to_string()).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let (mut said, mut complained) = (String::new(), String::new());
        out.read_to_string(&mut said).unwrap();
        err.read_to_string(&mut complained).unwrap();
        let _ = done.send((said, complained));
    });
    let Ok((out, err)) = is_done.recv_timeout(DEADLINE) else {
        child.kill().unwrap();
        panic!("probe {args:?} did not end within {DEADLINE:?}");
    };
    Ran { code: child.wait().unwrap().code(), out, err }
}

#[test]
fn a_whole_reply_is_told() {
    let (addr, serving) = server(reply);
    let ran = probe(addr, &[]);
    let connected = format!("connected to {addr}\n");
    let hex = "48 54 54 50 2f 31 2e 31  0a 0a 52 49 46 46 20 61  HTTP/1.1..RIFF a …\n";
    let fin = "\n23 bytes, then the server's FIN (end of file) after ";
    ran.expect(0, &[&connected, "first byte after ", fin, hex]);
    assert_eq!(serving.join().unwrap(), b"");
}

#[test]
fn it_says_what_it_was_told_and_ends_its_side() {
    let (addr, serving) = server(|mut stream| {
        // Whoever waits for the client's FIN sees that it is one.
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        stream.write_all(REPLY).unwrap();
        received
    });
    let ran = probe(addr, &["--say", "a\\r\\n\\x00", "--upload", "1KiB", "--half-close"]);
    ran.expect(0, &["said 4 bytes\n", "uploaded 1,024 bytes", "our FIN", "23 bytes, then the"]);
    let received = serving.join().unwrap();
    assert_eq!(received[..4], *b"a\r\n\0");
    assert_eq!(received.len(), 4 + 1024);
}

#[test]
fn a_server_that_reads_nothing_is_told() {
    let (over, is_over) = mpsc::channel::<()>();
    let (addr, serving) = server(move |_stream| is_over.recv_timeout(DEADLINE));
    let ran = probe(addr, &["--upload", "50MB", "--timeout", "0.3"]);
    ran.expect(1, &["connected", "stuck: ", "none more for 300 ms\n", "nobody reads"]);
    drop(over);
    serving.join().unwrap().unwrap_err();
}

#[test]
fn a_reset_is_told() {
    let (addr, serving) = server(|mut stream| {
        stream.write_all(REPLY).unwrap();
        // It has come when the client answers.
        stream.read_exact(&mut [0; 2]).unwrap();
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let ran = probe(addr, &["--say", "hi"]);
    serving.join().unwrap();
    ran.expect(1, &["then a reset (RST) after ", "what was under way is lost\n"]);
}

#[test]
fn a_reset_while_nothing_is_read_is_told_when_it_comes() {
    let (addr, serving) = server(|stream| {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    // Seen at once: it does not sit out the wait.
    let ran = probe(addr, &["--wait", "3600"]);
    serving.join().unwrap();
    ran.expect(1, &["the server reset the connection (RST): seen after ", "0 bytes had come"]);
}

#[test]
fn silence_is_told() {
    let (addr, serving) = server(|mut stream| {
        stream.write_all(REPLY).unwrap();
        stream.read(&mut [0]).unwrap()
    });
    let ran = probe(addr, &["--timeout", "0.2"]);
    ran.expect(1, &["23 bytes, then nothing for 200 ms, and no end: the connection is still open"]);
    assert_eq!(serving.join().unwrap(), 0);
}

#[test]
fn it_reads_so_many_and_leaves_as_it_is_told() {
    for (args, is_reset, said) in [
        (&["--read", "10"][..], false, "10 bytes, then closed here after"),
        (&["--read", "10", "--stay", "0.05", "--close"], false, "then closed here after"),
        (&["--read", "10", "--reset"], true, "10 bytes, then reset here (RST) after"),
        (&["--wait", "0.05", "--reset"], true, "0 bytes, then reset here (RST) after"),
    ] {
        let (addr, serving) = server(|mut stream| {
            // Just what is read: a close then is a FIN.
            stream.write_all(&REPLY[..10]).unwrap();
            stream.read(&mut [0]).map_err(|error| error.kind())
        });
        let ran = probe(addr, args);
        ran.expect(0, &[said]);
        let expected = if is_reset { Err(ErrorKind::ConnectionReset) } else { Ok(0) };
        assert_eq!(serving.join().unwrap(), expected, "{args:?}");
    }
}

#[test]
fn it_stays_and_reads_on() {
    let (addr, serving) = server(reply);
    let ran = probe(addr, &["--read", "10", "--stay", "0.1", "--times"]);
    ran.expect(0, &["  10 bytes\n", "read nothing until 1", "  13 bytes\n", "23 bytes, then the"]);
    serving.join().unwrap();
}

#[test]
fn it_reads_slowly() {
    let (addr, serving) = server(reply);
    let started = Instant::now();
    let ran = probe(addr, &["--slow", "50", "--times"]);
    // Five bytes at a time, ten times a second.
    ran.expect(0, &["  5 bytes\n", "  5 bytes\n", "  5 bytes\n", "23 bytes, then the"]);
    assert!(started.elapsed() >= Duration::from_millis(400));
    serving.join().unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn the_kernel_takes_little_for_a_small_client() {
    let (addr, serving) = server(|mut stream| {
        // The kernel remembers of an address how much it took at once.
        assert!(stream.peer_addr().unwrap().ip().is_loopback());
        assert_ne!(stream.peer_addr().unwrap().ip(), std::net::Ipv4Addr::LOCALHOST);
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut sent = 0;
        while let Ok(count) = stream.write(&[0; 4096]) {
            sent += count;
            assert!(sent < 156_916, "the kernel took {sent} bytes for a client that is small");
        }
    });
    let ran = probe(addr, &["--small", "--stay", "0.5", "--read", "10", "--reset"]);
    serving.join().unwrap();
    ran.expect(0, &["10 bytes, then reset here"]);
}

#[test]
fn the_reply_is_compared_with_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let name = path.to_str().unwrap();
    for (file, code, said) in [
        ("RIFF and more", 0, "whole: a preamble of 10 bytes, then all of "),
        ("RIFF or more", 1, "differs: byte 5 of "),
        ("RIFF and more than that", 1, "not whole: only 13 of 23 bytes of "),
    ] {
        fs::write(&path, file).unwrap();
        let (addr, serving) = server(reply);
        probe(addr, &["--expect", name]).expect(code, &["23 bytes, then the server's FIN", said]);
        serving.join().unwrap();
    }
}

#[test]
fn a_failed_start_prints_help() {
    // Bound and dropped again: nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = probe(free, &[]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    let expected =
        format!("probe: nobody listens on {free}; start a server first (cargo run -p serve");
    assert!(ran.err.starts_with(&expected), "{ran:?}");
    let ran = probe(free, &["--expect", "/no/such/file"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("cannot be read") && ran.err.contains("--expect wants"), "{ran:?}");
    let ran = probe(free, &["--wait", "soon"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("500ms"), "{ran:?}");
}

#[test]
fn a_closed_stdout_does_not_stop_the_server() {
    let (addr, serving) = server(reply);
    let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
    let mut child =
        command.args([&addr.to_string(), "--say", "hello"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(serving.join().unwrap(), b"hello");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
