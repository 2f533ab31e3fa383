//! Tests of the command `watch`.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::sample::{CORRECT, Sample, server, wait_for_exit};
use crate::wait_for;

pub const TESTS: &[(&str, fn())] = &[
    ("watch_checks_after_each_save", watch_checks_after_each_save),
    #[cfg(unix)]
    ("a_save_cancels_the_running_check", a_save_cancels_the_running_check),
    #[cfg(target_os = "linux")]
    (
        "keys_act_without_enter_and_the_terminal_is_restored",
        keys_act_without_enter_and_the_terminal_is_restored,
    ),
    #[cfg(target_os = "linux")]
    (
        "the_first_failure_is_shown_before_the_check_ends",
        the_first_failure_is_shown_before_the_check_ends,
    ),
];

/// A running program, whose output is read continuously.
struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    output: Arc<Mutex<String>>,
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let (mut stdout, text) = (child.stdout.take().unwrap(), Arc::clone(&output));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut bytes) {
                text.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        let stdin = child.stdin.take();
        Self { child, stdin, output }
    }

    /// Waits until the new output contains `words`. Output before these words is no longer new.
    fn expect(&self, words: &str) {
        wait_for(words, || {
            let mut output = self.output.lock().unwrap();
            let end = output.find(words).map(|start| start + words.len());
            end.is_some_and(|end| !output.drain(..end).as_str().is_empty())
        });
    }

    fn send(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }
}

fn watch_checks_after_each_save() {
    let sample = Sample::new();
    let mut watch = Program::start(&mut sample.command(&["watch"]));
    watch.expect("FAIL     size-1");
    watch.expect("Waiting for changes to");
    // Save as some editors do: write a new file and rename it.
    sample.write("my-exercises/01-send-it/src/main.rs.new", &server(CORRECT));
    let main = sample.work("01-send-it/src/main.rs");
    fs::rename(sample.work("01-send-it/src/main.rs.new"), main).unwrap();
    watch.expect("Saved: checking again.");
    watch.expect("Passed. Exercise 01 is done");
    watch.send("n\n");
    watch.expect("Exercise 02, Send it first: 2 checks");
    watch.send("p\n");
    watch.expect("Exercise 01, Send it first: 2 checks");
    watch.send("h\n");
    watch.expect("The first hint.");
    watch.send("q\n");
    assert_eq!(wait_for_exit(watch.child).0, 0);
}

#[cfg(unix)]
fn a_save_cancels_the_running_check() {
    use crate::sample::{is_running, read_when_written};

    let sample = Sample::new();
    let (pid_file, temporary) = (sample.path("pid"), sample.path("tmp"));
    fs::create_dir(&temporary).unwrap();
    // The server does not listen, so the check waits.
    let waiting = server(CORRECT).replace("let listener", "loop {}\n    let listener");
    let waiting = format!("#![allow(unreachable_code)]\n{waiting}");
    sample.learner_writes(&waiting);
    let mut command = sample.command(&["watch", "1"]);
    let mut watch = Program::start(command.env("PID_FILE", &pid_file).env("TMPDIR", &temporary));
    let first = read_when_written(&pid_file);
    sample.learner_writes(&server(CORRECT));
    watch.expect("Saved: checking again.");
    watch.expect("Passed. Exercise 01 is done");
    assert!(!is_running(&first), "expected the canceled check to stop its server");
    // Quit while a check runs.
    fs::remove_file(&pid_file).unwrap();
    sample.learner_writes(&waiting);
    let last = read_when_written(&pid_file);
    watch.send("q\n");
    assert_eq!(wait_for_exit(watch.child).0, 0);
    assert!(!is_running(&last), "expected `watch` to stop the server before it ends");
    let files = fs::read_dir(temporary).unwrap().count();
    assert_eq!(files, 0, "expected no temporary files, got {files}");
}

/// `script` runs a command in a terminal.
#[cfg(target_os = "linux")]
fn keys_act_without_enter_and_the_terminal_is_restored() {
    for (key, words, end) in [("q", "h hint", "ended 0"), ("\u{3}", "h hint", "ended 130")] {
        let sample = Sample::new();
        let program = format!("{} --dir {}", crate::sample::PROGRAM, sample.path("").display());
        let script = format!("stty cols 80 rows 24; {program} watch; echo ended $?; stty -a");
        let mut command = Command::new("script");
        command.args(["-qec", &script, "/dev/null"]).stderr(Stdio::null());
        let mut watch = Program::start(&mut command);
        watch.expect("failed; waiting until you save");
        watch.expect(words);
        watch.send("a");
        watch.expect("FAIL");
        watch.send("n");
        watch.expect("Exercise 02");
        watch.send(key);
        watch.expect(end);
        watch.expect(" icanon");
        watch.expect(" echo ");
        wait_for_exit(watch.child);
    }
}

/// The screen shows the first failure, and only the `a` key shows the verdicts.
#[cfg(target_os = "linux")]
fn the_first_failure_is_shown_before_the_check_ends() {
    let sample = Sample::new();
    // The check `preamble` waits for the timeout of the client, after `size-1` has failed.
    let reply = "if content.len() > 1 { std::thread::sleep(std::time::Duration::from_secs(60)); }";
    sample.learner_writes(&server(&format!("let unused = 1; {reply}")));
    let program = format!("{} --dir {}", crate::sample::PROGRAM, sample.path("").display());
    let mut command = Command::new("script");
    command.args(["-qec", &format!("stty cols 80 rows 24; {program} watch"), "/dev/null"]);
    let mut watch = Program::start(&mut command);
    watch.expect("checking: 1 of 2 done (last: size-1)");
    watch.expect("unused variable");
    watch.expect("without a preamble");
    watch.expect("failed; waiting until you save");
    watch.send("q");
    wait_for_exit(watch.child);
}
