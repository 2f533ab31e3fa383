//! Tests the book of a small repository. In place of mdBook, the tests use a script that accepts
//! every book.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::{env, fs};

use crate::repository::{Repository, SIBLINGS};

pub const TESTS: &[(&str, fn())] = &[
    ("book::without_settings_the_build_fails", without_settings_the_build_fails),
    ("book::a_broken_link_is_reported_and_no_book_is_built", a_broken_link_is_reported),
    ("book::markers_are_replaced", markers_are_replaced),
    ("book::links_lead_to_pages", links_lead_to_pages),
    ("book::lesson_code_and_exercise_link_to_each_other", pages_link_to_each_other),
    ("book::every_page_is_in_the_contents_once", every_page_is_in_the_contents_once),
    ("book::broken_links_are_reported_with_lines_and_help", broken_links_are_reported),
    ("book::unknown_markers_are_reported", unknown_markers_are_reported),
    ("book::a_file_is_split_at_its_anchors", a_file_is_split_at_its_anchors),
    (
        "book::excerpts_link_to_the_page_of_the_outermost_anchor",
        excerpts_link_to_the_page_of_the_outermost_anchor,
    ),
    ("book::a_file_without_anchors_is_one_block", a_file_without_anchors_is_one_block),
    ("book::files_and_packages_are_described", files_and_packages_are_described),
    ("book::each_hint_is_folded", each_hint_is_folded),
    ("book::anchors_of_all_siblings_are_first", anchors_of_all_siblings_are_first),
    ("book::names_of_checks_and_tests_link_to_their_code", names_link_to_their_code),
    ("book::the_page_for_printing_has_no_code", the_page_for_printing_has_no_code),
    ("book::the_sources_are_updated", the_sources_are_updated),
    ("book::a_changed_line_is_in_the_next_book", a_changed_line_is_in_the_next_book),
];

const LESSON: &str = "\
# 03 Threads

