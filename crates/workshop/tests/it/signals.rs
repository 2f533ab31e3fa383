//! Tests of signals for the runner and for the learner's server.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use crate::sample::{CORRECT, Sample, is_running, read_when_written, server, wait_for_exit};
use crate::wait_for;

pub const TESTS: &[(&str, fn())] = &[
    ("an_interrupt_stops_the_server", an_interrupt_stops_the_server),
    (
        "run_starts_the_learners_server_until_an_interrupt",
        run_starts_the_learners_server_until_an_interrupt,
    ),
];

fn signal(name: &str, pid: &str) -> bool {
    Command::new("kill").args([name, pid]).output().unwrap().status.success()
}

fn an_interrupt_stops_the_server() {
    let sample = Sample::new();
    // The server runs but does not listen, so the check waits.
    sample.learner_writes(&server(CORRECT).replace(
        "let listener",
        "loop { std::thread::park() }\n    #[allow(unreachable_code)]\n    let listener",
    ));
    let pid_file = sample.path("pid");
    let check = sample.command(&["check"]).env("PID_FILE", &pid_file).spawn().unwrap();
    let server = read_when_written(&pid_file);
    assert!(signal("-INT", &check.id().to_string()));
    assert_eq!(wait_for_exit(check).0, 130);
    wait_for("the server to exit", || !is_running(&server));
}

fn run_starts_the_learners_server_until_an_interrupt() {
    let sample = Sample::new();
    sample.learner_writes(&server(CORRECT));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, output) = sample.run(&["run", "1", "--port", &port.to_string()]);
    assert_eq!(code, 2);
    crate::assert_contains(&output, &["help: try another port:\n  just exercise run 01 --port"]);
    drop(taken);
    let pid_file = sample.path("pid");
    let mut run = sample.command(&["run", "1", "--port", &port.to_string()]);
    let run = run.env("PID_FILE", &pid_file).spawn().unwrap();
    // The server's process has replaced the runner's process.
    assert_eq!(read_when_written(&pid_file), run.id().to_string());
    let mut reply = Vec::new();
    wait_for("a reply", || {
        let stream = TcpStream::connect(("127.0.0.1", port));
        stream.and_then(|mut stream| stream.read_to_end(&mut reply)).is_ok()
    });
    assert!(reply.starts_with(b"HTTP/1.1\n\n"), "expected the preamble, got {reply:?}");
    assert!(signal("-INT", &run.id().to_string()));
    wait_for_exit(run);
}
