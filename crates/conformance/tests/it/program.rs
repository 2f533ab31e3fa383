//! `conformance` as its user starts it: exit codes, formats, and servers that cannot be judged.

use std::process::{Command, Output, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

pub fn trials() -> Vec<Trial> {
    let tests: &[(&str, fn())] = &[
        ("a_dead_command_could_not_run", a_dead_command_could_not_run),
        ("a_missing_command_could_not_run", a_missing_command_could_not_run),
        ("a_command_without_places_is_refused", a_command_without_places_is_refused),
        ("a_passed_check_is_exit_code_0", a_passed_check_is_exit_code_0),
        ("json_names_check_and_verdict", json_names_check_and_verdict),
        ("junit_is_xml_with_a_case", junit_is_xml_with_a_case),
        #[cfg(unix)]
        (
            "one_that_listens_elsewhere_could_not_run",
            unix::one_that_listens_elsewhere_could_not_run,
        ),
        #[cfg(unix)]
        ("an_interrupt_leaves_no_server_behind", unix::an_interrupt_leaves_no_server_behind),
    ];
    let trial = |&(name, test): &(&str, fn())| {
        Trial::test(format!("program::{name}"), move || -> Result<(), Failed> {
            test();
            Ok(())
        })
    };
    tests.iter().map(trial).collect()
}

fn conformance(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
    command.args(args).stdin(Stdio::null()).output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// It could not run, and said why.
fn assert_unable(output: &Output, why: &str) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(why), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

fn a_dead_command_could_not_run() {
    // cargo is where tests run, and knows no such subcommand.
    let output = conformance(&["--", env!("CARGO"), "no-such-subcommand", "{file}", "{port}"]);
    assert_unable(&output, "ended before it listened");
}

fn a_missing_command_could_not_run() {
    let output = conformance(&["--", "no-such-command-anywhere", "{file}", "{port}"]);
    assert_unable(&output, "cannot be started");
}

fn a_command_without_places_is_refused() {
    assert_unable(&conformance(&["--", "serve", "{file}"]), "no {port}");
    assert_unable(&conformance(&[]), "name a command");
}

fn a_passed_check_is_exit_code_0() {
    let output = conformance(&["--approach", "std", "--only", "preamble"]);
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    assert!(stdout.contains("1 passed, 0 failed, 0 not applicable"), "{stdout}");
}

fn json_names_check_and_verdict() {
    let output = conformance(&["--approach", "smol", "--only", "size-1", "--format", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let check = &json["checks"][0];
    assert_eq!(check["id"], "size-1");
    assert_eq!(check["server"], "smol");
    assert_eq!(check["clause"], 3);
    assert_eq!(check["verdict"], "held");
}

fn junit_is_xml_with_a_case() {
    let output = conformance(&["--approach", "std", "--only", "size-1", "--format", "junit"]);
    let xml = text(&output.stdout);
    assert!(xml.starts_with("<?xml"), "{xml}");
    assert!(xml.contains("<testcase name=\"size-1\" classname=\"clause 3\""), "{xml}");
}

/// What needs a shell, and signals.
#[cfg(unix)]
mod unix {
    use std::net::TcpListener;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use rustix::process::{Pid, Signal, kill_process, test_kill_process};

    use super::{assert_unable, conformance};

    /// The checker's promise for a server that never listens.
    const DEAD_LIMIT: Duration = Duration::from_secs(15);

    pub fn one_that_listens_elsewhere_could_not_run() {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("its address").port();
        drop(free);
        let this = std::env::current_exe().expect("this program");
        let server = format!("serve-std {{file}} --host 127.0.0.1 --port {port}");
        // The shell takes the port that it is given, and does not pass it on.
        let command = format!("sh -c 'exec \"$0\" {server}' {} {{port}}", this.display());
        let started = Instant::now();
        assert_unable(&conformance(&["--", &command]), "nobody listens on port");
        assert!(started.elapsed() < DEAD_LIMIT, "after {:?}", started.elapsed());
    }

    pub fn an_interrupt_leaves_no_server_behind() {
        // A server that never listens, but says who it is.
        let folder = tempfile::tempdir().expect("a folder");
        let pid_file = folder.path().join("pid");
        let script = "echo $$ > \"$0\"; while :; do sleep 1; done";
        let mut checker = Command::new(env!("CARGO_BIN_EXE_conformance"))
            .args(["--", "sh", "-c", script, &pid_file.display().to_string(), "{file}", "{port}"])
            .stdin(Stdio::null())
            .spawn()
            .expect("it starts");
        let server = || {
            let pid = std::fs::read_to_string(&pid_file).ok()?;
            Pid::from_raw(pid.trim().parse().ok()?)
        };
        wait_until("the server runs", || server().is_some());
        kill_process(Pid::from_child(&checker), Signal::INT).expect("it runs");
        assert_eq!(checker.wait().expect("it ends").code(), Some(130));
        let server = server().expect("it wrote who it is");
        wait_until("the server is gone", || test_kill_process(server).is_err());
    }

    fn wait_until(what: &str, holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < Duration::from_secs(10), "{what}: not within 10 s");
            std::thread::yield_now();
        }
    }
}
