//! Tests of the driver that the server chooses at startup.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

const DEADLINE: Duration = Duration::from_secs(20);

const CONTENT: &[u8] = b"the file";

/// Starts a server for which these system calls fail with `errno`.
fn start_without(denied: &'static [i64], errno: i32) -> (Child, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.bin");
    fs::write(&file, CONTENT).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_serve-compio"));
    command.arg(file).args(["--host", "127.0.0.1", "--port", "0", "--log", "json"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A filter applies to the thread that installs the filter, and to the processes that this thread
    // starts.
    let spawn = move || {
        let rules = denied.iter().map(|&call| (call, Vec::new())).collect();
        let denial = SeccompAction::Errno(errno.cast_unsigned());
        let arch = std::env::consts::ARCH.try_into().unwrap();
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, denial, arch).unwrap();
        apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
        command.spawn().unwrap()
    };
    (thread::spawn(spawn).join().unwrap(), folder)
}

fn read_all(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn without_io_uring_the_server_uses_epoll_and_prints_a_warning() {
    expect_epoll(libc::EPERM);
}

#[test]
fn on_linux_before_5_19_the_server_uses_epoll_and_prints_a_warning() {
    // Before Linux 5.19, `io_uring_setup` rejects the flag `IORING_SETUP_COOP_TASKRUN` in this way.
    expect_epoll(libc::EINVAL);
}

/// Expects that the server uses epoll if `io_uring_setup` fails with `errno`.
fn expect_epoll(errno: i32) {
    let (mut child, _folder) = start_without(&[libc::SYS_io_uring_setup], errno);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut listening = String::new();
    stdout.read_line(&mut listening).unwrap();
    let addr = listening.split("\"addr\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let addr = addr.unwrap_or_else(|| panic!("expected the event `listening`, got {listening}"));
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let reply = read_all(&stream);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(reply.as_bytes().ends_with(CONTENT), "expected the file, got {reply}");
    let stderr = read_all(child.stderr.take().unwrap());
    assert!(stderr.contains("warning: io_uring is not available"), "{stderr}");
}

#[test]
fn without_io_uring_and_epoll_the_server_exits_with_code_2() {
    let denied = &[libc::SYS_io_uring_setup, libc::SYS_epoll_create1];
    let (child, _folder) = start_without(denied, libc::EPERM);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("neither io_uring nor epoll is available"), "{stderr}");
    assert_eq!(output.stdout, b"", "expected no event `listening`");
}
