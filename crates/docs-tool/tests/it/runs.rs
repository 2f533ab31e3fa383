//! Tests the commands in pages. The test program is also the server that the commands start.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, kill_process};

use crate::repository::Repository;

pub const TESTS: &[(&str, fn())] = &[
    ("commands_are_run_and_compared", commands_are_run_and_compared),
    ("unexpected_exit_codes_are_reported", unexpected_exit_codes_are_reported),
    ("a_command_that_takes_too_long_is_killed", a_command_that_takes_too_long_is_killed),
    ("remaining_processes_of_a_command_are_killed", remaining_processes_of_a_command_are_killed),
    ("check_repeats_commands_if_the_output_differs", check_repeats_commands_if_the_output_differs),
    ("with_vary_the_page_is_not_changed", with_vary_the_page_is_not_changed),
    (
        "a_server_runs_until_stop_and_its_log_is_shown",
        a_server_runs_until_stop_and_its_log_is_shown,
    ),
    ("a_server_that_does_not_start_is_reported", a_server_that_does_not_start_is_reported),
    ("only_one_server_runs_at_a_time", only_one_server_runs_at_a_time),
    ("fill_waits_until_a_port_is_free", fill_waits_until_a_port_is_free),
    ("commands_can_be_skipped", commands_can_be_skipped),
    ("commands_of_missing_programs_are_skipped", commands_of_missing_programs_are_skipped),
    ("an_interrupt_kills_all_processes", an_interrupt_kills_all_processes),
    (
        "no_process_remains_after_an_interrupt_at_any_moment",
        no_process_remains_after_an_interrupt_at_any_moment,
    ),
];

const DEADLINE: Duration = Duration::from_secs(60);

/// Runs the server if the first argument is `a-server`. The server logs each connection, and sends
/// a word to each client. Returns `None` if the program must run the tests.
pub fn main_of_server() -> Option<ExitCode> {
    (env::args().nth(1)? == "a-server").then(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut out = io::stdout();
        writeln!(out, "   0.000001  listening on {}", listener.local_addr().unwrap()).unwrap();
        fs::write("port", listener.local_addr().unwrap().port().to_string()).unwrap();
        for (number, client) in (1..).zip(listener.incoming()) {
            let mut client = client.unwrap();
            let peer = client.peer_addr().unwrap();
            writeln!(out, "   0.000002  #{number} connected: {peer}").unwrap();
            client.write_all(b"word\n").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            client.read_to_end(&mut Vec::new()).unwrap();
            writeln!(out, "   0.000003  #{number} client disconnected").unwrap();
        }
        ExitCode::SUCCESS
    })
}

/// Returns a page that contains a marker, and below the marker, a code block with these lines.
fn fence(marker: &str, lines: &str) -> String {
    format!("# A\n\n<!-- {marker} -->\n```console\n{lines}\n```\n")
}

/// Returns the command that starts the server.
fn server() -> String {
    format!("{} a-server", env::current_exe().unwrap().display())
}

/// The command that runs a client.
const CLIENT: &str = "exec 3<>/dev/tcp/127.0.0.1/$(cat port); cat <&3";

fn is_alive(pid: i32) -> bool {
    // A process in the state Z has ended, but its parent process has not read its exit status.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, state)| !state.trim_start().starts_with('Z'))
}

/// Waits until a file contains the id of a process, and returns this id.
fn pid_in(path: &PathBuf) -> i32 {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if let Some(Ok(pid)) = text.strip_suffix('\n').map(str::parse) {
            return pid;
        }
        assert!(
            Instant::now() < deadline,
            "expected the id of a process in `{}`, got: {text}",
            path.display()
        );
        thread::yield_now();
    }
}

fn waits_for_end_of(pid: i32) {
    let deadline = Instant::now() + DEADLINE;
    while is_alive(pid) {
        assert!(Instant::now() < deadline, "process {pid} is still running");
        thread::yield_now();
    }
}

