//! Tests the commands, the start and the CPU time of the servers that the race and the footprint
//! measure.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use benches::cpu;
use benches::servers::{Launcher, Participant, Settings};
use harness::{Group, TempFolder};

use crate::in_time;

fn command(participant: &Participant, folder: &Path) -> Vec<String> {
    let settings = Settings { chunk_bytes: Some(1), workers: Some(2), ..Settings::default() };
    let program = Path::new("measure");
    let file = Path::new("/a b/file.bin");
    let words = participant.command(program, settings, (file, 7), folder).unwrap();
    words.iter().map(|word| word.to_str().unwrap().to_owned()).collect()
}

fn launcher() -> Launcher {
    Launcher::new(env!("CARGO_BIN_EXE_measure").into(), &std::env::temp_dir()).unwrap()
}

#[test]
fn names_are_unique_and_each_sibling_has_two_names() {
    let names: Vec<String> = Participant::all().into_iter().map(|it| it.name).collect();
    assert_eq!(names[..4], ["std", "std-zero-copy", "tokio", "tokio-zero-copy"]);
    assert_eq!(names[10..], ["nginx", "node", "baseline"]);
}

#[test]
fn measure_starts_itself_as_a_sibling() {
    let all = Participant::all();
    let [std, tokio, baseline] =
        [0, 3, 12].map(|index: usize| command(&all[index], Path::new("/")).join("|"));
    let expected = "measure|serve-tokio|/a b/file.bin|--host|127.0.0.1|--log|json|--port|7|\
                    --zero-copy|--chunk-size|1|--workers|2";
    assert_eq!(tokio, expected);
    // The std sibling has no worker threads.
    assert!(std.ends_with("|--chunk-size|1"), "{std}");
    assert!(baseline.starts_with("measure|serve-baseline|/a b/file.bin|"), "{baseline}");
}

#[test]
fn placeholders_in_a_command_are_replaced() {
    let old = Participant::from_command("old='./serve old' {file} -p{port}").unwrap();
    assert_eq!(command(&old, Path::new("/")), ["./serve old", "/a b/file.bin", "-p7"]);
    assert!(!old.has_chunk_size());
    assert!(Participant::from_command("a={file} {port} {chunk}").unwrap().has_chunk_size());
    for incorrect in
        ["old", "old=serve {file}", "={file} {port}", "std={file} {port}", "a/b={file} {port}"]
    {
        assert!(
            Participant::from_command(incorrect).is_err(),
            "expected an error for `{incorrect}`"
        );
    }
}

#[test]
fn all_files_of_nginx_are_in_its_folder() {
    let folder = TempFolder::new().unwrap();
    let place = folder.path().display();
    command(&Participant::all()[10], folder.path());
    let text = fs::read_to_string(folder.path().join("nginx.conf")).unwrap();
    assert!(text.contains("daemon off;\nworker_processes auto;\n"), "{text}");
    for line in [
        "  sendfile on;",
        "    listen 127.0.0.1:7;",
        "    root \"/a b\";",
        &format!("  access_log \"{place}/nginx-access.log\";"),
        &format!("pid \"{place}/nginx.pid\";"),
    ] {
        assert!(text.lines().any(|other| other == line), "expected {line}, got {text}");
    }
    assert_eq!(text.matches('{').count(), text.matches('}').count());
}

/// Returns early if nginx is not installed.
#[test]
fn nginx_accepts_its_configuration() {
    let folder = TempFolder::new().unwrap();
    let words = command(&Participant::all()[8], folder.path());
    let Ok(output) = Command::new(&words[0]).args(&words[1..]).arg("-t").output() else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_file_is_written_once() {
    let mut launcher = launcher();
    launcher.file(2_100_003).unwrap();
    let path = launcher.folder().join("2100003.bin");
    assert_eq!(fs::metadata(&path).unwrap().len(), 2_100_003);
    fs::remove_file(&path).unwrap();
    launcher.file(2_100_003).unwrap();
    assert!(!path.exists());
}

#[test]
fn a_failed_start_reports_the_reason() {
    let start = |command: &str| {
        let participant = Participant::from_command(command).unwrap();
        let mut launcher = launcher();
        let file = launcher.file(1).unwrap();
        let started = in_time(move || launcher.start(&participant, &file, Settings::default()));
        started.map(|_| ()).unwrap_err().to_string()
    };
    let error = start("a=/no/such/server {file} {port}");
    assert_eq!(error, "`/no/such/server` is not installed");
    let script = "echo first >&2; echo Error: x >&2; echo last >&2; exit 3";
    let error = start(&format!("a=sh -c '{script}' {{file}} {{port}}"));
    assert_eq!(error, "the server ended with exit code 3; stderr: Error: x");
}

#[test]
fn the_baseline_sends_its_file() {
    let baseline = Participant::all().pop().unwrap();
    let (completed, cpu_s) = in_time(move || {
        let mut launcher = launcher();
        let file = launcher.file(100_000).unwrap();
        let server = launcher.start(&baseline, &file, Settings::default()).unwrap();
        let (report, cpu_s) = server.time(server.plan().with_connections(100, 1)).unwrap();
        (report.completed, cpu_s)
    });
    assert_eq!(completed, 100);
    assert!(cpu_s > 0.0);
}

#[test]
fn cpu_time_includes_new_processes_and_fails_for_ended_processes() {
    let none = cpu::read(&[]).unwrap();
    let mut group = Group::spawn(Command::new("sh").args(["-c", "while :; do :; done"])).unwrap();
    let pids = [std::process::id(), group.id()];
    let before = in_time(move || {
        loop {
            let used = cpu::read(&pids[1..]).unwrap();
            assert_eq!(cpu::seconds_between(&used, &used).unwrap(), 0.0);
            if cpu::seconds_between(&none, &used).unwrap() > 0.02 {
                return used;
            }
        }
    });
    group.stop(Duration::ZERO);
    assert!(cpu::read(&pids).is_err());
    let error = cpu::seconds_between(&before, &cpu::read(&pids[..1]).unwrap()).unwrap_err();
    assert!(error.to_string().ends_with("ended during the measurement"), "{error}");
}
