//! Tests that no process of a group and no temporary folder remains.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use harness::{Group, Signal, TempFolder, cleanup, usage};

/// The maximum duration of a test.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A shell script that starts a daemon: a child starts a new session, starts a child itself, and
/// ends. The script prints the process id of the daemon and waits. The script and the daemon ignore
/// `SIGTERM`.
const DAEMON: &str = "trap '' TERM; setsid sh -c 'sleep 60 & echo $!'; sleep 60";

fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with('Z'))
}

fn start(script: &str) -> (Group, u32) {
    let mut shell = Command::new("sh");
    let mut group = Group::spawn(shell.args(["-c", script]).stdout(Stdio::piped())).unwrap();
    let mut line = String::new();
    let stdout = group.child().stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    (group, line.trim().parse().unwrap())
}

#[test]
fn a_group_ends_with_children_that_ignore_sigterm() {
    let (mut group, child) = start("(trap '' TERM; sleep 60) & echo $!; wait");
    assert_eq!(usage::threads(&group.pids()).map(|threads| threads >= 2), Some(true));
    assert!(group.status().is_none());
    group.stop(Duration::from_millis(200));
    assert!(!is_running(child));
    assert!(group.pids().is_empty());
}

#[test]
fn a_group_ends_with_a_process_that_left_it() {
    let (mut group, daemon) = start(DAEMON);
    let (other, other_daemon) = start(DAEMON);
    assert!(group.pids().contains(&daemon));
    group.kill();
    assert!(!is_running(daemon));
    assert!(
        is_running(other_daemon),
        "expected the daemon of another group to run, but it was killed"
    );
    drop(other);
    assert!(!is_running(other_daemon));
    assert!(!Path::new(&format!("/proc/{daemon}")).exists(), "a zombie remains");
}

#[test]
fn a_daemon_without_the_environment_ends_on_interrupt() {
    // The script starts the daemon without the environment variable. In this case, `Group::kill`
    // recognizes the daemon only if the program has no other group. Other tests in this process
    // have groups. Therefore, this test interrupts a separate program.
    let script = "setsid env -i sh -c 'sleep 60 & echo $!'; sleep 60";
    interrupt(script, Signal::Terminate, 143);
}

#[test]
fn a_panic_leaves_no_process() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let panicked = thread::spawn(move || {
        let folder = TempFolder::new().unwrap();
        let (group, daemon) = start(DAEMON);
        sender.send((folder.path().to_owned(), group.id(), daemon)).unwrap();
        panic!("deliberate");
    });
    assert!(panicked.join().is_err());
    let (folder, shell, daemon) = receiver.recv().unwrap();
    assert!(!folder.exists() && !is_running(shell) && !is_running(daemon));
}

/// The program that the following tests interrupt. This function is not a test. The program prints
/// the ids of its processes. If the variable `END` is set, the program waits for a line on stdin.
/// Then its main thread panics or returns, while other threads still own the group and the folder.
#[test]
#[ignore = "runs until it is interrupted"]
fn program() {
    use std::io::Write;
    let _cleanup = cleanup::on_interrupt().unwrap();
    let folder = TempFolder::new().unwrap();
    fs::write(folder.path().join("file"), "content").unwrap();
    let (group, daemon) = start(&std::env::var("SCRIPT").unwrap());
    let mut plain = cleanup::spawn(Command::new("sleep").arg("60")).unwrap();
    let ids = format!("ids {} {} {}\n", group.id(), daemon, plain.id());
    std::io::stderr().write_all(ids.as_bytes()).unwrap();
    let end = std::env::var("END").unwrap_or_default();
    if !end.is_empty() {
        // The values of other threads are not dropped at the end of a program.
        std::mem::forget((group, folder));
        std::io::stdin().read_line(&mut String::new()).unwrap();
        plain.kill().unwrap();
        assert_ne!(end, "panic", "deliberate");
    }
    plain.wait().unwrap();
}

#[test]
fn a_panic_of_the_main_thread_leaves_nothing_behind() {
    end_by(DAEMON, Some("panic"), |program| drop(program.child().stdin.take()), 101);
}

#[test]
fn the_end_of_the_program_leaves_nothing_behind() {
    end_by(DAEMON, Some("return"), |program| drop(program.child().stdin.take()), 0);
}

#[test]
fn a_process_without_the_environment_ends_with_its_group() {
    // While the parent of a process runs, the group recognizes the process by this parent, even if
    // the program has other groups.
    let (mut group, child) = start("setsid env -i sleep 60 & echo $!; wait");
    let (_other, _) = start(DAEMON);
    group.kill();
    assert!(!is_running(child));
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    interrupt(DAEMON, Signal::Interrupt, 130);
    interrupt(DAEMON, Signal::Terminate, 143);
}

#[test]
fn an_interrupt_at_any_moment_leaves_nothing_behind() {
    harness::testing::interrupt(Duration::from_millis(300), || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "groups::program", "--ignored"]).env("SCRIPT", DAEMON);
        command
    });
}

/// The program that the following test interrupts. This function is not a test. The program creates
/// and removes folders.
#[test]
#[ignore = "runs until it is interrupted"]
fn program_with_folders() {
    let _cleanup = cleanup::on_interrupt().unwrap();
    loop {
        let folder = TempFolder::new().unwrap();
        // Ignore an error, because the interrupt may remove the folder at any moment.
        (0..100).for_each(|file| drop(fs::write(folder.path().join(file.to_string()), "content")));
    }
}

#[test]
fn an_interrupt_while_a_folder_is_written_or_removed_leaves_nothing_behind() {
    harness::testing::interrupt(Duration::from_millis(200), || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "groups::program_with_folders", "--ignored"]);
        command
    });
}

/// The shell makes the program ignore `SIGINT` at first, as a script does for a background job.
#[test]
fn an_interrupt_waits_until_the_program_handles_the_signal() {
    harness::testing::interrupt(Duration::from_millis(50), || {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' INT; sleep 0.05; exec \"$0\" \"$@\""]);
        command.arg(std::env::current_exe().unwrap());
        command.args(["--exact", "groups::program_with_folders", "--ignored"]);
        command
    });
}

fn interrupt(script: &str, signal: Signal, exit_code: i32) {
    end_by(script, None, |program| program.signal(signal), exit_code);
}

/// Starts [`program`], ends it with `act`, and checks that nothing remains.
fn end_by(script: &str, end: Option<&str>, act: impl FnOnce(&mut Group), exit_code: i32) {
    let temporary = TempFolder::new().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "groups::program", "--ignored", "--nocapture"]).env("SCRIPT", script);
    command.envs(end.map(|end| ("END", end))).stdin(Stdio::piped());
    command.env("TMPDIR", temporary.path()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut program = Group::spawn(&mut command).unwrap();
    let lines = BufReader::new(program.child().stderr.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find(|line| line.starts_with("ids ")).unwrap();
    let ids: Vec<u32> = line.split(' ').skip(1).map(|id| id.parse().unwrap()).collect();
    assert!(ids.iter().all(|&id| is_running(id)));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
    act(&mut program);
    assert_eq!(program.wait(TIMEOUT).and_then(|status| status.code()), Some(exit_code));
    assert!(ids.iter().all(|&id| !is_running(id)));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}
