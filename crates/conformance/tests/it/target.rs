//! Tests of commands with placeholders.

use std::io;

use conformance::Target;
use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    crate::trials(
        "target",
        &[
            ("a_command_consists_of_words", a_command_consists_of_words),
            ("placeholders_are_required", placeholders_are_required),
            ("flags_are_passed_to_an_approach", flags_are_passed_to_an_approach),
        ],
    )
}

fn of(command: &str) -> io::Result<Target> {
    Target::of_command(&[command.to_owned()])
}

fn a_command_consists_of_words() {
    let target =
        of("/usr/bin/node 'my server.mjs' {file} --port={port}").expect("the command is valid");
    assert_eq!(target.name, "node");
    assert_eq!(target.arguments, "-- /usr/bin/node 'my server.mjs' {file} '--port={port}'");
}

fn placeholders_are_required() {
    let error = |command| of(command).expect_err("the command is invalid").to_string();
    assert!(error("node server.mjs {port}").contains("{file}"));
    assert!(error("node server.mjs {file}").contains("{port}"));
    assert!(error("").contains("no command"));
    assert!(error("node 'server.mjs {file} {port}").contains("quote"));
}

fn flags_are_passed_to_an_approach() {
    let arguments = |flags: &[String]| {
        Target::of_approach(approaches::ALL[0], flags).expect("this program has a path").arguments
    };
    assert_eq!(arguments(&[]), "--approach std");
    assert_eq!(arguments(&["--zero-copy".to_owned()]), "--approach std -- --zero-copy");
}
