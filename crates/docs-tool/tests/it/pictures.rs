//! Tests the pictures that are drawn from small sources.

use std::process::Output;

use crate::repository::Repository;

pub const TESTS: &[(&str, fn())] = &[
    ("pictures::an_outdated_picture_is_reported_and_drawn", an_outdated_picture_is_reported),
    ("pictures::an_unknown_picture_is_an_error", an_unknown_picture_is_an_error),
    ("pictures::an_unknown_kind_is_an_error", an_unknown_kind_is_an_error),
    ("pictures::errors_in_a_sequence_have_lines_and_help", errors_in_a_sequence),
    ("pictures::errors_in_a_diagram_have_lines_and_help", errors_in_a_diagram),
    ("pictures::every_kind_of_row_is_drawn", every_kind_of_row_is_drawn),
    ("pictures::boxes_are_in_rows_and_columns", boxes_are_in_rows_and_columns),
    ("pictures::text_is_wrapped_between_words", text_is_wrapped_between_words),
    ("pictures::a_picture_has_no_external_files", a_picture_has_no_external_files),
    ("pictures::a_trace_shows_connections_and_threads", a_trace_shows_connections_and_threads),
    ("pictures::many_connections_and_threads_are_summed", many_are_summed),
    ("pictures::an_invalid_trace_is_an_error", an_invalid_trace_is_an_error),
];

const SOURCE: &str = "sequence: A\ndescription: b\nactors: x, y\nx -> y: one\n";

const HEADER: &str =
    r#"{"flow_trace":1,"system":"linux","file_bytes":1048576,"servers":["tokio"]}"#;

/// A client reads half of the file, then reads nothing for a second, and then disconnects.
const LINES: &str = r#"
{"type":"scenario","at_us":1000000,"name":"slow-reader"}
{"type":"client","at_us":1100000,"server":0,"connection":1,"speed":0}
{"type":"event","at_us":1100000,"server":0,"connection":1,"event":"connected"}
{"type":"thread","at_us":1100000,"server":0,"thread":7,"name":"worker","state":"running"}
{"type":"connection","at_us":1200000,"server":0,"connection":1,"state":"writing","written":900000,"received":700000,"read":524288}
{"type":"thread","at_us":1300000,"server":0,"thread":7,"state":"blocked","call":"epoll_wait"}
{"type":"connection","at_us":1500000,"server":0,"connection":1,"state":"waiting"}
{"type":"event","at_us":2900000,"server":0,"connection":1,"event":"disconnected"}
{"type":"connection","at_us":3000000,"server":0,"connection":1,"state":"reset"}
{"type":"usage","at_us":3000000,"server":0,"threads":3,"memory_bytes":2097152}
"#;

const END: &str = r#"{"type":"end","at_us":5000000}"#;

fn pictures(repository: &Repository, arguments: &[&str]) -> (Option<i32>, String) {
    let arguments = [&["pictures"], arguments].concat();
    let Output { status, stderr, .. } = repository.command(&arguments).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// Draws the picture of an incorrect source. Returns the error.
fn error(name: &str, text: &str) -> String {
    let repository = Repository::new();
    repository.write(&format!("lessons/pictures/{name}"), text);
    let (code, error) = pictures(&repository, &[]);
    assert_eq!(code, Some(2), "{error}");
    error.replace("error: lessons/pictures/", "")
}

/// Draws the picture of a source. Returns the content of the SVG file.
fn drawn(name: &str, text: &str) -> String {
    let repository = Repository::new();
    repository.write(&format!("lessons/pictures/{name}"), text);
    assert_eq!(pictures(&repository, &[]), (Some(0), String::new()));
    repository.read("lessons/pictures/a.svg")
}

/// Returns the line of the SVG file that contains this text.
fn line<'a>(svg: &'a str, text: &str) -> &'a str {
    svg.lines().find(|line| line.contains(&format!(">{text}<"))).unwrap_or_else(|| panic!("{svg}"))
}

/// Returns the value of an attribute of an element.
fn attribute(element: &str, name: &str) -> f64 {
    let (_, rest) = element.split_once(&format!(" {name}=\"")).unwrap();
    rest.split('"').next().unwrap().parse().unwrap()
}

fn an_outdated_picture_is_reported() {
    let repository = Repository::new();
    let write =
        |name: &str, text: &str| repository.write(&format!("lessons/pictures/{name}"), text);
    let outdated = || {
        let (code, errors) = pictures(&repository, &["--check"]);
        assert_eq!(code, Some(i32::from(!errors.is_empty())), "{errors}");
        errors
    };
    write("a.txt", SOURCE);
    let expected = "lessons/pictures/a.svg:1: the picture does not match `lessons/pictures/a.txt`; \
                    help: run `cargo run -p docs-tool -- pictures`\n";
    assert_eq!(outdated(), expected);
    assert!(repository.notes(&["check"], 1).contains(expected));
    assert_eq!(pictures(&repository, &[]).0, Some(0));
    assert_eq!(outdated(), "");
    write("a.txt", &SOURCE.replace("one", "two"));
    assert_eq!(outdated(), expected);
    assert_eq!(pictures(&repository, &["a"]).0, Some(0));
    // On Windows, Git may convert line endings, so pictures with different line endings are up to
    // date.
    let drawn = repository.read("lessons/pictures/a.svg");
    write("a.svg", &drawn.replace('\n', "\r\n"));
    assert_eq!(outdated(), "");
    write("b.svg", &drawn);
    assert!(outdated().contains("b.svg:1: the picture has no source; help: delete the picture"));
}

