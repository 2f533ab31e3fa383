//! Tests the recording of traces.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use flow::record::{self, Options};
use flow::servers::{self, Setup};
use flow::trace::{Header, Line};
use harness::TempFolder;

fn options(file: PathBuf, scenario: &str) -> Options {
    let siblings = ["std", "tokio"].map(|name| servers::Command::Sibling(name.to_owned()));
    let servers = siblings.to_vec();
    let servers = servers::Options { servers, file_bytes: 1 << 20, setup: Setup::default() };
    Options { file, scenario: scenario.to_owned(), duration: Duration::from_secs(2), servers }
}

#[test]
fn a_recorded_trace_is_complete() {
    let folder = TempFolder::new().unwrap();
    let file = folder.path().join("slow.jsonl");
    fs::write(&file, "an old trace").unwrap();
    record::run(options(file.clone(), "slow-reader")).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let (header, lines) = text.split_once('\n').unwrap();
    let header: Header = serde_json::from_str(header).unwrap();
    assert_eq!((header.flow_trace, header.file_bytes), (1, 1 << 20));
    assert_eq!(header.servers, ["std", "tokio"]);
    let lines: Vec<Line> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| matches!(line, Line::Scenario { .. })), "{text}");
    assert!(lines.iter().any(|line| matches!(line, Line::Client(_))), "{text}");
    let end = lines.last().unwrap();
    assert!(matches!(end, Line::End { at_us: 2_000_000.. }), "{end:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error() {
    let folder = TempFolder::new().unwrap();
    let error =
        |file: PathBuf, scenario| record::run(options(file, scenario)).unwrap_err().to_string();
    let unknown = error(folder.path().join("trace"), "slow");
    assert!(unknown.starts_with("there is no scenario `slow`\nhelp: "), "{unknown}");
    let missing = error(folder.path().join("missing/trace"), "slow-reader");
    assert!(missing.contains("missing` does not exist\nhelp: "), "{missing}");
    let special = error(folder.path().to_owned(), "slow-reader");
    assert!(special.contains("is not a regular file\nhelp: "), "{special}");
    #[cfg(target_os = "linux")]
    {
        let device = error("/dev/full".into(), "slow-reader");
        assert!(device.contains("`/dev/full` is not a regular file"), "{device}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_recording_leaves_nothing() {
    let folder = TempFolder::new().unwrap();
    harness::testing::interrupt(Duration::from_secs(1), || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_flow"));
        command.args(["record", "--scenario", "slow-reader"]).arg(folder.path().join("trace"));
        command
    });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Mounts a file system of one page in a separate mount namespace, and records to it.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_leaves_no_file() {
    use std::io::Read;
    use std::process::{Command, Stdio};

    const SCRIPT: &str = "mount -t tmpfs -o size=4k tmpfs \"$1\" || exit 77
        \"$2\" record \"$1/trace\" --scenario reset --approach tokio
        code=$?; ls -A \"$1\"; exit $code";
    let folder = TempFolder::new().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--user", "--map-root-user", "sh", "-c", SCRIPT, "sh"]);
    command.arg(folder.path()).arg(env!("CARGO_BIN_EXE_flow"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut group) = harness::Group::spawn(&mut command) else { return };
    let code = group.wait(crate::program::TIMEOUT).expect("the recording ends").code();
    let text = |pipe: &mut dyn Read| {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    };
    let files = text(group.child().stdout.as_mut().unwrap());
    let errors = text(group.child().stderr.as_mut().unwrap());
    if code != Some(2) && (errors.contains("unshare: ") || code == Some(77)) {
        // This machine does not permit namespaces or mounts.
        return;
    }
    let trace = folder.path().join("trace");
    let expected = format!(
        "error: cannot write `{}`: No space left on device (os error 28)\n\
         help: free some space, or choose a file on another disk\n",
        trace.display()
    );
    assert_eq!((code, errors.as_str(), files.as_str()), (Some(2), expected.as_str(), ""));
}
