//! The command `compare`, with the siblings of this repository.

use std::process::{Command, Output};

use crate::repository::SIBLINGS;

pub const TESTS: &[(&str, fn())] = &[
    ("any_two_siblings_can_be_compared", any_two_siblings_can_be_compared),
    ("one_function_can_be_compared", one_function_can_be_compared),
    ("unknown_names_get_a_suggestion", unknown_names_get_a_suggestion),
];

fn compare(arguments: &[&str]) -> Output {
    let mut compare = Command::new(env!("CARGO_BIN_EXE_docs-tool"));
    compare.arg("compare").args(arguments).env_remove("COLUMNS").output().unwrap()
}

fn output_of(arguments: &[&str]) -> String {
    let output = compare(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn any_two_siblings_can_be_compared() {
    for first in SIBLINGS {
        for second in SIBLINGS {
            let text = output_of(&[first, second, "--width", "120"]);
            let is_same = text.contains("\n0 parts differ, ");
            assert_eq!(is_same, first == second, "{first} {second}: {text}");
            assert!(text.contains("\n== write_bytes"), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
        }
    }
}

fn one_function_can_be_compared() {
    let text = output_of(&["tokio", "smol", "--function", "send_copied"]);
    assert_eq!(text.matches("\n== ").count(), 1, "{text}");
    // A pipe has no width and no colors. The default width is 80 columns.
    let wrapped = "\n<                 Ok(false) => chunks = spawn_blocking(move ||\n";
    assert!(text.contains(wrapped), "{text}");
    let whole = "\n>                     chunks = unblock(move || chunks.fetch()).await?;\n";
    assert!(text.contains(whole), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

fn unknown_names_get_a_suggestion() {
    let error_of = |arguments: &[&str]| {
        let output = compare(arguments);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(error_of(&["tokio", "smoll"]).contains("'smol'"));
    assert_eq!(
        error_of(&["tokio", "smol", "--function", "send_copy"]),
        "error: neither sibling has a function `send_copy`\nhelp: did you mean `send_copied`?\n"
    );
}