fn commands_are_run_and_compared() {
    let repository = Repository::new();
    let filled = repository.filled(&fence("run", "$ echo one; echo two >&2\n$ pwd \\\n  | wc -l"));
    assert!(
        filled.contains("$ echo one; echo two >&2\none\ntwo\n$ pwd \\\n  | wc -l\n1\n```"),
        "{filled}"
    );
    repository.change("lessons/01-a.md", "\ntwo\n", "\nthree\n");
    let output = repository.notes(&["check"], 1);
    assert!(
        output.contains("lessons/01-a.md:7: expected `two`, the page shows `three`; help: "),
        "{output}"
    );
}

fn unexpected_exit_codes_are_reported() {
    let repository = Repository::new();
    repository.filled(&fence("run: exit 3", "$ echo first\n$ exit 3"));
    repository.write("lessons/01-a.md", &fence("run", "$ true\n$ echo failed; exit 4"));
    let output = repository.notes(&["fill"], 1);
    let expected = "lessons/01-a.md:6: `echo failed; exit 4`: expected exit code 0, got 4; its last output was `failed`; \
                    help: ";
    assert!(output.starts_with(expected), "{output}");
}

fn a_command_that_takes_too_long_is_killed() {
    let repository = Repository::new();
    let command = "$ echo $$ > pid; echo begun; sleep 600";
    repository.write("lessons/01-a.md", &fence("run: within 1", command));
    let output = repository.notes(&["fill"], 1);
    assert!(
        output.contains("the command did not end within 1 s; its last output was `begun`; help: "),
        "{output}"
    );
    waits_for_end_of(pid_in(&repository.path().join("pid")));
}

fn remaining_processes_of_a_command_are_killed() {
    let repository = Repository::new();
    let filled = repository.filled(&fence("run", "$ sleep 600 & echo $! > pid; echo done"));
    assert!(filled.contains("echo done\ndone\n"), "{filled}");
    waits_for_end_of(pid_in(&repository.path().join("pid")));
}

fn check_repeats_commands_if_the_output_differs() {
    let repository = Repository::new();
    let command = "$ if mkdir first 2>/dev/null; then echo late; else echo soon; fi";
    repository.write("lessons/01-a.md", &fence("run", &format!("{command}\nsoon")));
    repository.notes(&["check", "lessons/01-a.md"], 0);
    assert!(repository.path().join("first").exists());
}

fn with_vary_the_page_is_not_changed() {
    let repository = Repository::new();
    let filled = repository.filled(&fence("run: vary", "$ echo \"took $RANDOM ms\""));
    repository.notes(&["fill"], 0);
    assert_eq!(repository.read("lessons/01-a.md"), filled, "expected an unchanged page");
    repository.change("lessons/01-a.md", "\ntook ", "\nneeded ");
    assert!(repository.notes(&["check"], 1).contains("the page shows `needed "));
    let filled = repository.filled(&fence("run: lines 2", "$ seq 5"));
    assert!(filled.contains("$ seq 5\n1\n2\n…\n```"), "{filled}");
}

fn a_server_runs_until_stop_and_its_log_is_shown() {
    let repository = Repository::new();
    let server = server();
    let lesson = format!(
        "{}\n<!-- run -->\n```console\n$ {CLIENT}\n```\n\n<!-- log -->\n```text\n```\n\n<!-- stop -->\n\n\
         <!-- run: exit 1 -->\n```console\n$ (exec 3<>/dev/tcp/127.0.0.1/$(cat port)) 2>/dev/null\n```\n",
        fence("serve", &format!("$ echo $$ > pid; {server}"))
    );
    let filled = repository.filled(&lesson);
    assert!(filled.contains("a-server\n   0.000001  listening on 127.0.0.1:"), "{filled}");
    assert!(filled.contains("cat <&3\nword\n```"), "{filled}");
    let log: Vec<&str> = filled.lines().skip_while(|line| *line != "```text").collect();
    assert!(log[1].starts_with("   0.000002  #1 connected: 127.0.0.1:"), "{filled}");
    assert_eq!(log[2..4], ["   0.000003  #1 client disconnected", "```"], "{filled}");
    waits_for_end_of(pid_in(&repository.path().join("pid")));
}

