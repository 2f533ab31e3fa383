//! A running `flow`, and an HTTP client for its page.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use harness::Group;
use serde_json::Value;

/// The maximum duration of each step of a test.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// The program `flow`, which serves a page. Dropping the value ends the program.
pub struct Program {
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only its end matters"))]
    pub group: Group,
    pub port: u16,
    pub token: String,
}

/// The response to a request.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// The status line and the headers, in lower case.
    pub head: String,
    pub body: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        // After `SIGTERM`, the program removes its temporary folder.
        self.group.stop(TIMEOUT);
    }
}

impl Program {
    /// Starts the program on a free port, and waits until it has printed its URL.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = command(arguments);
        command.args(["--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut group = Group::spawn(&mut command).unwrap();
        let stdout = BufReader::new(group.child().stdout.take().unwrap());
        let (sender, url) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(url) = line.strip_prefix("open http://127.0.0.1:") {
                    let _ = sender.send(url.to_owned());
                }
            }
        });
        let url = url.recv_timeout(TIMEOUT).expect("the program prints its URL");
        let (port, token) = url.split_once("/?token=").unwrap();
        Self { group, port: port.parse().unwrap(), token: token.to_owned() }
    }

    /// Sends a request with a valid host and token.
    pub fn request(&self, method: &str, path: &str, body: &str) -> Response {
        let token = format!("x-flow-token: {}", self.token);
        let host = format!("Host: 127.0.0.1:{}", self.port);
        self.request_with(method, path, &[&host, &token], body)
    }

    /// Sends a request with these headers.
    pub fn request_with(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Response {
        let mut stream = self.send(method, path, headers, body);
        let mut text = Vec::new();
        stream.read_to_end(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Response { status, head, body: body.to_owned() }
    }

    /// Opens the stream.
    pub fn stream(&self, headers: &[&str]) -> Messages {
        let host = format!("Host: localhost:{}", self.port);
        let headers = [&[host.as_str()], headers].concat();
        let path = format!("/stream?token={}", self.token);
        let mut stream = BufReader::new(self.send("GET", &path, &headers, ""));
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).unwrap();
        }
        Messages { stream, rest: VecDeque::new() }
    }

    /// Connects to the page and sends a request.
    pub fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> TcpStream {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        headers.iter().for_each(|header| request += &format!("{header}\r\n"));
        request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        // The server may close the connection before it has read the whole request.
        let _ = stream.write_all(request.as_bytes());
        stream
    }
}

impl Response {
    /// Asserts that the response is an error with help.
    pub fn expect_error(&self, status: u16, part: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let body: Value = serde_json::from_str(&self.body).unwrap();
        assert!(body["error"].as_str().unwrap().contains(part), "expected {part:?} in {self:?}");
        assert!(body["help"].is_string(), "{self:?}");
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The messages of the stream. The chunks of the transfer coding are ignored, because every message
/// is a chunk.
pub struct Messages {
    stream: BufReader<TcpStream>,
    /// The lines of the last message that `find` has not examined.
    rest: VecDeque<Value>,
}

/// A message of the stream.
#[derive(Debug, Default)]
pub struct Message {
    pub event: String,
    /// The number of the next line.
    pub id: u64,
    pub lines: Vec<Value>,
}

impl Messages {
    /// Waits for the next message.
    pub fn next(&mut self) -> Message {
        let mut message = Message::default();
        let started = Instant::now();
        loop {
            // The stream also contains comments, which keep the connection open.
            assert!(started.elapsed() < TIMEOUT, "expected a message within {TIMEOUT:?}");
            let mut line = String::new();
            assert!(self.stream.read_line(&mut line).unwrap() > 0, "expected a message, got EOF");
            let line = line.trim_end();
            match line.split_once(": ") {
                Some(("event", event)) => message.event = event.to_owned(),
                Some(("id", id)) => message.id = id.parse().unwrap(),
                Some(("data", data)) => message.lines.extend(serde_json::from_str(data)),
                // The length of a chunk, the end of a chunk or a comment.
                _ if line.is_empty()
                    && (!message.lines.is_empty() || !message.event.is_empty()) =>
                {
                    return message;
                }
                _ => {}
            }
        }
    }

    /// Waits for a line for which `is_expected` returns true.
    pub fn find(&mut self, expected: &str, is_expected: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        while started.elapsed() < TIMEOUT {
            while let Some(line) = self.rest.pop_front() {
                if is_expected(&line) {
                    return line;
                }
            }
            let message = self.next();
            self.rest.extend(message.lines);
        }
        panic!("expected {expected} within {TIMEOUT:?}")
    }
}

/// The exit code and the stderr of a program that ends by itself.
#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub stderr: String,
}

/// Runs the program until it ends.
pub fn run(arguments: &[&str]) -> Output {
    let mut command = command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut group = Group::spawn(&mut command).unwrap();
    let mut pipe = group.child().stderr.take().unwrap();
    let reader = thread::spawn(move || {
        let mut stderr = String::new();
        pipe.read_to_string(&mut stderr).unwrap();
        stderr
    });
    let status = group.wait(TIMEOUT).expect("the program ends in time");
    Output { code: status.code(), stderr: reader.join().unwrap() }
}

impl Output {
    /// Asserts that the program ended with exit code 2 and printed an error and a line with help.
    pub fn expect_error(&self, part: &str) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert!(self.stderr.starts_with("error: "), "{self:?}");
        assert!(self.stderr.contains(part), "expected {part:?} in {self:?}");
        assert!(self.stderr.contains("\nhelp: "), "{self:?}");
    }
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flow"));
    command.args(arguments).stdin(Stdio::null());
    command
}
