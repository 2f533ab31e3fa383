//! Tests of the pages that show the siblings side by side.

use crate::book::{built, page, with};

pub const TESTS: &[(&str, fn())] = &[
    ("columns::a_sibling_with_several_files_has_one_column", one_column),
    ("columns::methods_are_beside_functions", methods_are_beside_functions),
    ("columns::functions_with_the_same_name_are_in_one_row", functions_are_in_rows),
    ("columns::five_siblings_have_long_and_short_lines", five_siblings_have_short_lines),
];

/// The code of a file in which the function of the anchor `accept` is a method.
const EVENT_LOOP: &str = "use a;\n\nimpl EventLoop {\n    /// Accepts.\n    \
     fn accept_std(&mut self) {\n        it();\n    }\n\n    fn other() {}\n}\n";

fn methods_are_beside_functions() {
    let book = built(with(&[("crates/serve-mio/src/event_loop.rs", EVENT_LOOP)]));
    let accept = page(&book, "siblings/accept.md");
    let expected = "<section class=\"hw-sibling\" data-sibling=\"mio\">\n\n**mio** \
                    [`serve-mio/src/event_loop.rs`](../code/crates/serve-mio/src/event_loop.rs.md)\n";
    assert!(accept.contains(expected), "{accept}");
    let code = "```rust\n/// Accepts.\nfn accept_std(&mut self) {\n    it();\n}\n```\n";
    let row = |sibling| rows(&accept, sibling).iter().position(|row| row.contains("fn accept_std"));
    assert!(accept.contains(code), "{accept}");
    assert_eq!((row("std"), row("mio")), (Some(3), Some(3)), "{accept}");
    assert!(!accept.contains("fn other"), "{accept}");
}

/// Returns the rows of a sibling.
fn rows<'a>(text: &'a str, sibling: &str) -> Vec<&'a str> {
    let (_, part) = text.split_once(&format!("data-sibling=\"{sibling}\"")).unwrap();
    let (part, _) = part.split_once("</section>").unwrap();
    part.split("<div class=\"hw-row\">").skip(1).collect()
}

/// The code of a sibling with the functions `names` in the anchor `accept`.
fn with_functions(names: &[&str]) -> String {
    let functions = names.iter().map(|name| format!("/// Does it.\nfn {name}() {{}}\n"));
    let functions = functions.collect::<Vec<_>>().join("\n");
    format!("use a;\n\n// ANCHOR: accept\n{functions}// ANCHOR_END: accept\n")
}

fn functions_are_in_rows() {
    let (std, tokio) = (with_functions(&["one", "two"]), with_functions(&["two", "three"]));
    let book = built(with(&[
        ("crates/serve-std/src/lib.rs", &std),
        ("crates/serve-tokio/src/lib.rs", &tokio),
        ("crates/serve-smol/src/lib.rs", &tokio),
        ("crates/serve-async-std/src/lib.rs", &tokio),
        ("crates/serve-mio/src/timers.rs", "fn other() {}\n\nfn two() {}\n"),
    ]));
    let in_rows = |text: &str, sibling: &str, functions: [&str; 3]| {
        let rows = rows(text, sibling);
        let first = rows.len() - functions.len();
        for (row, function) in rows[first..].iter().zip(functions) {
            assert_eq!(row.matches("fn ").count(), usize::from(!function.is_empty()), "{text}");
            assert!(row.contains(function), "{text}");
        }
    };
    let accept = page(&book, "siblings/accept.md");
    in_rows(&accept, "std", ["/// Does it.\nfn one()", "/// Does it.\nfn two()", ""]);
    in_rows(&accept, "tokio", ["", "/// Does it.\nfn two()", "/// Does it.\nfn three()"]);
    in_rows(&accept, "mio", ["", "fn two()", ""]);
    let whole = page(&book, "siblings/whole-files.md");
    in_rows(&whole, "std", ["fn one()", "fn two()", ""]);
    in_rows(&whole, "smol", ["", "fn two()", "fn three()"]);
    assert!(rows(&whole, "smol")[0].contains("use a;"), "{whole}");
}

fn five_siblings_have_short_lines() {
    let code = "// ANCHOR: accept\n/// Accepts:\n/// - each client that connects to this listener,\n\
                ///   and\n/// - no other client.\n\
                fn accept(first: First, second: Second, third: Third) {}\n// ANCHOR_END: accept\n";
    let book = built(with(&[("crates/serve-std/src/lib.rs", code)]));
    let accept = page(&book, "siblings/accept.md");
    let long = "fn accept(first: First, second: Second, third: Third) {}\n```\n";
    let short = "/// - each client that connects to this\n///   listener, and\n/// - no other client.\n\
                 fn accept(\n    first: First,\n    second: Second,\n    third: Third,\n) {\n}\n```\n";
    for (class, code) in [("hw-long", long), ("hw-short", short)] {
        let (_, block) = accept.split_once(&format!("<div class=\"hw-code {class}\">")).unwrap();
        assert!(block.split_once("</div>").unwrap().0.contains(code), "{accept}");
    }
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
