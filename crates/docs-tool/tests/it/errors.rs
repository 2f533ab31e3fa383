//! Tests the messages for errors in the markers, links and references of pages.

use crate::repository::Repository;

pub const TESTS: &[(&str, fn())] = &[
    ("errors::malformed_markers_are_reported", malformed_markers_are_reported),
    ("errors::other_comments_are_not_markers", other_comments_are_not_markers),
    ("errors::malformed_values_are_reported", malformed_values_are_reported),
    ("errors::unknown_options_are_reported", unknown_options_are_reported),
    ("errors::quoted_code_has_no_anchors_and_no_common_indentation", nested_anchors_are_omitted),
    ("errors::malformed_anchors_are_reported", malformed_anchors_are_reported),
    ("errors::correct_links_have_no_errors", correct_links_have_no_errors),
    (
        "errors::headings_have_the_same_names_as_on_github",
        headings_have_the_same_names_as_on_github,
    ),
    ("errors::errors_in_links_have_line_numbers", errors_in_links_have_line_numbers),
    ("errors::code_contains_no_references", code_contains_no_references),
    ("errors::broken_links_are_reported", broken_links_are_reported),
    ("errors::unknown_names_are_reported_with_line_numbers", unknown_names_are_reported),
    ("errors::a_fence_without_a_command_is_reported", a_fence_without_a_command_is_reported),
];

const CODE: &str = "a\n  // ANCHOR: outer\n\n    b\n    // ANCHOR: inner\n      c\n\n    // \
                    ANCHOR_END: inner\n    d\n  // ANCHOR_END: outer\n";

/// Checks a page. Returns the lines of the output, without the path of the page.
fn check(page: &str) -> Vec<String> {
    let repository = Repository::new();
    repository.write("lessons/01-a.md", page);
    repository.write("lessons/code.rs", CODE);
    repository.write("lessons/broken.sh", "# ANCHOR: a\n");
    repository.write("lessons/none.toml", "x = \"# ANCHOR: b\"\n");
    repository.write("README.md", "# A\n\n## The four servers\n");
    let output = repository.command(&["check", "lessons/01-a.md"]).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    output.lines().map(|line| line.replace("lessons/01-a.md:", "")).collect()
}

/// Checks pages with one error each, and compares the end of each message with the expected text.
fn has_errors(pages: &[(&str, &str)]) {
    for (page, expected) in pages {
        let output = check(page);
        assert_eq!(output.len(), 2, "{output:?}");
        assert!(output[0].ends_with(expected), "{output:?}");
    }
}

fn has_no_errors(page: &str) {
    let output = check(page);
    assert_eq!(output, ["1 page, 0 runs: everything is up to date"]);
}

fn malformed_markers_are_reported() {
    has_errors(&[
        ("<!-- codes: a.rs -->\n", "1: there is no marker `codes`; help: did you mean `code`?"),
        ("<!-- run exit 1 -->\n", "needs a colon; help: write `<!-- run: exit 1 -->`"),
        ("<!-- figure: race/x -->\n", "help: begin the line with a word, not with the marker"),
        ("<!-- code: -->\n", "`<!-- code: crates/serve-std/src/lib.rs#copy -->`"),
        ("<!-- siblings: -->\n", "or `<!-- siblings: lessons/snippets/{}.rs#copy -->`"),
        ("<!-- siblings: a/b.rs#c -->\n", "or `<!-- siblings: lessons/snippets/{}.rs#copy -->`"),
        ("<!-- /siblings -->\n", "help: put `<!-- siblings: ANCHOR -->` above this marker"),
    ]);
}

fn other_comments_are_not_markers() {
    has_no_errors("<!-- Written by hand: see below. -->\n\n<!-- to here -->\n");
}

fn malformed_values_are_reported() {
    let start = "<!-- figure: race/large/tokio/gb_per_s -->";
    let help = "the marker `figure` is incomplete; help: write `<!-- figure: QUERY -->VALUE<!-- /figure -->`";
    has_errors(&[
        (&format!("It is {start}2.50\n\nand\n"), &format!("1: {help}")),
        ("It is\n2.50<!-- /figure -->\n", &format!("2: {help}")),
        (
            &format!("a\n{start}2.50<!-- /figure --> is\n"),
            "begin the line with a word, not with the comment",
        ),
        (
            "```text\nno end\n",
            "1: the code block has no closing fence; help: put ``` below the code",
        ),
    ]);
    has_no_errors(&format!("It is {start}2.50<!-- /figure --> and `{start}`.\n"));
}

fn unknown_options_are_reported() {
    let help = "help: use only `exit N`, `vary`, `shape`, `any order`, `lines N` and \
                `within SECONDS`, separated by commas";
    for option in ["exit", "once", "any", "lines x", "vary shape"] {
        let expected = format!("1: markers have no option `{option}`; {help}");
        has_errors(&[(&format!("<!-- run: vary, {option} -->\n"), &expected)]);
    }
}

