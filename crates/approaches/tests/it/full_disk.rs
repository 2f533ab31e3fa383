//! Tests of a server whose log file cannot grow, as on a full disk. The tests use a limit on the
//! size of files (`RLIMIT_FSIZE`), because another process can change this limit without
//! privileges.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;

use crate::client::{DEADLINE, assert_reply, connect, random_bytes};
use crate::process::{LOGGED_BYTES, count_named, file_with, server_command, terminate, wait};
use crate::sibling::{Sibling, Test};

pub const TESTS: &[(&str, Test)] = &[
    ("a_full_disk_delays_the_log", a_full_disk_delays_the_log),
    ("a_full_disk_does_not_delay_the_shutdown", a_full_disk_does_not_delay_the_shutdown),
];

/// The time between two reads of the log file.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A server process, which is killed when the value is dropped.
struct Server(Child);

impl Server {
    fn spawn(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// Limits the size of the files that the server writes. `None` removes the limit.
    fn limit_file_size(&self, bytes: Option<u64>) {
        let maximum = getrlimit(Resource::Fsize).maximum;
        let limit = Rlimit { current: bytes.or(maximum), maximum };
        prlimit(Some(Pid::from_child(&self.0)), Resource::Fsize, limit).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn a_full_disk_delays_the_log(sibling: Sibling) {
    // The server logs one event per byte. The queue cannot hold all of these events.
    let content = random_bytes(LOGGED_BYTES);
    let (folder, path) = file_with(&content);
    let log_path = folder.path().join("log");
    let log = || fs::read_to_string(&log_path).unwrap();
    let args = ["--log-chunks", "--chunk-size", "1"];
    let mut command = server_command(sibling, &path, &args);
    command.stdout(File::create(&log_path).unwrap()).stderr(Stdio::null());
    let mut server = Server::spawn(command);
    wait_until("the event `listening`", || log().ends_with('\n'));
    let listening: Value = serde_json::from_str(&log()).unwrap();
    let addr = listening["addr"].as_str().unwrap().parse().unwrap();

    let bytes_max = log().len() as u64 + 1000;
    server.limit_file_size(Some(bytes_max));
    assert_reply(&connect(addr), &content);
    wait_until("a full log", || fs::metadata(&log_path).unwrap().len() == bytes_max);
    assert_reply(&connect(addr), &content);
    server.limit_file_size(None);
    wait_until("a line after the full log", || log().contains("\"event\":\"dropped\""));
    terminate(&server.0);
    assert_eq!(wait(&mut server.0).code(), Some(0));

    let events: Vec<Value> =
        log().lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let dropped: u64 = events.iter().filter_map(|event| event["events"].as_u64()).sum();
    // Each of these events is written or counted as dropped: `listening`, `shutdown`, and for each
    // client `connected`, one event per byte, `file_ended` and `disconnected`.
    let written = (events.len() - count_named(&events, "dropped")) as u64;
    assert_eq!(written + dropped, 2 + 2 * (LOGGED_BYTES as u64 + 3));
    assert_eq!(events.last().unwrap()["event"], "shutdown");
}

fn a_full_disk_does_not_delay_the_shutdown(sibling: Sibling) {
    let (_folder, path) = file_with(b"file");
    let grace = Duration::from_secs(10);
    let mut command = server_command(sibling, &path, &["--grace", "10s"]);
    command.stdout(File::options().write(true).open("/dev/full").unwrap()).stderr(Stdio::piped());
    let mut server = Server::spawn(command);
    let stderr = BufReader::new(server.0.stderr.take().unwrap());
    let mut urls = stderr.lines().map(|line| line.unwrap()).filter_map(|line| {
        line.trim().strip_prefix("http://localhost:")?.strip_suffix('/')?.parse::<u16>().ok()
    });
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, urls.next().unwrap()));
    assert_reply(&connect(addr), b"file");
    let started = Instant::now();
    terminate(&server.0);
    assert_eq!(wait(&mut server.0).code(), Some(0));
    let (limit, elapsed) = (grace + Duration::from_secs(1), started.elapsed());
    assert!(elapsed <= limit, "expected the shutdown to take at most {limit:?}, got {elapsed:?}");
}

fn wait_until(description: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "expected {description} within {DEADLINE:?}");
        thread::sleep(POLL_INTERVAL);
    }
}