See [the wire](01-the-wire.md#ten-bytes), [the code](../crates/serve-std/src/lib.rs#L3),
[all of it](../crates) and ![a picture](pictures/a.svg).

<!-- code: crates/serve-std/src/lib.rs#accept -->
```rust
outdated code
```

<!-- siblings: accept -->
old
<!-- /siblings -->

It is <!-- figure: race/large/tokio/gb_per_s -->3.2<!-- /figure --> times as fast.

<!-- run: vary -->
```console
$ cargo run -p probe
<!-- not a marker -->
```

Do [exercise 05](exercises/05-survive-errors/README.md), see <http://localhost:4000/>.

<details>
<summary>Answers</summary>

1. See [the task](exercises/05-survive-errors/README.md).

</details>
";

const MDBOOK: &str = "#!/bin/sh
if [ \"$1\" = --version ]; then echo mdbook v0.5.4; exit; fi
mkdir -p \"$4\" && cat \"$2/src/index.md\" \"$2/src/code/\"*.md \"$2/src/lessons/index.md\" > \"$4/print.html\"
";

/// Creates a repository with the files that every book needs, and with `files`.
pub fn with(files: &[(&str, &str)]) -> Repository {
    let repository = Repository::new();
    for file in ["book.toml", "highwater.css", "highwater.js"] {
        repository.write(&format!("docs/book/{file}"), "");
    }
    repository.write("README.md", "# Kit\n\n[Lessons](lessons/README.md), [licence](LICENSE)\n");
    repository.write("LICENSE", "Use it.\n");
    repository.write("lessons/README.md", "# Lessons\n");
    for sibling in SIBLINGS {
        let function = format!("fn accept_{}() {{}}", sibling.replace('-', "_"));
        let code = format!("// ANCHOR: accept\n{function}\n// ANCHOR_END: accept\n");
        let path = format!("crates/serve-{sibling}/src/lib.rs");
        repository.write(&path, &format!("//! {sibling}\n\n{code}"));
    }
    for (path, text) in files {
        repository.write(path, text);
    }
    repository.write("bin/mdbook", MDBOOK);
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(repository.path().join("bin/mdbook"), executable).unwrap();
    repository
}

pub fn with_lessons() -> Repository {
    with(&[
        ("lessons/01-the-wire.md", "# 01 The wire\n\n## Ten bytes\n"),
        ("lessons/03-threads.md", LESSON),
        ("lessons/pictures/a.svg", "<svg/>"),
        (
            "lessons/exercises/05-survive-errors/README.md",
            "# 05 Survive errors\n\n[Lesson](../../03-threads.md), [hints](hints.md)\n",
        ),
        (
            "lessons/exercises/05-survive-errors/hints.md",
            "# Hints\n\n## 1\n\nSee [the lesson](../../03-threads.md).\n\n## 2\n\nb\n\n## 3\n\nc\n",
        ),
        ("lessons/exercises/05-survive-errors/starter/main.rs", "fn main() {}\n"),
        ("lessons/exercises/05-survive-errors/solution/main.rs", "fn main() { solved() }\n"),
    ])
}

/// Builds the book. Returns the exit code, or `None` after a signal, and the output on stderr.
fn build(repository: &Repository) -> (Option<i32>, String) {
    let path = format!("bin:{}", env::var("PATH").unwrap());
    let mut command = repository.command(&["book"]);
    let Output { status, stderr, .. } = command.env("PATH", path).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

pub fn built(repository: Repository) -> Repository {
    let (code, errors) = build(&repository);
    assert_eq!(code, Some(0), "{errors}");
    repository
}

pub fn page(repository: &Repository, path: &str) -> String {
    repository.read(&format!("target/book-src/src/{path}"))
}

pub fn errors(repository: &Repository) -> Vec<String> {
    let (code, errors) = build(repository);
    assert_eq!(code, Some(1), "{errors}");
    errors.lines().filter(|line| line.contains("; help: ")).map(str::to_owned).collect()
}

fn without_settings_the_build_fails() {
    let (code, errors) = build(&Repository::new());
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.starts_with("error: cannot read `docs/book/book.toml` in `"), "{errors}");
}

fn a_broken_link_is_reported() {
    let repository = with(&[("README.md", "# Kit\n\nSee [the lesson](lessons/01-a.md).\n")]);
    repository.write("lessons/01-b.md", "# 01 B\n");
    let (code, errors) = build(&repository);
    assert_eq!(code, Some(1), "{errors}");
    let expected = "README.md:3: the link `lessons/01-a.md` is broken: there is no \
                    `lessons/01-a.md`; help: did you mean `lessons/01-b.md`?\n\
                    1 error; the book was not built\nhelp: fix the pages, or build with --draft\n";
    assert_eq!(errors, expected);
    assert!(!repository.path().join("target").exists());
}

fn markers_are_replaced() {
    let lesson = page(&built(with_lessons()), "lessons/03-threads.md");
    assert!(lesson.contains("```rust\nfn accept_std() {}\n```\n"), "{lesson}");
    assert!(!lesson.contains("outdated code") && !lesson.contains("old"));
    assert!(lesson.contains("It is 2.50 times as fast."), "{lesson}");
    assert!(lesson.contains("$ cargo run -p probe\n<!-- not a marker -->\n"));
    assert_eq!(lesson.matches("<!--").count(), 1, "{lesson}");
    for name in SIBLINGS {
        assert!(lesson.contains(&format!("data-sibling=\"{name}\"")), "{lesson}");
    }
}

fn links_lead_to_pages() {
    let book = built(with_lessons());
    let lesson = page(&book, "lessons/03-threads.md");
    for link in [
        "[the wire](01-the-wire.md#ten-bytes)",
        "[the code](../code/crates/serve-std/src/lib.rs.md)",
        "[all of it](../code/crates/index.md)",
        "![a picture](pictures/a.svg)",
        "[exercise 05](exercises/05-survive-errors/index.md)",
        "<summary>Answers</summary>\n\n1. See [the task](exercises/05-survive-errors/index.md).",
        "<http://localhost:4000/>",
        "../code/crates/serve-std/src/lib.rs.md#accept",
        "../siblings/accept.md",
    ] {
        assert!(lesson.contains(link), "{link} in {lesson}");
    }
    assert_eq!(page(&book, "lessons/pictures/a.svg"), "<svg/>");
    let index = page(&book, "index.md");
    assert!(index.contains("[Lessons](lessons/index.md), [licence](code/LICENSE.md)"), "{index}");
    let crates = page(&book, "code/crates/index.md");
    assert!(crates.contains("[`serve-smol`](serve-smol/index.md)"), "{crates}");
}

fn pages_link_to_each_other() {
    let book = built(with_lessons());
    let own = page(&book, "siblings/accept.md");
    assert!(own.contains("Explained in [03 Threads](../lessons/03-threads.md)"), "{own}");
    let title = "# `accept_std`, `accept_tokio`, `accept_async_std`, `accept_smol`, side by side\n";
    assert!(own.starts_with(title), "{own}");
    let code = page(&book, "code/crates/serve-std/src/lib.rs.md");
    assert!(code.contains("Quoted in [03 Threads](../../../../lessons/03-threads.md)"), "{code}");
    assert!(code.contains("(../../../../siblings/accept.md)"), "{code}");
    let task = page(&book, "lessons/exercises/05-survive-errors/index.md");
    assert!(task.contains("[hints](index.md)"), "{task}");
    assert!(task.contains("<summary>Hint 3</summary>"), "{task}");
    assert!(task.contains("See [the lesson](../../03-threads.md)"), "{task}");
    assert!(task.contains("[A solution](solution.md)"), "{task}");
    assert!(!task.contains("solved()"));
    let solution = page(&book, "lessons/exercises/05-survive-errors/solution.md");
    assert!(solution.contains("[Back to the task](index.md)"), "{solution}");
    assert!(solution.find("<details>") < solution.find("solved()"), "{solution}");
    let unsearched = "\"lessons/exercises/05-survive-errors/solution.md\" = { enable = false }\n\
                      \"siblings/whole-files.md\" = { enable = false }\n";
    assert_eq!(book.read("target/book-src/book.toml"), unsearched);
}

fn every_page_is_in_the_contents_once() {
    let book = built(with_lessons());
    let summary = page(&book, "SUMMARY.md");
    let position = |path: &str| {
        assert_eq!(summary.matches(&format!("]({path})")).count(), 1, "{path} in {summary}");
        summary.find(&format!("]({path})"))
    };
    assert!(summary.starts_with("# Summary\n\n[Kit](index.md)\n"), "{summary}");
    assert!(position("lessons/index.md") < position("lessons/01-the-wire.md"));
    assert!(position("lessons/03-threads.md") < position("siblings/index.md"));
    assert!(position("siblings/accept.md") < position("siblings/whole-files.md"));
    assert!(position("siblings/index.md") < position("code/index.md"));
    let exercise = "- [05 Survive errors](lessons/exercises/05-survive-errors/index.md)\n    - \
                    [Solution](lessons/exercises/05-survive-errors/solution.md)\n";
    assert!(summary.contains(exercise), "{summary}");
    let code = "- [crates](code/crates/index.md)\n    - [approaches](";
    assert!(summary.contains(code), "{summary}");
}

fn broken_links_are_reported() {
    let repository = with(&[
        (
            "lessons/04-backpressure.md",
            "# 04\n\n[a](05-ending.md)\n\n[b](05-endings.md#summery) `[no](x.md)`\n\n[c](../../out.md)\n",
        ),
        ("lessons/05-endings.md", "# 05\n\n## Summary\n"),
    ]);
    let expected = [
        "lessons/04-backpressure.md:3: the link `05-ending.md` is broken: there is no \
         `lessons/05-ending.md`; help: did you mean `05-endings.md`?",
        "lessons/04-backpressure.md:5: the link `05-endings.md#summery` names a heading that \
         `lessons/05-endings.md` does not have; help: did you mean `#summary`?",
        "lessons/04-backpressure.md:7: the link `../../out.md` leads to a file outside the repository; \
         help: link to a file in the repository, or write a URL",
    ];
    assert_eq!(errors(&repository), expected);
}

fn unknown_markers_are_reported() {
    let repository = with(&[(
        "lessons/03-threads.md",
        "# 03\n\n<!-- code: crates/serve-std/src/lib.rs#accepted -->\n```\n```\n\n<!-- siblings: drain -->\n\
         <!-- /siblings -->\n\n<!-- code: no.rs -->\n```\n```\n\n<!-- siblings: accept -->\n",
    )]);
    let expected = [
        "lessons/03-threads.md:3: there is no anchor `accepted` in `crates/serve-std/src/lib.rs`; \
         help: did you mean `accept`?",
        "lessons/03-threads.md:7: there is no anchor `drain` in `crates/serve-std/src/lib.rs`; help: ",
        "lessons/03-threads.md:10: cannot read `no.rs`: ",
        "lessons/03-threads.md:14: the marker `siblings` has no end; help: ",
    ];
    let errors = errors(&repository);
    assert_eq!(errors.len(), expected.len(), "{errors:?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.starts_with(expected), "{error}");
    }
}

fn a_changed_line_is_in_the_next_book() {
    let book = built(with_lessons());
    book.change("crates/serve-std/src/lib.rs", "accept_std()", "accept_other()");
    let book = built(book);
    assert!(page(&book, "lessons/03-threads.md").contains("fn accept_other()"));
    assert!(page(&book, "siblings/accept.md").contains("fn accept_other()"));
}

fn a_file_is_split_at_its_anchors() {
    let text = "use a;\n\n// ANCHOR: accept\nfn accept() {\n    // ANCHOR: in\n    b();\n    \
                // ANCHOR_END: in\n}\n// ANCHOR_END: accept\n";
    let book = built(with(&[("crates/serve-std/src/lib.rs", text)]));
    let code = page(&book, "code/crates/serve-std/src/lib.rs.md");
    let expected = "# `crates/serve-std/src/lib.rs`\n\n```rust\nuse a;\n```\n\n<div class=\"hw-anchor\">\n\n\
                    <a id=\"accept\"></a><a id=\"in\"></a>\
                    [This part of all siblings](../../../../siblings/accept.md)\n\n</div>\n\n\
                    ```rust\nfn accept() {\n    b();\n}\n```\n\n";
    assert!(code.contains(expected), "{code}");
}

fn excerpts_link_to_the_page_of_the_outermost_anchor() {
    let code = "// ANCHOR: accept\nfn accept() {\n    // ANCHOR: in\n    b();\n    \
                // ANCHOR_END: in\n}\n// ANCHOR_END: accept\n";
    let paths = SIBLINGS.map(|sibling| format!("crates/serve-{sibling}/src/lib.rs"));
    let mut files = paths.each_ref().map(|path| (path.as_str(), code)).to_vec();
    files.push(("lessons/03-a.md", "# A\n\n<!-- siblings: in, table -->\n<!-- /siblings -->\n"));
    let book = built(with(&files));
    let lesson = page(&book, "lessons/03-a.md");
    assert!(
        lesson
            .contains("<a href=\"../siblings/accept.md\">The complete functions, side by side</a>"),
        "{lesson}"
    );
    assert_eq!(lesson.matches("```rust\nb();\n```").count(), 4, "{lesson}");
    assert!(!lesson.contains("<td"), "{lesson}");
    assert!(page(&book, "siblings/accept.md").contains("Explained in [A](../lessons/03-a.md)."));
    assert!(!book.path().join("target/book-src/src/siblings/in.md").exists());
}

fn a_file_without_anchors_is_one_block() {
    let book = built(with(&[
        ("README.md", "# Kit\n\n[a](a.toml) [b](b.rs) [c](justfile)\n"),
        ("a.toml", "x = 1\n"),
        ("b.rs", "# a\n#[b]\n  ## c\n"),
        ("justfile", "# a\n"),
    ]));
    let code = |path: &str| page(&book, &format!("code/{path}.md"));
    assert!(code("a.toml").contains("# `a.toml`\n\n```toml\nx = 1\n```\n"));
    // Without the escape, mdBook would hide lines of Rust that start with `# `.
    assert!(code("b.rs").contains("\n```rust\n## a\n#[b]\n  ### c\n```\n"));
    assert!(code("justfile").contains("\n```makefile\n# a\n```\n"));
}

fn files_and_packages_are_described() {
    let book = built(with(&[
        ("crates/a/Cargo.toml", "[package]\nname = \"a\"\ndescription = \"Does a\"\n"),
        ("crates/a/b.rs", "//! One `a` of\n//! two. More\n//!\n//! Rest\n\nuse b;\n"),
        ("crates/a/c.rs", "use b;\n"),
        ("lessons/03-threads.md", "# 03\n\n[All](../crates)\n"),
    ]));
    assert!(page(&book, "code/crates/index.md").contains("- [`a`](a/index.md): Does a\n"));
    let files = page(&book, "code/crates/a/index.md");
    assert!(
        files.contains("- [`b.rs`](b.rs.md): One `a` of two\n- [`c.rs`](c.rs.md)\n"),
        "{files}"
    );
}

fn each_hint_is_folded() {
    let hints = "# Hints\n\n## 1\n\nLook.\n\n```text\n## 9\n```\n\n## 2\n\nThere.\n";
    let book = built(with(&[
        ("lessons/exercises/05-a/README.md", "# 05 A\n"),
        ("lessons/exercises/05-a/hints.md", hints),
    ]));
    let task = page(&book, "lessons/exercises/05-a/index.md");
    assert_eq!(task.matches("<details>").count(), 2);
    assert_eq!(task.matches("</details>").count(), 2);
    assert!(task.contains("<summary>Hint 2</summary>\n\n\nThere.\n"), "{task}");
    assert!(!task.contains("Hint 9"));
}

fn anchors_of_all_siblings_are_first() {
    let own = "// ANCHOR: own\npub async fn own<T>(\n    fn inner() {}\n// ANCHOR_END: own\n\
               // ANCHOR: accept\nfn accept_std() {}\nfn two() {}\n// ANCHOR_END: accept\n";
    let book = built(with(&[("crates/serve-std/src/lib.rs", own)]));
    let index = page(&book, "siblings/index.md");
    let rows: Vec<&str> = index.lines().filter(|line| line.starts_with("| [")).collect();
    assert!(rows[0].starts_with("| [`accept_std`, `two`, `accept_tokio`"), "{index}");
    assert_eq!(rows[1], "| [`own`](own.md) |  |");
    assert!(page(&book, "siblings/own.md").contains("This sibling does not have this part.\n"));
}

fn names_link_to_their_code() {
    let claim = "The file is sent (check `half-close`; test `it::it_holds`).\n\n*Tests:* see,\n`it_holds`.\n";
    let book =
        built(with(&[("docs/CONTRACT.md", &format!("# Contract\n\n{claim}\n`it_holds`\n"))]));
    let contract = page(&book, "docs/CONTRACT.md");
    let check = "(check [`half-close`](../code/crates/conformance/src/checks/a.rs.md\
                 #:~:text=id:%20%22half%2Dclose%22); test";
    let test = "`](../code/crates/approaches/tests/it/a.rs.md#:~:text=fn%20it_holds)";
    assert!(contract.contains(check), "{contract}");
    assert!(contract.contains(&format!("[`it::it_holds{test}).\n")), "{contract}");
    assert!(contract.contains(&format!("see,\n[`it_holds{test}.\n\n`it_holds`\n")), "{contract}");
}

fn the_page_for_printing_has_no_code() {
    let print = built(with_lessons()).read("target/book/print.html");
    assert!(print.contains("# Kit") && print.contains("# Lessons"), "{print}");
    assert!(!print.contains("LICENSE`") && !print.contains("Use it."), "{print}");
}

fn the_sources_are_updated() {
    let book = built(with_lessons());
    let path = |name: &str| book.path().join("target/book-src/src").join(name);
    let changed = || fs::metadata(path("index.md")).unwrap().modified().unwrap();
    let before = changed();
    fs::remove_file(book.path().join("lessons/01-the-wire.md")).unwrap();
    book.change("lessons/03-threads.md", "[the wire](01-the-wire.md#ten-bytes)", "the wire");
    assert_eq!(build(&book).0, Some(0));
    assert!(!path("lessons/01-the-wire.md").exists());
    // mdBook would detect a change if the file were written again.
    assert_eq!(changed(), before);
}
