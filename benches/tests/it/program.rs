//! Tests the command line, the output and the exit codes of `measure`.

use std::io::Read;
#[cfg(target_os = "linux")]
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc;

use harness::TempFolder;

use crate::in_time;
use crate::servers::{BARE, Sibling, scripted, send_all};

fn measure(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_measure"));
    command.args(args).env("COLUMNS", "80");
    in_time(move || command.output().unwrap())
}

fn load(args: &[&str]) -> Output {
    measure(&[&["load"], args].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn load_exits_with_1_only_if_a_reply_is_incorrect() {
    let content = vec![7; 100_000];
    let sibling = Sibling::start(approaches::ALL[0], &content);
    let addr = sibling.addr.to_string();
    let file = sibling.file().display().to_string();
    let correct =
        load(&[&addr, "--total", "20", "--connections", "4", "--expect", &file, "--json"]);
    assert_eq!(correct.status.code(), Some(0), "{correct:?}");
    let report: serde_json::Value = serde_json::from_slice(&correct.stdout).unwrap();
    assert_eq!(report["completed"], 20);
    assert_eq!(report["verified"], "length_and_hash");
    assert!(report["end_us"]["p99"].as_u64() > Some(0), "{report}");
    assert_eq!(cfg!(unix), report["cpu_s"].as_f64() > Some(0.0), "{report}");

    let other = sibling.file().with_file_name("other.bin");
    std::fs::write(&other, vec![8; 100_000]).unwrap();
    let other = other.display().to_string();
    let output = load(&[&addr, "--expect", &other]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stdout).contains("1 hash"), "{output:?}");
}

#[test]
fn flags_determine_the_load() {
    let content = vec![7; 1000];
    let sibling = Sibling::start(approaches::ALL[0], &content);
    let addr = sibling.addr.to_string();
    let file = sibling.file().display().to_string();
    let report_of = |flags: &str| {
        let flags: Vec<_> = flags.split_whitespace().collect();
        let output = load(&[&[&addr, "--json", "--expect", &file], &flags[..]].concat());
        assert_eq!(output.status.code(), Some(0), "{flags:?}: {output:?}");
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        ["completed", "connections_at_once", "threads", "bytes"]
            .map(|key| json[key].as_u64().unwrap())
    };
    assert_eq!(report_of(""), [1, 1, 1, 1010]);
    assert_eq!(report_of("--connections 3"), [3, 3, 1, 3030]);
    assert_eq!(report_of("--connections 4 --total 10 --threads 2"), [10, 4, 2, 10_100]);
    assert_eq!(report_of("--connections 5 --hold 10ms --timeout 20s"), [5, 5, 1, 5050]);
    assert_eq!(report_of("--total 2 --reset-after 500")[3], 1000);
    let [completed, open, ..] = report_of("--rate 100 --duration 100ms");
    assert!(
        completed == 10 && open > 100,
        "expected 10 connections and a limit above 100, got {completed} and {open}"
    );
}

#[test]
fn load_sends_the_request_from_the_command_line() {
    for (flags, expected) in
        [(&[][..], "GET / HTTP/1.0\r\n\r\n"), (&["--request", "\\x41\\n"], "A\n")]
    {
        let (sender, receiver) = mpsc::channel();
        let addr = scripted(1, move |_, mut stream| {
            let mut request = vec![0; expected.len()];
            stream.read_exact(&mut request).unwrap();
            sender.send(request).unwrap();
            send_all(stream, &[BARE]);
        });
        let output = load(&[&[&*addr.to_string()], flags].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(receiver.recv().unwrap(), expected.as_bytes());
    }
}

#[test]
fn load_exits_with_2_if_it_cannot_run() {
    for (args, message) in [
        ("", "<HOST:PORT>"),
        ("127.0.0.1", "such as localhost:4000"),
        ("127.0.0.1:1 --rate 5", "--connections <N>|--total <N>|--duration <TIME>"),
        (
            "127.0.0.1:1 --rate -5 --total 1",
            "error: `--rate` must be a finite number greater than 0",
        ),
        ("127.0.0.1:1 --total 5 --hold 1s", "--hold"),
        ("127.0.0.1:1 --connections 0", "1.."),
        ("127.0.0.1:1 --total 0", "1.."),
        ("127.0.0.1:1 --threads 0", "1..=256"),
        ("127.0.0.1:1 --threads 257", "1..=256"),
        ("127.0.0.1:1 --slow 0", "the minimum is 1"),
        ("127.0.0.1:1 --timeout soon", "500ms"),
        ("127.0.0.1:1 --request \\q", "must be followed by"),
        ("127.0.0.1:1 --expect /no/such/file", "error: cannot open `/no/such/file`: "),
        ("127.0.0.1:1 --max-segment 5", "88"),
    ] {
        let output = load(&args.split_whitespace().collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{args}: {output:?}");
        assert!(text(&output.stderr).contains(message), "{args}: {output:?}");
    }
}

#[test]
fn short_help_has_one_line_per_flag_within_80_columns() {
    let help = text(&measure(&["-h"]).stdout);
    let subcommands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    for line in subcommands.lines() {
        let subcommand = line.split_whitespace().next().unwrap();
        let help = text(&measure(&[subcommand, "-h"]).stdout);
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "expected at most 80 characters, got {line}");
            assert!(
                !line.starts_with("          ") || line.contains("--"),
                "expected a flag: {line}"
            );
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_race_writes_a_record() {
    use harness::record::{Record, Run};

    let folder = TempFolder::new().unwrap();
    let target = folder.path().join("target");
    let record = folder.path().join("record");
    let footprint = Run { program: "footprint".to_owned(), ..Run::default() };
    Record::new([footprint.clone()]).write(&record).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_measure"));
    command.args(["race", "--scenario", "river,non-reading,log", "--server", "baseline,std,tokio"]);
    command.args(["--rounds", "1", "--river-clients", "4", "--non-reading-clients", "20"]);
    command.args(["--large-size", "1MiB", "--job-time", "50ms"]);
    command.args(["--server-cmd", "gone=/no/such/server {file} {port}"]);
    command.arg("--record").arg(&record).env("CARGO_TARGET_DIR", &target);
    let output = in_time(move || command.output().unwrap());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let table = text(&output.stdout);
    assert!(table.contains("river: 157 kB, 4 clients at a time"), "{table}");
    let problem = "gone was not measured: `/no/such/server` is not installed";
    assert!(table.contains(problem), "{table}");

    let run = Run::read(&target.join("measure/race.json")).unwrap().unwrap();
    assert_eq!(run.problems, [problem]);
    let value = |id: &str| run.get(id).unwrap().samples[0].unwrap();
    for server in ["baseline", "std", "tokio"] {
        assert!(value(&format!("river/{server}/connections_per_s")) > 1.0, "{run:?}");
        assert!(value(&format!("river/{server}/server_cpu_s")) > 0.0, "{run:?}");
    }
    for server in ["std", "tokio"] {
        assert_eq!(value(&format!("non-reading/{server}/complete_replies")), 20.0, "{run:?}");
        assert!(value(&format!("log/{server}/large_ratio")) > 0.0, "{run:?}");
    }
    // This test does not measure Tokio, because it needs too little memory per client.
    assert!(value("non-reading/std/kib_per_client") > 1.0, "{run:?}");
    assert!(
        !run.measurements.iter().any(|it| it.id.starts_with("non-reading/baseline")),
        "{run:?}"
    );
    assert_eq!(Record::read(&record).unwrap(), Record::new([run, footprint]));
    let markdown = std::fs::read_to_string(record.join("race.md")).unwrap();
    assert!(markdown.contains("| server | clients/s | × Node |"), "{markdown}");
    assert!(!markdown.contains(&folder.path().display().to_string()), "{markdown}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_footprint_is_measured_and_saved() {
    let folder = TempFolder::new().unwrap();
    let file = folder.path().join("footprint.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_measure"));
    command.args(["footprint", "--server", "smol", "--chunk-size", "64KiB", "--skip-non-reading"]);
    command.args(["--no-strace", "--job-time", "10ms", "--out"]).arg(&file);
    command.env("CARGO_TARGET_DIR", folder.path());
    let output = in_time(move || command.output().unwrap());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let table = text(&output.stdout);
    assert!(table.contains("Threads\nserver  64KiB\nsmol "), "{table}");
    let run = harness::record::Run::read(&file).unwrap().unwrap();
    assert_eq!(run.problems, ["system calls are not counted: `--no-strace` is set"]);
    assert!(run.get("64KiB/smol/cpu_s").is_some(), "{run:?}");
    assert_eq!(run.get("64KiB/smol/calls/sendto"), None);
}

#[test]
fn a_record_has_a_page_and_can_be_compared() {
    let folder = TempFolder::new().unwrap();
    let record = benches::records::records_folder().join("2026-11-29-linux-2-cores");
    let (record, out) = (record.display().to_string(), folder.path().display().to_string());
    let output = measure(&["report", "--from", &record, "--out", &out]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).ends_with("report.html\n"), "{output:?}");
    assert!(folder.path().join("report.html").exists());
    let output = measure(&["diff", &record, "2026-11-29-linux-2-cores"]);
    let tables = text(&output.stdout);
    assert!(tables.contains("connect/std") && tables.contains("\n1B/tokio "), "{tables}");
    assert!(tables.lines().all(|line| line.chars().count() <= 80), "{tables}");
    let lines = tables.lines().filter(|line| line.contains('%'));
    assert!(
        lines.clone().count() > 100 && lines.clone().all(|it| it.ends_with("noise")),
        "{tables}"
    );
}

#[test]
fn errors_from_reports_include_help() {
    let error = |args: &[&str]| {
        let output = measure(args);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        text(&output.stderr)
    };
    let unknown = error(&["diff", "no-record", "now"]);
    assert!(unknown.starts_with("error: cannot read the record `"), "{unknown}");
    assert!(unknown.contains("\nhelp: list the records with `ls benches/records`"), "{unknown}");
    for name in ["", "../x", "a b"] {
        assert!(error(&["report", "--machine", name]).contains("my-laptop"), "{name}");
    }
}

/// Runs `measure` with an empty folder. In this test, `measure` searches for programs only in this
/// folder and saves its results there.
#[cfg(target_os = "linux")]
fn measure_within(folder: &Path, args: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_measure"));
    command.args(args.split(' ')).env("PATH", folder).env("CARGO_TARGET_DIR", folder);
    in_time(move || command.output().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_that_is_not_installed_is_reported() {
    let folder = TempFolder::new().unwrap();
    let run = |args: &str| measure_within(folder.path(), args);
    let race = run("race --server node --no-record");
    assert_eq!(race.status.code(), Some(2), "{race:?}");
    let expected = "node was not measured: `node` is not installed\n\
                    error: no server could be started\n\
                    help: fix the problems that are listed above\n";
    assert_eq!(text(&race.stderr), expected);

    let footprint = run("footprint --server node --chunk-size 1B --skip-non-reading");
    assert_eq!(footprint.status.code(), Some(1), "{footprint:?}");
    let expected = "system calls are not counted: `strace` is not installed (apt install strace)\n\
                    node with chunks of 1B could not be measured: `node` is not installed\n";
    assert_eq!(text(&footprint.stdout), expected);
}

#[cfg(target_os = "linux")]
#[test]
fn measurements_of_the_footprint_can_be_selected() {
    let folder = TempFolder::new().unwrap();
    let steps_of = |args: &str| {
        let output = measure_within(folder.path(), &format!("footprint --no-strace {args}"));
        let stderr = text(&output.stderr);
        stderr.lines().filter(|line| line.starts_with('[')).map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = ["[1/2] std with chunks of 1B", "[2/2] node with chunks of 1B"];
    let few = steps_of("--server node,std --chunk-size 1B --skip-non-reading --job-time 1ms");
    assert_eq!(few, expected);
    // The ten steps are one step for each of six chunk sizes, and one step for each of four numbers
    // of clients.
    let of_node = steps_of("--server node");
    assert_eq!(of_node.last().unwrap(), "[10/10] node with 1024 non-reading clients");
    assert!(steps_of("--server apache").is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn scenarios_and_servers_of_the_race_can_be_selected() {
    let folder = TempFolder::new().unwrap();
    let run = |args: &str| measure_within(folder.path(), &format!("race --no-record {args}"));
    let output = run("--measure river,large --server nginx,tokio-zero-copy --server-cmd \
                      old={file}:{port} --rounds 2 --large-size 1MiB --job-time 1ms");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stderr).contains("2 measurements per round\n"), "{output:?}");
    let race = folder.path().join("measure/race.json");
    let race = harness::record::Run::read(&race).unwrap().unwrap();
    assert_eq!(race.options["scenarios"], serde_json::json!(["large", "river"]));
    assert_eq!(race.options["servers"], serde_json::json!(["tokio-zero-copy"]));
    let [nginx, old] = &race.problems[..] else { panic!("{:?}", race.problems) };
    assert!(
        nginx.starts_with("nginx was not measured: ") && old.starts_with("old was not measured: ")
    );
    for incorrect in ["--server apache", "--measure rivers", "--server-cmd old=x", "--rounds 0"] {
        assert_eq!(run(incorrect).status.code(), Some(2), "{incorrect}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_default_race_is_complete() {
    let help = text(&measure(&["race", "-h"]).stdout);
    let default_of = |flag: &str| {
        let line = help.lines().find(|line| line.contains(flag)).unwrap();
        line.rsplit("[default: ").next().unwrap().trim_end_matches(']').to_owned()
    };
    let flags = ["--scenario", "--server", "--rounds", "--large-size", "--non-reading-clients"];
    assert_eq!(flags.map(default_of), ["all", "all", "7", "1GiB", "9900"]);
}
