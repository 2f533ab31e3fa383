//! Tests of the program's exit codes and formats, and of commands that cannot be checked.

use std::process::{Command, Output, Stdio};

use libtest_mimic::Trial;
use serde_json::Value;

pub fn trials() -> Vec<Trial> {
    let tests: &[(&str, fn())] = &[
        ("a_command_that_exits_is_an_error", a_command_that_exits_is_an_error),
        ("a_missing_command_is_an_error", a_missing_command_is_an_error),
        ("a_command_without_placeholders_is_an_error", a_command_without_placeholders_is_an_error),
        ("the_exit_code_is_0_if_all_checks_pass", the_exit_code_is_0_if_all_checks_pass),
        #[cfg(target_os = "linux")]
        (
            "a_failure_names_a_command_that_repeats_the_check",
            a_failure_names_a_command_that_repeats_the_check,
        ),
        ("json_contains_the_check_and_the_verdict", json_contains_the_check_and_the_verdict),
        ("junit_is_xml_with_a_test_case", junit_is_xml_with_a_test_case),
        ("earlier_names_are_accepted_but_not_shown", earlier_names_are_accepted_but_not_shown),
        #[cfg(unix)]
        ("a_server_on_another_port_is_an_error", unix::a_server_on_another_port_is_an_error),
        #[cfg(unix)]
        ("an_interrupt_leaves_no_server_behind", unix::an_interrupt_leaves_no_server_behind),
        #[cfg(target_os = "linux")]
        (
            "an_interrupt_at_any_moment_leaves_nothing_behind",
            an_interrupt_at_any_moment_leaves_nothing_behind,
        ),
        #[cfg(target_os = "linux")]
        (
            "checks_of_a_server_in_a_new_session_leave_nothing_behind",
            checks_of_a_server_in_a_new_session_leave_nothing_behind,
        ),
    ];
    crate::trials("program", tests)
}

fn conformance(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
    command.args(args).stdin(Stdio::null()).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Asserts that the checks could not run, and that the program reported the reason.
fn assert_unable(output: &Output, why: &str) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains(why), "{stderr}");
    let more: Vec<&str> = stderr.lines().skip(1).collect();
    assert!(more.iter().all(|line| line.starts_with("help: ")), "{stderr}");
}

fn a_command_that_exits_is_an_error() {
    // Cargo is available wherever tests run. It does not have a subcommand with this name.
    let output = conformance(&["--", env!("CARGO"), "no-such-subcommand", "{file}", "{port}"]);
    assert_unable(&output, "ended before it listened; the server's process ended: exit code ");
    let stderr = text(&output.stderr);
    assert_eq!(stderr.matches("exit code").count(), 1, "{stderr}");
}

fn a_missing_command_is_an_error() {
    let output = conformance(&["--", "no-such-command-anywhere", "{file}", "{port}"]);
    assert_unable(&output, "cannot start `no-such-command-anywhere`");
}

fn a_command_without_placeholders_is_an_error() {
    assert_unable(&conformance(&["--", "serve", "{file}"]), "no {port}");
    assert_unable(&conformance(&[]), "no command");
}

fn the_exit_code_is_0_if_all_checks_pass() {
    let output = conformance(&["--approach", "std", "--only", "preamble"]);
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    assert!(stdout.contains("1 passed, 0 failed, 0 skipped"), "{stdout}");
}

/// If Cargo did not start the program, for example in a release, the command contains the path of
/// the program.
#[cfg(target_os = "linux")]
fn a_failure_names_a_command_that_repeats_the_check() {
    let program = env!("CARGO_BIN_EXE_conformance");
    let mutant = env!("CARGO_BIN_EXE_mutants");
    let server = ["--bug", "write-and-close", "{file}", "{port}"];
    let stdout = |is_cargo: bool| {
        let mut command = Command::new(program);
        command.args(["--only", "unread-request", "--", mutant]).args(server).stdin(Stdio::null());
        if !is_cargo {
            command.env_remove("CARGO");
        }
        text(&command.output().expect("the program starts").stdout)
    };
    for (is_cargo, start) in [(true, "cargo run -p conformance --"), (false, program)] {
        let (stdout, start) = (stdout(is_cargo), format!("{start} --only unread-request -- "));
        assert!(stdout.contains(&start), "expected \"{start}\" in:\n{stdout}");
    }
}