fn an_unknown_picture_is_an_error() {
    let repository = Repository::new();
    repository.write("lessons/pictures/a.txt", SOURCE);
    let (code, error) = pictures(&repository, &["--check", "mona-lisa"]);
    assert_eq!(code, Some(2));
    assert_eq!(error, "error: there is no picture `mona-lisa`\nhelp: use one of a\n");
}

fn an_unknown_kind_is_an_error() {
    let error = error("a.txt", "fresco: A title\n");
    assert!(
        error.starts_with("a.txt:1: there is no kind of picture `fresco`; help: write "),
        "{error}"
    );
}

fn errors_in_a_sequence() {
    let head = SOURCE.replace("x -> y: one\n", "");
    for (text, expected) in [
        (format!("{head}x -> z: SYN\n"), "a.txt:4: there is no actor `z`; help: use one of x, y\n"),
        (format!("{head}x - y: SYN\n"), "a.txt:4: `x - y` is not a row; help: write"),
        ("sequence: A\nactors: x\n".to_owned(), "a.txt:1: there is no line `description:`; help"),
        (format!("{head}nothing\n"), "a.txt:4: the line has no colon; help: write `WORDS: TEXT`"),
    ] {
        let error = error("a.txt", &text);
        assert!(error.starts_with(expected), "{error}");
    }
}

fn errors_in_a_diagram() {
    for (rest, expected) in [
        ("box a 1 2-1: one\n", "a.txt:4: `2-1` is not a range; help: write `2` or `2-4`"),
        ("box a 0 1: one\n", "a.txt:4: `0` is not a range; help: write"),
        ("box a 1 1: one\nband 1-2: b\n", "a.txt:5: there is no row 2; help"),
        ("box a 1 3: one\n", "a.txt:4: there is no column 3; help"),
        ("arrow a -> b: x\n", "a.txt:4: there is no box `a` above; help: write `box"),
        ("box a 1 1 pink: x\n", "a.txt:4: `box a 1 1 pink` is not part of a diagram; help"),
    ] {
        let head = "diagram: A\ndescription: b\ncolumns: 2\n";
        let error = error("a.txt", &format!("{head}{rest}"));
        assert!(error.starts_with(expected), "{error}");
    }
}

fn an_invalid_trace_is_an_error() {
    let version = HEADER.replace(":1,", ":2,");
    for (text, expected) in [
        (
            "{}\n".to_owned(),
            "1: the first line is not the header of a trace; help: record the trace",
        ),
        (version, "1: expected a trace of version 1, got 2; help: "),
        (format!("{HEADER}{LINES}"), "11: the trace is incomplete; help: "),
        (format!("{HEADER}\n{END}"), "1: the trace has no connection; help: "),
        (format!("{HEADER}\nnonsense\n{END}"), "2: expected ident at line 1"),
    ] {
        let error = error("flow-a.jsonl", &text);
        let error = error.strip_prefix("flow-a.jsonl:").unwrap_or_else(|| panic!("{error}"));
        assert!(error.starts_with(expected) && error.contains("--record-traces"), "{error}");
    }
}

fn every_kind_of_row_is_drawn() {
    let svg = drawn(
        "a.txt",
        "sequence: A\ndescription: b\nactors: client, server\nclient -> server: SYN: a\n\
         server ->! client: RST\n# no\n\nnote server: waits\nevent server: file_ended\n\
         alarm client: lost\npause: 5 s\npart: again\n",
    );
    for (class, text) in [
        ("mid", "SYN: a"),
        ("mid alarm", "RST"),
        ("mid", "waits"),
        ("mid code", "file_ended"),
        ("mid alarm", "lost"),
        ("mid soft", "5 s"),
        ("bold", "again"),
    ] {
        let line = line(&svg, text);
        assert!(line.starts_with(&format!("<text class=\"{class}\" ")), "{line}");
    }
}

