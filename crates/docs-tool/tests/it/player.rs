//! Tests the player of traces in the book of a small repository.

use crate::book::{built, errors, page, with, with_lessons};
use crate::repository::Repository;

pub const TESTS: &[(&str, fn())] = &[
    ("player::a_trace_and_its_player_are_scripts", a_trace_and_its_player_are_scripts),
    ("player::an_unknown_import_is_reported", an_unknown_import_is_reported),
];

/// Creates a repository with a lesson that shows the picture of a trace.
fn with_trace(player: &str) -> Repository {
    with(&[
        ("lessons/01-a.md", "# 01 A\n\n![A trace](pictures/flow-a.svg)\n"),
        ("lessons/pictures/flow-a.svg", "<svg/>"),
        ("lessons/pictures/flow-a.jsonl", "{\"a\":1}\n"),
        ("crates/flow/page/flow.css", ".flow {}\n"),
        ("crates/flow/page/b.js", "export const b = 2;\n"),
        ("crates/flow/page/a.js", "import { b } from './b.js';\nexport class A {}\n"),
        ("crates/flow/page/player.js", player),
    ])
}

fn a_trace_and_its_player_are_scripts() {
    let player = "import { b } from './b.js';\nimport { A } from './a.js';\nconst c = b;\n\
                  export function createPlayer() {}\nexport { A };\n";
    let book = built(with_trace(player));
    let expected = "(() => {\n'use strict';\nconst b = 2;\nclass A {}\nconst c = b;\n\
                    function createPlayer() {}\nglobalThis.flowPlayer = { createPlayer };\n})();\n";
    assert_eq!(page(&book, "flow-player.js"), expected);
    assert_eq!(page(&book, "flow-player.css"), ".flow {}\n");
    let trace = page(&book, "lessons/pictures/flow-a.js");
    assert_eq!(trace, "document.currentScript.flowTrace = \"{\\\"a\\\":1}\\n\";\n");
    // A book without traces does not contain the player.
    let without = built(with_lessons());
    assert!(!without.path().join("target/book-src/src/flow-player.js").exists());
}

fn an_unknown_import_is_reported() {
    let errors = errors(&with_trace("import b from './b.js';\n"));
    let expected = "crates/flow/page/player.js:1: `crates/flow/page/player.js` has an unknown kind of \
                    import or export: `import b from './b.js';`; help: ";
    assert!(errors.len() == 1 && errors[0].starts_with(expected), "{errors:?}");
}