fn nested_anchors_are_omitted() {
    has_no_errors("<!-- code: lessons/code.rs#outer -->\n```rust\nb\n  c\n\nd\n```\n");
    has_no_errors("<!-- code: lessons/code.rs#inner -->\n```rust\nc\n```\n");
}

fn malformed_anchors_are_reported() {
    has_errors(&[
        ("<!-- code: lessons/code.rs#iner -->\n```\n```\n", "help: did you mean `inner`?"),
        ("<!-- code: lessons/code.rs#x -->\n```\n```\n", "help: use one of outer, inner"),
        (
            "<!-- code: lessons/broken.sh#a -->\n```\n```\n",
            "help: put `ANCHOR_END: a` below the code",
        ),
        (
            "<!-- code: lessons/none.toml#b -->\n```\n```\n",
            "help: put `ANCHOR: b` and `ANCHOR_END: b` around the code",
        ),
    ]);
}

fn correct_links_have_no_errors() {
    has_no_errors(
        "# Own\n\n[a](code.rs) [b](../README.md#the-four-servers) [c](#own) [d](https://x.y/z) \
         [e](../crates) [f](../crates/serve-std/src/lib.rs#L2) <https://x.y>\n",
    );
}

fn headings_have_the_same_names_as_on_github() {
    has_no_errors(
        "# The `std` way, of *four*\n\n## A b\n\n## A b\n\n<a id=\"by-hand\"></a>\n\n\
         [a](#the-std-way-of-four) [b](#a-b) [c](#a-b-1) [d](#by-hand)\n",
    );
    has_errors(&[(
        "# A b\n\n[c](#a-b-1)\n",
        "3: the link `#a-b-1` names a heading that \
                  `lessons/01-a.md` does not have; help: did you mean `#a-b`?",
    )]);
}

fn errors_in_links_have_line_numbers() {
    let output = check(
        "[b.md](b.md#c) ![d](e.svg \"t\") [f] `[no](x)` <img src=\"g.svg\">\n\n<p>\n\
         <a href=\"h.md\">i</a>\n</p>\n\n[f]: f.md\n",
    );
    let start = |line: &String| line.split(" is broken").next().unwrap().to_owned();
    let expected = [
        "1: the link `b.md#c`",
        "1: the link `e.svg`",
        "1: the link `g.svg`",
        "4: the link `h.md`",
        "7: the link `f.md`",
        "1 page, 0 runs: 5 errors",
    ];
    assert_eq!(output.iter().map(start).collect::<Vec<_>>(), expected);
}

fn code_contains_no_references() {
    has_no_errors("a (check `half-close`)\n\n```text\n(check `y`)\n```\n\n<!-- (check `z`) -->\n");
}

fn broken_links_are_reported() {
    has_errors(&[
        ("# A\n\n[a](codes.rs)\n", "no `lessons/codes.rs`; help: did you mean `code.rs`?"),
        ("[a](../README.md#the-four-server)\n", "help: did you mean `#the-four-servers`?"),
        (
            "# A\n\n[a](#nowhere)\n",
            "3: the link `#nowhere` names a heading that \
          `lessons/01-a.md` does not have; help: use one of a",
        ),
        (
            "[a](../../x.md)\n",
            "outside the repository; help: link to a file in the repository, or write a URL",
        ),
        ("[a](code.rs#x)\n", "but `lessons/code.rs` is not a page; help: remove the fragment"),
    ]);
}

fn unknown_names_are_reported() {
    let output = check(
        "It passes (check `half-close`), always (tests\n`tokio::it_holds`,\n`it_hold`), so \
         (check `no`; test `half-close`). (check it)\n",
    );
    let expected = [
        "3: there is no check `no`; help: run `cargo run -p conformance -- --list` to list the checks",
        "3: there is no test `half-close`; help: run `cargo test -p approaches -- --list` to list the tests",
        "3: there is no test `it_hold`; help: did you mean `it_holds`?",
        "1 page, 0 runs: 3 errors",
    ];
    assert_eq!(output, expected);
}

fn a_fence_without_a_command_is_reported() {
    has_errors(&[
        ("<!-- run -->\n```console\n```\n", "put a line that begins with `$ ` into the code block"),
        (
            "<!-- run -->\n```console\nout\n$ a\n```\n",
            "`out` is before the first command; help: begin the code block with a command: `$ cargo \
             run …`",
        ),
        (
            "<!-- serve -->\n```console\n$ a\n$ b\n```\n",
            "help: move the other commands to a code block with the marker `run`",
        ),
    ]);
}
