//! Tests the code, values and references in pages.

use std::process::Command;

use crate::repository::{Repository, SIBLINGS};

pub const TESTS: &[(&str, fn())] = &[
    ("code_siblings_and_values_are_filled_in", code_siblings_and_values_are_filled_in),
    ("a_changed_line_is_reported", a_changed_line_is_reported),
    ("a_renamed_anchor_is_reported", a_renamed_anchor_is_reported),
    ("a_changed_value_is_reported", a_changed_value_is_reported),
    ("a_changed_sibling_is_reported", a_changed_sibling_is_reported),
    ("excerpts_of_siblings_are_in_a_table", excerpts_of_siblings_are_in_a_table),
    ("an_excerpt_of_one_file_fits_a_table", an_excerpt_of_one_file_fits_a_table),
    ("a_long_excerpt_is_reported", a_long_excerpt_is_reported),
    ("folded_answers_are_processed", folded_answers_are_processed),
    ("fences_in_lists_are_filled", fences_in_lists_are_filled),
    ("a_fence_is_longer_than_the_fences_inside", a_fence_is_longer_than_the_fences_inside),
    ("every_error_has_a_line_number_and_help", every_error_has_a_line_number_and_help),
    ("an_unquoted_anchor_is_reported", an_unquoted_anchor_is_reported),
    #[cfg(unix)]
    ("a_page_that_is_up_to_date_is_not_written", a_page_that_is_up_to_date_is_not_written),
    ("usage_errors_include_help", usage_errors_include_help),
    ("help_fits_into_80_columns", help_fits_into_80_columns),
];

const LESSON: &str = "# A

<!-- code: crates/serve-std/src/lib.rs#copy -->
```
```

<!-- siblings: copy -->
<!-- /siblings -->

It is <!-- figure: race/large/tokio/gb_per_s / node --><!-- /figure --> times as fast
(check `half-close`), which holds (test `it_holds`).
";

fn code_siblings_and_values_are_filled_in() {
    let filled = Repository::new().filled(LESSON);
    let code = "#copy -->\n```rust\nfn copy() {\n    std();\n}\n```\n";
    assert!(filled.contains(code), "{filled}");
    let smol = "**smol** ([`crates/serve-smol/src/lib.rs`](../crates/serve-smol/src/lib.rs))\n\n\
                ```rust\nfn copy() {\n    smol();\n}\n```\n\n<!-- /siblings -->\n";
    assert!(filled.contains(smol), "{filled}");
    assert!(filled.contains("gb_per_s / node -->3.5<!-- /figure --> times"), "{filled}");
}

/// Fills in a lesson, then changes the repository. Returns the repository, and the output of the
/// check.
fn output_after(change: impl Fn(&Repository)) -> (Repository, String) {
    let repository = Repository::new();
    repository.filled(LESSON);
    change(&repository);
    let output = repository.notes(&["check", "lessons/01-a.md"], 1);
    (repository, output)
}

fn a_changed_line_is_reported() {
    let (repository, output) = output_after(|repository| {
        repository.change("crates/serve-std/src/lib.rs", "    std();", "    other();");
    });
    let expected = "lessons/01-a.md:6: expected `    other();`, the page shows `    std();` (source: \
                    crates/serve-std/src/lib.rs#copy); help: check that the text around it is still correct, \
                    then run `cargo run -p docs-tool -- fill lessons/01-a.md`\n";
    assert!(output.starts_with(expected), "{output}");
    repository.notes(&["fill", "lessons/01-a.md"], 0);
    repository.notes(&["check", "lessons/01-a.md"], 0);
    assert!(repository.read("lessons/01-a.md").contains("    other();"));
}

fn a_renamed_anchor_is_reported() {
    let (_, output) = output_after(|repository| {
        repository.change("crates/serve-std/src/lib.rs", "copy", "copying");
    });
    let expected = "lessons/01-a.md:3: there is no anchor `copy` in `crates/serve-std/src/lib.rs`; \
                    help: did you mean `copying`?\n";
    assert!(output.starts_with(expected), "{output}");
    assert!(output.contains("lessons/01-a.md:10: there is no anchor `copy`"), "{output}");
}

fn a_changed_value_is_reported() {
    let (_, output) = output_after(|repository| {
        repository.change("lessons/01-a.md", "-->3.5<", "-->3.6<");
    });
    let expected = "lessons/01-a.md:46: expected 3.5 for `race/large/tokio/gb_per_s / node`, the page shows `3.6`";
    assert!(output.starts_with(expected), "{output}");
}

fn a_changed_sibling_is_reported() {
    let (_, output) = output_after(|repository| {
        repository.change("crates/serve-smol/src/lib.rs", "    smol();", "    other();");
    });
    let expected = "expected `    other();`, the page shows `    smol();` (source: the siblings)";
    assert!(output.starts_with(&format!("lessons/01-a.md:40: {expected}")), "{output}");
}