fn a_server_that_does_not_start_is_reported() {
    let repository = Repository::new();
    let lesson =
        format!("{}\n<!-- log -->\n```text\n```\n", fence("serve", "$ echo cannot start; exit 2"));
    repository.write("lessons/01-a.md", &lesson);
    let output = repository.notes(&["fill"], 1);
    assert!(
        output.contains("01-a.md:5: `echo cannot start; exit 2`: the server ended before it"),
        "{output}"
    );
    assert!(output.contains("its last output was `cannot start`"), "{output}");
    assert_eq!(output.lines().filter(|line| line.contains("; help: ")).count(), 1, "{output}");
}

fn only_one_server_runs_at_a_time() {
    let repository = Repository::new();
    let serve = fence("serve: vary", &format!("$ {}", server()));
    repository.write("lessons/01-a.md", &format!("{serve}\n{serve}"));
    let output = repository.notes(&["fill"], 1);
    assert!(output.contains("a server is already running; help: add `<!-- stop -->`"), "{output}");
    repository.write("lessons/01-a.md", "# A\n\n<!-- stop -->\n\n<!-- log -->\n```text\n```\n");
    let output = repository.notes(&["fill"], 1);
    assert!(
        output.contains("01-a.md:3: no server is running; help: add `<!-- serve -->`"),
        "{output}"
    );
    assert!(
        output.contains("01-a.md:6: no server is running; help: add `<!-- serve -->`"),
        "{output}"
    );
}

fn fill_waits_until_a_port_is_free() {
    let repository = Repository::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    repository.write("lessons/01-a.md", &fence("serve", &format!("$ {} {port}", server())));
    let mut docs_tool = repository.command(&["fill"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(docs_tool.stderr.take().unwrap()).lines();
    let words =
        format!("  port {port} is in use by another program; waiting until the port is free");
    assert!(stderr.any(|line| line.unwrap() == words));
    drop(taken);
    assert!(docs_tool.wait().unwrap().success());
}

fn commands_can_be_skipped() {
    let repository = Repository::new();
    repository.write("lessons/01-a.md", &fence("run", "$ touch ran\nskipped"));
    let output = repository.notes(&["check", "--no-run", "lessons/01-a.md"], 0);
    assert_eq!(output, "skipped 1 command\n1 page, 0 runs: everything is up to date\n");
    assert!(!repository.path().join("ran").exists());
}

fn commands_of_missing_programs_are_skipped() {
    let repository = Repository::new();
    let lesson = fence("serve", "$ node server.mjs") + &fence("run", "$ echo client");
    repository.write("lessons/01-a.md", &lesson);
    let mut docs_tool = repository.command(&["check", "lessons/01-a.md"]);
    // The folder `lessons` contains no programs.
    let output = docs_tool.env("PATH", repository.path().join("lessons")).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let expected =
        "skipped 2 commands: node is not installed\n1 page, 0 runs: everything is up to date\n";
    assert_eq!(output, expected);
}

fn an_interrupt_kills_all_processes() {
    let repository = Repository::new();
    let lesson = format!(
        "{}\n<!-- run -->\n```console\n$ echo $$ > pid; sleep 600\n```\n",
        fence("serve", &format!("$ echo $$ > server; {}", server()))
    );
    repository.write("lessons/01-a.md", &lesson);
    let mut docs_tool = repository.command(&["fill"]).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = BufReader::new(docs_tool.stderr.take().unwrap());
    assert!(stderr.lines().any(|line| line.unwrap().contains("sleep 600")));
    let pids = ["server", "pid"].map(|file| pid_in(&repository.path().join(file)));
    kill_process(Pid::from_child(&docs_tool), Signal::INT).unwrap();
    assert_eq!(docs_tool.wait().unwrap().code(), Some(130));
    pids.into_iter().for_each(waits_for_end_of);
}

fn no_process_remains_after_an_interrupt_at_any_moment() {
    let repository = Repository::new();
    let commands = "$ setsid sleep 600 & sleep 0.1\n$ (setsid sleep 600 &); sleep 600";
    let page = fence("serve", &format!("$ {}", server())) + &fence("run", commands);
    repository.write("lessons/01-a.md", &page);
    harness::testing::interrupt(Duration::from_secs(1), || {
        repository.command(&["check", "lessons/01-a.md"])
    });
}