fn boxes_are_in_rows_and_columns() {
    let svg = drawn(
        "a.txt",
        "diagram: A\ndescription: b\ncolumns: 2\nbox a 1 1: one\n\
         box b 1 2 full: two | and a second line\nbox c 2 1-2: three\narrow a -> c: down\n\
         back c -> a: up\nband 1-1: a band\n",
    );
    let rects = svg.lines().filter(|line| ["box", "full"].iter().any(|it| line.contains(it)));
    let rects: Vec<[f64; 4]> = rects
        .filter(|line| line.starts_with("<rect"))
        .map(|line| ["x", "y", "width", "height"].map(|name| attribute(line, name)))
        .collect();
    let [a, b, c] = &rects[..] else { panic!("{rects:?}") };
    assert_eq!((a[1], a[3]), (b[1], b[3]));
    assert!(a[0] + a[2] < b[0] && a[1] + a[3] < c[1]);
    assert_eq!((c[0], c[0] + c[2]), (a[0], b[0] + b[2]));
    for text in ["one", "two", "and a second line", "down", "up", "a band"] {
        line(&svg, text);
    }
}

fn text_is_wrapped_between_words() {
    let text = "the send buffer is full, so the server waits for free space | unbreakable";
    let svg = drawn("a.txt", &format!("{SOURCE}note x: {text}\n"));
    for line_of_text in ["the send buffer is full, so", "the server waits for free", "space"] {
        line(&svg, line_of_text);
    }
    line(&svg, "unbreakable");
}

fn a_picture_has_no_external_files() {
    let source = SOURCE.replace(": A", ": A & B").replace(": b", ": How A < B");
    let svg = drawn("a.txt", &source);
    assert!(svg.contains("<title id=\"t\">A &amp; B</title>\n<desc id=\"d\">How A &lt; B</desc>"));
    assert!(svg.contains("prefers-color-scheme:dark") && svg.contains("viewBox=\"0 0 480 "));
    assert_eq!(svg.matches("http").count(), 1, "expected no URL except the SVG namespace: {svg}");
    // Coordinates have at most one decimal, so that all machines write the same picture.
    for element in svg.lines().filter(|line| line.starts_with("<path") || line.starts_with("<rect"))
    {
        let decimals = element.split('.').skip(1).map(|it| it.split(|c: char| !c.is_ascii_digit()));
        assert!(decimals.into_iter().all(|mut it| it.next().unwrap().len() == 1), "{element}");
    }
}

fn drawn_trace(text: &str) -> String {
    let repository = Repository::new();
    repository.write("lessons/pictures/flow-a.jsonl", text);
    assert_eq!(pictures(&repository, &[]), (Some(0), String::new()));
    repository.read("lessons/pictures/flow-a.svg")
}

fn a_trace_shows_connections_and_threads() {
    let svg = drawn_trace(&format!("{HEADER}{LINES}{END}"));
    let description = "This picture is drawn from a trace of 4 s. Each client requests a file of 1 \
                       MiB. tokio served 1 connection. Connection 1 (paused) lasted from 0.1 s to 2 \
                       s. The client read 512 KiB. There were at most 195 KiB in the send buffer and \
                       172 KiB in the receive buffer. The server waited for send-buffer space for \
                       1.5 s. Threads: 1 × worker mostly blocked in epoll_wait.";
    assert!(svg.contains(description), "{svg}");
    for text in [
        "tokio: slow-reader",
        "at most 3 threads, 2 MiB of memory",
        "paused",
        "disconnected",
        "waiting for space",
        "worker",
        "epoll_wait",
        "in the receive buffer",
        "thread: running",
    ] {
        line(&svg, text);
    }
    for absent in ["in the process", "draining", "thread: runnable"] {
        assert!(!svg.contains(&format!(">{absent}<")), "{svg}");
    }
    // The top of the read bytes is in the middle of the row, because the row is the whole file.
    let [track, read] = ["track", "read"].map(|class| {
        let start = format!("class=\"{class}\"");
        svg.lines().find(|line| line.contains(&start)).unwrap_or_else(|| panic!("{svg}"))
    });
    let middle = attribute(track, "y") + attribute(track, "height") / 2.0;
    assert!(read.contains(&format!(" {middle}H")), "{read}, expected {middle}");
    for tick in ["0", "0.5", "1", "3.5", "4"] {
        line(&svg, tick);
    }
}

fn many_are_summed() {
    let mut text = format!("{HEADER}\n");
    for number in 1..=20 {
        text.push_str(&format!(
            "{{\"type\":\"connection\",\"at_us\":5,\"server\":0,\"connection\":{number},\
             \"written\":1048576,\"received\":524288,\"read\":0}}\n\
             {{\"type\":\"thread\",\"at_us\":{number},\"server\":0,\"thread\":{number},\"name\":\"a\",\
             \"state\":\"blocked\",\"call\":\"sendto\"}}\n"
        ));
    }
    let svg = drawn_trace(&(text + END));
    for text in ["20 clients", "sum 20 MiB", "20 threads", "Blocked after 2.5 s: 20 in sendto."] {
        line(&svg, text);
    }
    let description =
        "At the end, 10 MiB were in the send buffers and 10 MiB in the receive buffers";
    assert!(svg.contains(description), "{svg}");
}
