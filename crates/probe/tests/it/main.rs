//! Tests the program with small servers. Each test defines the behavior of its server.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::SockRef;

/// The maximum duration of a run of the program.
const TIMEOUT: Duration = Duration::from_secs(20);

const REPLY: &str = "HTTP/1.1\n\nRIFF and more";

/// The exit code and the output of the program.
#[derive(Debug)]
struct Output {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Output {
    /// Asserts that the exit code is `code`, and that stdout contains all `parts` in this order.
    fn expect(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let mut rest = self.stdout.as_str();
        for part in parts {
            let index =
                rest.find(part).unwrap_or_else(|| panic!("expected {part:?}, got {self:?}"));
            rest = &rest[index + part.len()..];
        }
    }

    /// Asserts that the exit code is 2, and that stderr contains `part`.
    fn expect_error(&self, part: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(2), ""), "{self:?}");
        assert!(self.stderr.contains(part), "expected {part:?}, got {self:?}");
    }
}

/// Starts a server for one client, on a free port. The thread returns the result of `serve`.
fn server<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        stream.set_nodelay(true).unwrap();
        serve(stream)
    });
    (address, thread)
}

/// Serves one client in the same way as a correct server. Returns the data that the client sent.
fn reply(stream: TcpStream) -> Vec<u8> {
    send_parts(stream, &[REPLY])
}

fn send_parts(mut stream: TcpStream, parts: &[&str]) -> Vec<u8> {
    for part in parts {
        stream.write_all(part.as_bytes()).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    received
}

fn probe(address: SocketAddr, options: &[&str]) -> Output {
    run(&[&[address.to_string().as_str()], options].concat())
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
    command.args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        out.read_to_string(&mut stdout).unwrap();
        err.read_to_string(&mut stderr).unwrap();
        let _ = sender.send((stdout, stderr));
    });
    let Ok((stdout, stderr)) = receiver.recv_timeout(TIMEOUT) else {
        child.kill().unwrap();
        panic!("probe {arguments:?} did not end within {TIMEOUT:?}");
    };
    Output { code: child.wait().unwrap().code(), stdout, stderr }
}

#[test]
fn a_complete_reply_is_reported() {
    let (address, serving) = server(reply);
    let output = probe(address, &[]);
    let connected = format!("connected to {address}\n");
    let hex = "48 54 54 50 2f 31 2e 31  0a 0a 52 49 46 46 20 61  HTTP/1.1..RIFF a …\n";
    let fin = "\n23 bytes, then the server's FIN (end of file) after ";
    output.expect(0, &[&connected, "first byte after ", fin, hex]);
    assert_eq!(serving.join().unwrap(), b"");
}

#[test]
fn send_and_upload_and_half_close_send_data_and_a_fin() {
    let (address, serving) = server(|mut stream| {
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        stream.write_all(REPLY.as_bytes()).unwrap();
        received
    });
    let output = probe(address, &["--send", "a\\r\\n\\x00", "--upload", "1KiB", "--half-close"]);
    output
        .expect(0, &["sent 4 bytes\n", "uploaded 1024 bytes", "sent a FIN", "23 bytes, then the"]);
    let received = serving.join().unwrap();
    assert_eq!(received[..4], *b"a\r\n\0");
    assert_eq!(received.len(), 4 + 1024);
}

#[test]
fn a_server_that_does_not_read_is_reported() {
    let (over, is_over) = mpsc::channel::<()>();
    let (address, serving) = server(move |_stream| is_over.recv_timeout(TIMEOUT));
    let output = probe(address, &["--upload", "50MB", "--timeout", "0.3"]);
    output.expect(
        1,
        &["connected", "sent ", "could not send for 300 ms: the server does not read\n"],
    );
    drop(over);
    serving.join().unwrap().unwrap_err();
}

