//! Tests of `flow replay`.

use std::fs::{self, File};
use std::path::PathBuf;

use harness::TempFolder;
use serde_json::json;

use crate::program::{Program, run};

pub const HEADER: &str =
    "{\"flow_trace\":1,\"system\":\"linux\",\"file_bytes\":100,\"servers\":[\"std\",\"tokio\"]}\n";

const LINES: &str = r#"{"type":"server","at_us":5,"server":0,"command":"serve-std","preamble_bytes":10}
{"type":"client","at_us":10,"server":1,"connection":1,"speed":0,"later_field":1}
{"type":"later_type","at_us":11,"value":[1]}
{"type":"connection","at_us":12,"server":1,"connection":1,"state":"waiting","written":7}
"#;

const END: &str = "{\"type\":\"end\",\"at_us\":1500000}\n";

struct Trace {
    _folder: TempFolder,
    path: PathBuf,
}

impl Trace {
    fn new(content: &[u8]) -> Self {
        let folder = TempFolder::new().unwrap();
        let path = folder.path().join("trace.jsonl");
        fs::write(&path, content).unwrap();
        Self { _folder: folder, path }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Runs `flow replay` and expects an error.
    fn expect_error(&self, part: &str) {
        run(&["replay", self.path(), "--port", "0"]).expect_error(part);
    }
}

#[test]
fn a_trace_is_replayed() {
    let trace = Trace::new(format!("{HEADER}{LINES}{END}").as_bytes());
    let flow = Program::start(&["replay", trace.path()]);
    let session = flow.request("GET", "/session", "").json();
    assert_eq!(session["mode"], "replay");
    assert_eq!(session["header"]["servers"], json!(["std", "tokio"]));
    assert_eq!(session["scenarios"], json!([]));
    let lines = flow.stream(&[]).next().lines;
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["server", "client", "connection", "end"]);
    flow.request("POST", "/clients", r#"{"count":1}"#).expect_error(409, "replays a trace");
    let download = flow.request("GET", "/trace", "").body;
    assert!(download.starts_with(HEADER) && download.ends_with(END), "{download}");
}

#[test]
fn the_rest_of_a_truncated_trace_is_replayed() {
    let whole = format!("{HEADER}{LINES}");
    for truncated in [whole.as_str(), &whole[..whole.len() - 5]] {
        let trace = Trace::new(truncated.as_bytes());
        let flow = Program::start(&["replay", trace.path()]);
        let lines = flow.stream(&[]).next().lines;
        assert_eq!(lines[0]["type"], "server");
        let [.., note, end] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(end["type"], "end");
        assert!(note["message"].as_str().unwrap().contains("is truncated"), "{note}");
    }
}

#[test]
fn a_truncated_trace_is_read_or_the_error_has_help() {
    let whole = format!("{HEADER}{LINES}{END}");
    for length in 0..whole.len() {
        let trace = Trace::new(&whole.as_bytes()[..length]);
        match flow::replay::read(&trace.path) {
            Ok(replay) => assert_eq!(replay.warning.is_some(), length < whole.len() - 1),
            Err(error) => assert!(format!("{error:#}").contains("\nhelp: "), "{length}: {error:#}"),
        }
    }
}

#[test]
fn a_trace_that_cannot_be_read_is_an_error() {
    let line = "{\"type\":\"note\",\"at_us\":1,\"message\":\"m\"}\n";
    let cases = [
        (String::new(), "is not a trace"),
        ("picture".to_owned(), "is not a trace"),
        ("[1]\n".to_owned(), "is not a trace"),
        (
            HEADER.replace(":1,", ":2,"),
            "has the format version 2, but this program reads version 1",
        ),
        (HEADER.replace(":100,", ":-1,"), "the header of the trace"),
        (
            "{\"flow_trace\":1,\"system\":\"linux\",\"file_bytes\":1,\"servers\":[]}\n".to_owned(),
            "no server",
        ),
        (format!("{HEADER}{line}{{\"type\":\n{END}"), "line 3 of the trace"),
        (format!("{HEADER}\n{END}"), "line 2 of the trace"),
        (format!("{HEADER}{line}{END}{line}"), "line 4 of the trace"),
        (format!("{HEADER}{}", LINES.replace("\"server\":1", "\"server\":9")), "got 9"),
        (format!("{HEADER}{}", LINES.replace("waiting", "no")), "unknown variant `no`"),
        (format!("{HEADER}{}\n{END}", "[".repeat(1000)), "line 2 of the trace"),
    ];
    for (content, part) in cases {
        Trace::new(content.as_bytes()).expect_error(part);
    }
    Trace::new(b"\xff\xfe\x00\n").expect_error("is not a trace");
    let missing = Trace::new(b"");
    fs::remove_file(&missing.path).unwrap();
    missing.expect_error("cannot open");
    fs::create_dir(&missing.path).unwrap();
    missing.expect_error("trace.jsonl`: ");
}

#[test]
fn a_trace_that_is_too_long_is_an_error() {
    let trace = Trace::new(format!("{HEADER}{LINES}").as_bytes());
    let file = File::options().write(true).open(&trace.path).unwrap();
    // The file has a hole, so it occupies little space on the disk.
    file.set_len(1 << 40).unwrap();
    trace.expect_error("is too long");
}