fn json_contains_the_check_and_the_verdict() {
    let output = conformance(&["--approach", "smol", "--only", "size-1", "--format", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).expect("stdout is one JSON document");
    let check = &json["checks"][0];
    assert_eq!(check["id"], "size-1");
    assert_eq!(check["server"], "smol");
    assert_eq!(check["clause"], 3);
    assert_eq!(check["verdict"], "pass");
}

fn junit_is_xml_with_a_test_case() {
    let output = conformance(&["--approach", "std", "--only", "size-1", "--format", "junit"]);
    let xml = text(&output.stdout);
    assert!(xml.starts_with("<?xml"), "{xml}");
    assert!(xml.contains("<testcase name=\"size-1\" classname=\"clause 3\""), "{xml}");
}

fn earlier_names_are_accepted_but_not_shown() {
    let server = "serve-std {file} --host 127.0.0.1 --port {port} --max-connections {cap}";
    let mut command = vec!["--only", "cap", "--", env!("CARGO_BIN_EXE_conformance")];
    command.extend(server.split(' '));
    let output = conformance(&command);
    let stdout = text(&output.stdout);
    assert!(stdout.contains("connection-limit  pass"), "{stdout}");
    assert!(stdout.contains("1 passed"), "{stdout}");
    let list = text(&conformance(&["--list"]).stdout);
    for (earlier, name) in conformance::RENAMED {
        assert!(list.contains(&format!(" {name} ")), "expected `{name}` in:\n{list}");
        assert!(!list.contains(&format!(" {earlier} ")), "expected no `{earlier}` in:\n{list}");
    }
}

/// The server runs in a new session, so killing the process group is not sufficient.
#[cfg(target_os = "linux")]
fn an_interrupt_at_any_moment_leaves_nothing_behind() {
    harness::testing::interrupt(std::time::Duration::from_millis(1300), || {
        let program = env!("CARGO_BIN_EXE_conformance");
        let server = "serve-std {file} --host 127.0.0.1 --port {port} --log json";
        let mut command = Command::new(program);
        command.args(["--", "setsid", "--wait", program]).args(server.split(' '));
        command
    });
}

/// The server and a helper run in new sessions. The helper does not have the variable that
/// identifies the processes of a group. Until the helper ends, it creates files in the folder of the
/// check.
#[cfg(target_os = "linux")]
fn checks_of_a_server_in_a_new_session_leave_nothing_behind() {
    let program = env!("CARGO_BIN_EXE_conformance");
    let helper = "i=0; while : > \"$0/$((i % 200))\"; do i=$((i + 1)); done";
    let script = format!(
        "setsid env -u HIGHWATER_GROUP sh -c '{helper}' \"$(dirname \"$1\")\" & \
         exec setsid --wait \"$0\" serve-std \"$1\" --host 127.0.0.1 --port \"$2\""
    );
    let mut command = Command::new(program);
    command.args(["--only", "preamble", "--only", "half-close", "--only", "size-1"]);
    command.args(["--", "sh", "-c", &script, program, "{file}", "{port}"]);
    let status = harness::testing::run_to_end(&mut command);
    assert_eq!(status.code(), Some(0));
}

/// Tests that need a shell and signals.
#[cfg(unix)]
mod unix {
    use std::net::TcpListener;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use rustix::process::{Pid, Signal, WaitOptions, kill_process, test_kill_process, waitpid};

    use super::{assert_unable, conformance};

    /// The time limit for the program to report that a server does not listen.
    const LISTEN_LIMIT: Duration = Duration::from_secs(15);

    pub fn a_server_on_another_port_is_an_error() {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = free.local_addr().expect("the listener has an address").port();
        drop(free);
        let this = std::env::current_exe().expect("this program has a path");
        let server = format!("serve-std {{file}} --host 127.0.0.1 --port {port}");
        // The shell receives the port but does not pass it to the server.
        let command = format!("sh -c 'exec \"$0\" {server}' {} {{port}}", this.display());
        let started = Instant::now();
        assert_unable(&conformance(&["--", &command]), "no process listens on port");
        let elapsed = started.elapsed();
        assert!(
            elapsed < LISTEN_LIMIT,
            "expected an error within {LISTEN_LIMIT:?}, got {elapsed:?}"
        );
    }

    pub fn an_interrupt_leaves_no_server_behind() {
        // This server never listens, but it writes its process id to a file.
        let folder = tempfile::tempdir().expect("the system creates a temporary folder");
        let pid_file = folder.path().join("pid");
        let script = "echo $$ > \"$0\"; while :; do sleep 1; done";
        let mut checker = Command::new(env!("CARGO_BIN_EXE_conformance"))
            .args(["--", "sh", "-c", script, &pid_file.display().to_string(), "{file}", "{port}"])
            .stdin(Stdio::null())
            .spawn()
            .expect("the program starts");
        let server = || {
            let pid = std::fs::read_to_string(&pid_file).ok()?;
            Pid::from_raw(pid.trim().parse().ok()?)
        };
        wait_until("the server runs", || server().is_some());
        kill_process(Pid::from_child(&checker), Signal::INT).expect("the program runs");
        assert_eq!(checker.wait().expect("the program ends").code(), Some(130));
        let server = server().expect("the server wrote its process id");
        wait_until("the server is gone", || {
            // On Linux, this process is now the parent of the server's process and must reap it.
            let _ = waitpid(Some(server), WaitOptions::NOHANG);
            test_kill_process(server).is_err()
        });
    }

    fn wait_until(what: &str, holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < Duration::from_secs(10), "expected within 10 s: {what}");
            std::thread::yield_now();
        }
    }
}