#[test]
fn a_reset_is_reported() {
    let (address, serving) = server(|mut stream| {
        stream.write_all(REPLY.as_bytes()).unwrap();
        // Wait for the client's data, because the client cannot send data after the reset.
        stream.read_exact(&mut [0; 2]).unwrap();
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let output = probe(address, &["--send", "hi"]);
    serving.join().unwrap();
    output.expect(1, &["then a reset (RST) after ", ": the data in transit is lost\n"]);
}

#[test]
fn a_reset_ends_a_wait() {
    let (address, serving) = server(|stream| {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let output = probe(address, &["--wait", "3600"]);
    serving.join().unwrap();
    output.expect(
        1,
        &["the server reset the connection (RST), noticed after ", "received 0 bytes before"],
    );
}

#[test]
fn a_read_timeout_is_reported() {
    let (address, serving) = server(|mut stream| {
        stream.write_all(REPLY.as_bytes()).unwrap();
        stream.read(&mut [0]).unwrap()
    });
    let output = probe(address, &["--timeout", "0.2"]);
    output.expect(1, &["23 bytes, then nothing for 200 ms: the connection is still open"]);
    assert_eq!(serving.join().unwrap(), 0);
}

#[test]
fn the_client_closes_or_resets_the_connection() {
    for (options, is_reset, expected) in [
        (&["--read", "10"][..], false, "10 bytes, then closed by the client after"),
        (&["--read", "10", "--stay", "0.05", "--close"], false, "then closed by the client after"),
        (&["--read", "10", "--reset"], true, "10 bytes, then reset by the client (RST) after"),
        (&["--wait", "0.05", "--reset"], true, "0 bytes, then reset by the client (RST) after"),
    ] {
        let (address, serving) = server(|mut stream| {
            // The client must read all data, because closing a socket with unread data sends an
            // RST.
            stream.write_all(&REPLY.as_bytes()[..10]).unwrap();
            stream.read(&mut [0]).map_err(|error| error.kind())
        });
        probe(address, options).expect(0, &[expected]);
        let expected = if is_reset { Err(ErrorKind::ConnectionReset) } else { Ok(0) };
        assert_eq!(serving.join().unwrap(), expected, "{options:?}");
    }
}

#[test]
fn the_client_continues_to_read_after_stay() {
    let (address, serving) = server(reply);
    let output = probe(address, &["--read", "10", "--stay", "0.1", "--times"]);
    output
        .expect(0, &["  10 bytes\n", "read nothing until 1", "  13 bytes\n", "23 bytes, then the"]);
    serving.join().unwrap();
}

#[test]
fn slow_limits_the_rate() {
    let (address, serving) = server(reply);
    let started = Instant::now();
    let output = probe(address, &["--slow", "50", "--times"]);
    // The client makes ten reads per second. At a rate of 50 bytes per second, each read returns
    // five bytes.
    output.expect(0, &["  5 bytes\n", "  5 bytes\n", "  5 bytes\n", "23 bytes, then the"]);
    assert!(started.elapsed() >= Duration::from_millis(400));
    serving.join().unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn the_kernel_accepts_little_for_a_small_client() {
    let (address, serving) = server(|mut stream| {
        // The client must use a new local address, because the kernel stores metrics for each pair
        // of addresses.
        assert!(stream.peer_addr().unwrap().ip().is_loopback());
        assert_ne!(stream.peer_addr().unwrap().ip(), std::net::Ipv4Addr::LOCALHOST);
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut sent = 0;
        while let Ok(count) = stream.write(&[0; 4096]) {
            sent += count;
            assert!(sent < 156_916, "expected fewer than 156916 accepted bytes, got {sent}");
        }
    });
    let output = probe(address, &["--small", "--stay", "0.5", "--read", "10", "--reset"]);
    serving.join().unwrap();
    output.expect(0, &["10 bytes, then reset by the client"]);
}

/// Runs the program with `--expect` and a file that contains `RIFF and more`. Returns the exit
/// code, and the last line of the output.
fn verdict(parts: &[&'static str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "RIFF and more").unwrap();
    let parts = parts.to_vec();
    let (address, serving) = server(move |stream| send_parts(stream, &parts));
    let output = probe(address, &["--hex", "0", "--expect", path.to_str().unwrap()]);
    serving.join().unwrap();
    let verdict = output.stdout.lines().last().unwrap();
    (output.code.unwrap(), verdict.replace(path.to_str().unwrap(), "FILE"))
}

#[test]
fn each_preamble_is_recognized() {
    for (parts, bytes) in [
        (&["HTTP/1.1\n\nRIFF and more"][..], 10),
        (&["HT", "TP/1.1\n", "\nRIFF", " and more"], 10),
        (&["HTTP/1.1 200 OK\r\nContent-Length: 13\r\n", "\r\nRIFF and more"], 39),
        (&["RIFF and more"], 0),
    ] {
        let expected = format!("complete: a preamble of {bytes} bytes, then all 13 bytes of FILE");
        assert_eq!(verdict(parts), (0, expected));
    }
}

#[test]
fn an_incorrect_reply_is_reported() {
    for (parts, expected) in [
        (&["HTTP/1.1\n\nRIFF"][..], "incomplete: only 4 of 13 bytes of FILE"),
        (&["HTTP/1.1\n\n"], "incomplete: only 0 of 13 bytes of FILE"),
        (&["HTTP/1"], "incomplete: only 0 of 13 bytes of FILE"),
        (&[], "incomplete: only 0 of 13 bytes of FILE"),
        (
            &["HTTP/1.1\n\nRIFF", " or more"],
            "different: byte 5 of FILE: expected 61, got 6f (byte 15 of the reply)",
        ),
        (&["HTTP/1.1\n\nRIFF and more", "!"], "too long: all 13 bytes of FILE, then more bytes"),
    ] {
        assert_eq!(verdict(parts), (1, expected.to_owned()));
    }
}

#[test]
fn a_port_without_a_host_selects_this_computer() {
    for prefix in ["", ":"] {
        let (address, serving) = server(reply);
        let output = run(&[&format!("{prefix}{}", address.port()), "--hex"]);
        // Without a number, `--hex` prints up to 64 bytes. In this test, the whole reply is
        // shorter.
        output.expect(0, &[&format!("connected to {address}\n"), "23 bytes", "HTTP", "d more\n"]);
        serving.join().unwrap();
    }
}

#[test]
fn invalid_arguments_are_reported() {
    for (arguments, part) in [
        (&["localhost"][..], "localhost:4000"),
        (&[], "HOST:PORT"),
        (&["4000", "--reset", "--close"], "--close"),
        (&["4000", "--slow", "0"], "--slow"),
        (&["4000", "--wait", "soon"], "500ms"),
        (&["4000", "--send", "\\q"], "\\"),
        // `--say` is the old name of `--send`.
        (&["4000", "--say", "\\q"], "must be followed by"),
    ] {
        run(arguments).expect_error(part);
    }
}

#[test]
fn the_help_fits_into_80_columns() {
    for flag in ["-h", "--help"] {
        let help = run(&[flag]).stdout;
        assert!(help.contains("--half-close"));
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn a_failed_start_prints_help() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = probe(free, &[]);
    output.expect_error(&format!("error: cannot connect to `{free}`: "));
    output.expect_error("help: start a server first (cargo run -p serve-tokio)");
    probe(free, &["--expect", "/no/such/file"])
        .expect_error("error: cannot open `/no/such/file`: ");
    probe(free, &["--expect", "/"]).expect_error("help: pass the file that the server serves");
}

#[test]
fn a_closed_stdout_does_not_stop_the_client() {
    let (address, serving) = server(reply);
    let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
    let mut child = command
        .args([&address.to_string(), "--send", "hello"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(serving.join().unwrap(), b"hello");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
