//! Tests of incorrect programs and of missing resources. No work is lost, and no process and no
//! file remains.

use std::fs;
use std::process::Command;

use crate::sample::{
    CORRECT, PROGRAM, Sample, is_running, read_when_written, server, wait_for_exit,
};
use crate::{assert_contains, wait_for};

pub const TESTS: &[(&str, fn())] = &[
    ("a_missing_tool_is_reported_with_its_fix", a_missing_tool_is_reported_with_its_fix),
    (
        "a_failed_write_keeps_the_progress_and_the_work",
        a_failed_write_keeps_the_progress_and_the_work,
    ),
    ("a_second_check_waits_for_the_first_check", a_second_check_waits_for_the_first_check),
    ("processes_of_a_server_are_killed", processes_of_a_server_are_killed),
    ("a_server_cannot_fill_the_disk", a_server_cannot_fill_the_disk),
];

/// Runs `check 1` with a variable. Returns the output without line breaks.
fn check_with(sample: &Sample, variable: &str, value: &str) -> String {
    let mut command = sample.command(&["check", "1"]);
    let (code, output) = wait_for_exit(command.env(variable, value).spawn().unwrap());
    assert_eq!(code, 2, "{output}");
    output.replace('\n', " ")
}

fn a_missing_tool_is_reported_with_its_fix() {
    let sample = Sample::new();
    let output = check_with(&sample, "CARGO", "/missing/cargo");
    assert_contains(&output, &["error: cannot start `cargo`", "help: install Rust from"]);
    let output = check_with(&sample, "RUSTC", "/missing/rustc");
    assert_contains(&output, &["error: Cargo cannot start `rustc`", "help: install Rust from"]);
    let output = check_with(&sample, "RUSTFLAGS", "-C linker=missing-linker");
    let expected = ["error: the compiler cannot find a linker", "help: install a C compiler"];
    assert_contains(&output, &expected);
}

/// The shell limits the file size, and ignores the signal that would end the program.
fn without_space(sample: &Sample, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"", PROGRAM, "--dir"]);
    command.arg(sample.path("")).args(arguments);
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&text).replace('\n', " "))
}

fn a_failed_write_keeps_the_progress_and_the_work() {
    let sample = Sample::new();
    let (code, output) = without_space(&sample, &["next"]);
    assert_eq!(code, 2, "{output}");
    assert_contains(&output, &["error: cannot write `", "help: "]);

    sample.run(&["hint", "1"]);
    let progress = sample.progress();
    assert_contains(&progress, &["01 hints 1"]);
    let (code, output) = without_space(&sample, &["hint", "1"]);
    assert_eq!(code, 2, "{output}");
    assert_contains(&output, &["error: cannot write `", ".progress", "help: "]);
    assert_eq!(sample.progress(), progress);
    sample.learner_writes("fn main() {} // hours of work");
    let (code, output) = without_space(&sample, &["reset", "1"]);
    assert_eq!(code, 2, "{output}");
    let copies = fs::read_dir(sample.work(".copies/01-send-it")).unwrap();
    let copy = copies.map(|copy| copy.unwrap().path()).next().unwrap();
    let kept = fs::read_to_string(copy.join("main.rs")).unwrap();
    assert_eq!(kept, "fn main() {} // hours of work");
    // No temporary file remains.
    let names = fs::read_dir(sample.work("")).unwrap().map(|one| one.unwrap().file_name());
    let names: Vec<_> = names.filter(|name| name.to_string_lossy().ends_with(".new")).collect();
    assert!(names.is_empty(), "{names:?}");
}

fn a_second_check_waits_for_the_first_check() {
    let sample = Sample::new();
    let pid_file = sample.path("pid");
    // The server does not listen, so the first check takes several seconds.
    let waiting = server(CORRECT).replace("let listener", "loop {}\n    let listener");
    sample.learner_writes(&format!("#![allow(unreachable_code)]\n{waiting}"));
    let mut command = sample.command(&["check", "1"]);
    let first = command.env("PID_FILE", &pid_file).spawn().unwrap();
    let running = read_when_written(&pid_file);
    let second = sample.command(&["check", "2"]).spawn().unwrap();
    // Other commands do not wait.
    assert_eq!(sample.run(&["list"]).0, 0);
    assert_contains(&sample.run(&["hint", "2"]).1, &["The first hint."]);
    assert!(is_running(&running), "expected that the first check still runs");
    let (_, output) = wait_for_exit(second);
    assert_contains(&output, &["Another check is running in this folder.", "FAIL     size-1"]);
    assert_eq!(wait_for_exit(first).0, 1);
}

fn processes_of_a_server_are_killed() {
    let sample = Sample::new();
    let pid_file = sample.path("child");
    let script = format!(
        "trap '' TERM INT HUP; echo $$ > {}; while :; do sleep 1; done",
        pid_file.display()
    );
    // The server listens only after the child has started, so that the check does not end before.
    let child = format!(
        "std::process::Command::new(\"setsid\").args([\"sh\", \"-c\", {script:?}]).spawn()?;\n    \
         while fs::read_to_string({pid_file:?}).unwrap_or_default().is_empty() {{}}\n    \
         let listener"
    );
    sample.learner_writes(&server(CORRECT).replace("let listener", &child));
    let (code, output) = sample.run(&["check", "1"]);
    assert_eq!(code, 0, "{output}");
    let child = read_when_written(&pid_file);
    wait_for("the child to end", || !is_running(child.trim()));
}

fn a_server_cannot_fill_the_disk() {
    let sample = Sample::new();
    // A sparse file has the same limit and does not occupy space.
    let endless = "use std::io::Seek;
    let mut file = std::fs::File::create(\"endless.log\")?;
    file.seek(io::SeekFrom::Start(1 << 30))?;
    file.write_all(b\"x\")?;
    stream.write_all(b\"HTTP/1.1\\n\\n\")?;";
    sample.learner_writes(&server(endless));
    let here = sample.path("here");
    fs::create_dir(&here).unwrap();
    let mut command = sample.command(&["check", "1"]);
    let (code, output) = wait_for_exit(command.current_dir(&here).spawn().unwrap());
    assert_eq!(code, 1, "{output}");
    assert_contains(&output.replace('\n', " "), &["SIGXFSZ"]);
    assert_eq!(fs::read_dir(here).unwrap().count(), 0);
}