/// Returns a repository in which each sibling has this code in the anchor `wait`, which is inside
/// the anchor `copy`.
fn repository_with_excerpts(code: &str) -> Repository {
    let repository = Repository::new();
    for sibling in SIBLINGS {
        let file = format!("crates/serve-{sibling}/src/lib.rs");
        let call = format!("    {sibling}();\n");
        let excerpt = format!("    // ANCHOR: wait\n    {code}\n    // ANCHOR_END: wait\n");
        repository.change(&file, &call, &(call.clone() + &excerpt));
    }
    repository
}

fn excerpts_of_siblings_are_in_a_table() {
    let code = "// A comment that is wider than half of a page on\n    // GitHub.\n    \
                let result = timeout(server.config.grace, all_finished).await;";
    let repository = repository_with_excerpts(code);
    let filled = repository.filled("# A\n\n<!-- siblings: wait, table -->\n<!-- /siblings -->\n");
    let cell = "<td valign=\"top\">\n\n**[smol](../crates/serve-smol/src/lib.rs)**\n\n\
                ```rust\n\
                // A comment that is wider than half of a\n\
                // page on GitHub.\n\
                let result = timeout(\n    \
                    server.config.grace,\n    \
                    all_finished,\n\
                )\n\
                .await;\n\
                ```\n\n</td>\n</tr>\n</table>\n\n<!-- /siblings -->\n";
    assert!(filled.contains(cell), "{filled}");
    assert_eq!(filled.matches("<tr>\n<td valign").count(), 2, "{filled}");
}

fn an_excerpt_of_one_file_fits_a_table() {
    let repository =
        repository_with_excerpts("let result = timeout(server.config.grace, all).await;");
    let marker = "<!-- code: crates/serve-smol/src/lib.rs#wait, table -->";
    let filled = repository.filled(&format!("# A\n\n{marker}\n```rust\n```\n"));
    let code = "let result =\n    timeout(server.config.grace, all)\n        .await;\n";
    assert!(filled.contains(&format!("{marker}\n```rust\n{code}```\n")), "{filled}");
}

fn a_long_excerpt_is_reported() {
    let repository = repository_with_excerpts(&"call();\n    ".repeat(21));
    repository
        .write("lessons/01-a.md", "# A\n\n<!-- siblings: wait, table -->\n<!-- /siblings -->\n");
    let output = repository.notes(&["fill", "lessons/01-a.md"], 1);
    let expected = "lessons/01-a.md:3: the excerpt of `crates/serve-std/src/lib.rs` is too long: \
                    expected at most 20 lines of 43 columns, got 21 lines; help: put the anchor \
                    around fewer lines, or remove `, table`";
    assert!(output.contains(expected), "{output}");
}

fn folded_answers_are_processed() {
    let answers = "<details>\n<summary>Answers</summary>\n\n1. Yes, see [A](#a).\n2. It is <!-- figure: \
                   race/large/tokio/gb_per_s / node -->0<!-- /figure --> (check `half-close`).\n\n\
                   </details>\n";
    let repository = Repository::new();
    let filled = repository.filled(&format!("# A\n\n{answers}"));
    assert_eq!(filled, format!("# A\n\n{}", answers.replace("-->0<!--", "-->3.5<!--")));
    repository.change("lessons/01-a.md", "#a", "#b");
    repository.change("lessons/01-a.md", "half-close", "half-open");
    let output = repository.notes(&["check", "lessons/01-a.md"], 1);
    let expected = [
        "lessons/01-a.md:6: the link `#b` names a heading that `lessons/01-a.md` does not have; help: use \
         one of a",
        "lessons/01-a.md:7: there is no check `half-open`; help: did you mean `half-close`?",
    ];
    assert_eq!(output.lines().take(2).collect::<Vec<_>>(), expected, "{output}");
}

fn fences_in_lists_are_filled() {
    let marker = "<!-- code: crates/serve-std/src/lib.rs#copy -->";
    let filled =
        Repository::new().filled(&format!("- one\n\n  {marker}\n  ```rust\n  old\n  ```\n- two\n"));
    let code = "  ```rust\n  fn copy() {\n      std();\n  }\n  ```\n- two\n";
    assert_eq!(filled, format!("- one\n\n  {marker}\n{code}"));
}

fn a_fence_is_longer_than_the_fences_inside() {
    let repository = Repository::new();
    repository.write("docs/a.md", "```\n  ````\n");
    let filled = repository.filled("<!-- code: docs/a.md -->\n```\n```\n");
    assert!(filled.ends_with("\n`````markdown\n```\n  ````\n`````\n"), "{filled}");
}

