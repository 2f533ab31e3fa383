//! `compare`, on the siblings as they are.

use std::process::{Command, Output};

use crate::repository::SIBLINGS;

pub const TESTS: &[(&str, fn())] = &[
    ("any_two_siblings_can_be_compared", any_two_siblings_can_be_compared),
    ("one_function_can_be_asked_for", one_function_can_be_asked_for),
    ("a_slip_is_answered_with_what_was_meant", a_slip_is_answered_with_what_was_meant),
];

fn compare(arguments: &[&str]) -> Output {
    let mut compare = Command::new(env!("CARGO_BIN_EXE_docs-tool"));
    compare.arg("compare").args(arguments).env_remove("COLUMNS").output().unwrap()
}

fn shown(arguments: &[&str]) -> String {
    let output = compare(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn any_two_siblings_can_be_compared() {
    for first in SIBLINGS {
        for second in SIBLINGS {
            let text = shown(&[first, second, "--width", "120"]);
            let is_same = text.contains("\n0 parts differ, ");
            assert_eq!(is_same, first == second, "{first} {second}: {text}");
            assert!(text.contains("\n== write_bytes"), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
        }
    }
}

fn one_function_can_be_asked_for() {
    let text = shown(&["tokio", "smol", "--function", "send_copied"]);
    assert_eq!(text.matches("\n== ").count(), 1, "{text}");
    // In a pipe, the output has the width of a terminal of unknown width, and no colors.
    assert!(
        text.contains("\n<                 Ok(false) => chunks = spawn_blocking(move ||\n"),
        "{text}"
    );
    assert!(
        text.contains("\n>                     chunks = unblock(move || chunks.fetch()).await?;\n"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'));
}

fn a_slip_is_answered_with_what_was_meant() {
    let output = |arguments: &[&str]| {
        let output = compare(arguments);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(output(&["tokio", "smoll"]).contains("'smol'"));
    let output = output(&["tokio", "smol", "--function", "send_copy"]);
    assert_eq!(
        output,
        "error: neither sibling has a function `send_copy`\nhelp: did you mean `send_copied`?\n"
    );
}
