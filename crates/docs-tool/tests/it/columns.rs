//! Tests of the pages that show the siblings side by side.

use crate::book::{built, page, with};

pub const TESTS: &[(&str, fn())] = &[
    ("columns::a_sibling_with_several_files_has_one_column", one_column),
    ("columns::methods_are_beside_functions", methods_are_beside_functions),
];

/// The code of a file in which the function of the anchor `accept` is a method.
const EVENT_LOOP: &str = "use a;\n\nimpl EventLoop {\n    /// Accepts.\n    \
     fn accept_std(&mut self) {\n        it();\n    }\n\n    fn other() {}\n}\n";

fn methods_are_beside_functions() {
    let book = built(with(&[("crates/serve-mio/src/event_loop.rs", EVENT_LOOP)]));
    let accept = page(&book, "siblings/accept.md");
    let expected = "<section class=\"hw-sibling\" data-sibling=\"mio\">\n\n**mio** \
                    [`serve-mio/src/event_loop.rs`](../code/crates/serve-mio/src/event_loop.rs.md)\n\n\
                    ```rust\n/// Accepts.\nfn accept_std(&mut self) {\n    it();\n}\n```\n";
    assert!(accept.contains(expected), "{accept}");
    assert!(!accept.contains("fn other"), "{accept}");
}

fn one_column() {
    let state_machine = "impl StateMachine {\n    fn accept_smol(&mut self) {}\n}\n";
    let book = built(with(&[
        ("crates/serve-mio/src/event_loop.rs", EVENT_LOOP),
        ("crates/serve-mio/src/state_machine.rs", state_machine),
    ]));
    for name in ["accept", "whole-files"] {
        let text = page(&book, &format!("siblings/{name}.md"));
        assert_eq!(text.matches("data-sibling").count(), 5, "{text}");
        assert_eq!(text.matches("[`serve-mio/").count(), 2, "{text}");
    }
}