fn every_error_has_a_line_number_and_help() {
    let repository = Repository::new();
    let lesson = "# A

<!-- code: crates/none.rs -->
```
```

<!-- run -->

```rust
let nobody = \"checked\";
```

```rust,ignore
let x = \"exempt\";
```

<!-- figure: race/large/tokio/gb_per_s -->2.50<!-- /figure --> at a line's beginning.

Claims (check `half-open`) and (tests `it_holds`, `it_hold`).

[A](nowhere.md) [b](#nowhere) [c](https://example.org/)

<!-- siblings: copy -->

<!-- cod: a -->

A number: <!-- figure: race/larger/tokio/gb_per_s -->1<!-- /figure -->.
";
    repository.write("lessons/01-a.md", lesson);
    let output = repository.notes(&["check", "lessons/01-a.md"], 1);
    let expected = [
        (3, "cannot read `crates/none.rs`: "),
        (7, "no code block follows the marker <!-- run -->"),
        (9, "a code block in the language `rust` has no marker"),
        (17, "a comment at the start of a line hides that line"),
        (19, "there is no check `half-open`; help: did you mean `half-close`?"),
        (19, "there is no test `it_hold`; help: did you mean `it_holds`?"),
        (21, "the link `#nowhere` names a heading that `lessons/01-a.md` does not have"),
        (21, "the link `nowhere.md` is broken"),
        (23, "the marker `siblings` has no end"),
        (27, "the record has no measurement `larger`; help: did you mean `large`?"),
    ];
    let lines: Vec<&str> = output.lines().collect();
    for (line, (at, words)) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("lessons/01-a.md:{at}: ")), "{at} {words}: {output}");
        assert!(line.contains(words) && line.contains("; help: "), "{words}: {output}");
    }
    assert_eq!(lines.len(), expected.len() + 1, "{output}");
    assert_eq!(lines[expected.len()], "1 page, 0 runs: 10 errors");
}

fn an_unquoted_anchor_is_reported() {
    let repository = Repository::new();
    repository.filled(LESSON);
    let extra = "fn a() {}\n// ANCHOR: extra\nfn b() {}\n// ANCHOR_END: extra\n";
    repository.write("crates/serve-core/src/lib.rs", extra);
    let output = repository.notes(&["check"], 1);
    let expected = "crates/serve-core/src/lib.rs:2: no lesson quotes the anchor `extra`; help: quote \
                    the anchor (`<!-- code: crates/serve-core/src/lib.rs#extra -->`), or remove it\n";
    assert!(output.starts_with(expected), "{output}");
    // Unquoted anchors are reported only if all lessons are checked.
    repository.notes(&["check", "lessons/01-a.md"], 0);
    // A lesson quotes the anchor of only one sibling. The book shows this anchor of all siblings,
    // so no anchor is reported.
    repository.write("crates/serve-core/src/lib.rs", "fn a() {}\n");
    repository.filled("# A\n\n<!-- code: crates/serve-std/src/lib.rs#copy -->\n```\n```\n");
    repository.notes(&["check"], 0);
}

#[cfg(unix)]
fn a_page_that_is_up_to_date_is_not_written() {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    let repository = Repository::new();
    repository.filled(LESSON);
    let path = repository.path().join("lessons/01-a.md");
    let inode = || fs::metadata(&path).unwrap().ino();
    let before = inode();
    let output = repository.notes(&["fill"], 0);
    assert_eq!(output, "1 page, 0 runs, 0 written: everything is up to date\n");
    assert_eq!(inode(), before, "expected the old file, got a new file");
    repository.change("lessons/01-a.md", "-->3.5<", "-->3.6<");
    repository.notes(&["fill"], 0);
    assert_ne!(inode(), before, "expected a new file, got the old file");
}

fn usage_errors_include_help() {
    let repository = Repository::new();
    let output = |arguments: &[&str]| {
        let output = repository.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(
        output(&["fill", "none.md"]).contains("there is no file `none.md`\nhelp: run `ls lessons`")
    );
    assert!(output(&["fill", "justfile"]).contains("name a file that ends in `.md`"));
    assert!(output(&["fill", "--checks"]).contains("--check"));
}

fn help_fits_into_80_columns() {
    for command in ["", "fill", "check", "compare", "pictures", "book"] {
        let mut arguments = vec![command, "--help"];
        arguments.retain(|argument| !argument.is_empty());
        let output = Command::new(env!("CARGO_BIN_EXE_docs-tool")).args(arguments).output();
        let help = String::from_utf8(output.unwrap().stdout).unwrap();
        assert!(help.contains("Usage: docs-tool"), "{help}");
        let longest = help.lines().max_by_key(|line| line.chars().count()).unwrap();
        assert!(longest.chars().count() <= 80, "{longest}");
    }
}
