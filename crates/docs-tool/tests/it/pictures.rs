//! Pictures of small sources.

use std::process::Output;

use crate::repository::Repository;

pub const TESTS: &[(&str, fn())] = &[
    ("pictures::an_outdated_picture_is_reported_and_drawn", an_outdated_picture_is_reported),
    ("pictures::an_unknown_picture_is_an_error", an_unknown_picture_is_an_error),
    ("pictures::an_unknown_kind_is_an_error", an_unknown_kind_is_an_error),
    ("pictures::errors_in_a_sequence_have_lines_and_help", errors_in_a_sequence),
    ("pictures::errors_in_a_diagram_have_lines_and_help", errors_in_a_diagram),
    ("pictures::an_incomplete_log_is_an_error", an_incomplete_log_is_an_error),
];

const SOURCE: &str = "sequence: A\ndescription: b\nactors: x, y\nx -> y: one\n";

const LOG: &str = r#"{"at_us":10,"event":"listening","approach":"tokio","addr":"127.0.0.1:1","file":"f","bytes":9}
{"at_us":100,"event":"connected","conn":1,"peer":"127.0.0.1:2"}
"#;

fn pictures(repository: &Repository, arguments: &[&str]) -> (Option<i32>, String) {
    let arguments = [&["pictures"], arguments].concat();
    let Output { status, stderr, .. } = repository.command(&arguments).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// Returns the error in a source.
fn error(name: &str, text: &str) -> String {
    let repository = Repository::new();
    repository.write(&format!("lessons/pictures/{name}"), text);
    let (code, error) = pictures(&repository, &[]);
    assert_eq!(code, Some(2), "{error}");
    error.replace("error: lessons/pictures/", "")
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
    let expected = "lessons/pictures/a.svg:1: the picture does not show lessons/pictures/a.txt; \
                    help: run `cargo run -p docs-tool -- pictures`\n";
    assert_eq!(outdated(), expected);
    assert!(repository.notes(&["check"], 1).contains(expected));
    assert_eq!(pictures(&repository, &[]).0, Some(0));
    assert_eq!(outdated(), "");
    write("a.txt", &SOURCE.replace("one", "two"));
    assert_eq!(outdated(), expected);
    assert_eq!(pictures(&repository, &["a"]).0, Some(0));
    // Git may convert line ends on Windows.
    let drawn = repository.read("lessons/pictures/a.svg");
    write("a.svg", &drawn.replace('\n', "\r\n"));
    assert_eq!(outdated(), "");
    write("b.svg", &drawn);
    assert!(outdated().contains("b.svg:1: the picture has no source; help: delete it"));
}

fn an_unknown_picture_is_an_error() {
    let repository = Repository::new();
    repository.write("lessons/pictures/a.txt", SOURCE);
    let (code, error) = pictures(&repository, &["--check", "mona-lisa"]);
    assert_eq!(code, Some(2));
    assert_eq!(error, "error: there is no picture `mona-lisa`\nhelp: name one of a\n");
}

fn an_unknown_kind_is_an_error() {
    let error = error("a.txt", "fresco: A title\n");
    assert!(error.starts_with("a.txt:1: there is no kind `fresco`; help: write "), "{error}");
}

fn errors_in_a_sequence() {
    let head = SOURCE.replace("x -> y: one\n", "");
    for (text, expected) in [
        (
            format!("{head}x -> z: SYN\n"),
            "a.txt:4: there is no actor `z`; help: name one of x, y\n",
        ),
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
        ("box a 1 1 pink: x\n", "a.txt:4: `box a 1 1 pink` is not a part of a diagram; help"),
    ] {
        let head = "diagram: A\ndescription: b\ncolumns: 2\n";
        let error = error("a.txt", &format!("{head}{rest}"));
        assert!(error.starts_with(expected), "{error}");
    }
}

fn an_incomplete_log_is_an_error() {
    for text in ["{}\n", LOG] {
        let error = error("a.jsonl", text);
        assert!(error.starts_with("a.jsonl:1: the log is incomplete; help: "), "{error}");
    }
    assert!(error("a.jsonl", "nonsense\n").contains("--record-timelines"));
}
