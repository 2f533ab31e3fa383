//! The book of a small repository.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::assemble::Book;
use crate::fill::sibling_files;
use crate::repo::Repo;

const LESSON: &str = "\
# 03 Threads

See [the wire](01-the-wire.md#ten-bytes), [the code](../crates/serve-std/src/lib.rs#L3),
[all of it](../crates) and ![a picture](pictures/a.svg).

<!-- code: crates/serve-std/src/lib.rs#accept -->
```rust
what stood here before
```

<!-- siblings: accept -->
old
<!-- /siblings -->

It is <!-- figure: peers large gb_per_s tokio -->3.2<!-- /figure --> times as fast.

<!-- run: vary -->
```console
$ cargo run -p probe
<!-- not a marker -->
```

Do [exercise 05](exercises/05-survive-errors/README.md), see <http://localhost:4000/>.
";

fn assemble(root: &Path) -> Book {
    super::assemble::assemble(&Repo::at(root))
}

/// A repository with what every one has, and these files.
fn repository(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("README.md", "# Kit\n\n[Lessons](lessons/README.md), [licence](LICENSE)\n");
    write("LICENSE", "As you like.\n");
    write("lessons/README.md", "# Lessons\n");
    for (sibling, path) in sibling_files(None) {
        let module = sibling.replace('-', "_");
        let code = format!(
            "//! {sibling}\n\n// ANCHOR: accept\nfn accept_{module}() {{}}\n\
             // ANCHOR_END: accept\n"
        );
        write(&path, &code);
    }
    for (path, text) in files {
        write(path, text);
    }
    folder
}

fn lesson_and_more() -> TempDir {
    repository(&[
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
        ("lessons/exercises/05-survive-errors/src/main.rs", "fn main() {}\n"),
        ("lessons/exercises/05-survive-errors/solution/main.rs", "fn main() { solved() }\n"),
    ])
}

fn page<'a>(book: &'a Book, path: &str) -> &'a str {
    let known = || format!("{path} is not among {:?}", book.files.keys());
    std::str::from_utf8(book.files.get(path).unwrap_or_else(|| panic!("{}", known()))).unwrap()
}

fn faults(book: &Book) -> Vec<String> {
    book.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn markers_do_their_work_and_vanish() {
    let book = assemble(lesson_and_more().path());
    assert_eq!(faults(&book), [""; 0]);
    let lesson = page(&book, "lessons/03-threads.md");
    assert!(lesson.contains("```rust\nfn accept_std() {}\n```\n"), "{lesson}");
    assert!(!lesson.contains("what stood here before") && !lesson.contains("old"));
    assert!(lesson.contains("It is 3.2 times as fast."));
    assert!(lesson.contains("$ cargo run -p probe\n<!-- not a marker -->\n"));
    assert_eq!(lesson.matches("<!--").count(), 1, "{lesson}");
    for name in ["std", "tokio", "async-std", "smol"] {
        assert!(lesson.contains(&format!("data-sibling=\"{name}\"")), "{lesson}");
    }
}

#[test]
fn links_lead_to_pages() {
    let book = assemble(lesson_and_more().path());
    let lesson = page(&book, "lessons/03-threads.md");
    for way in [
        "[the wire](01-the-wire.md#ten-bytes)",
        "[the code](../code/crates/serve-std/src/lib.rs.md)",
        "[all of it](../code/crates/index.md)",
        "![a picture](pictures/a.svg)",
        "[exercise 05](exercises/05-survive-errors/index.md)",
        "<http://localhost:4000/>",
        "../code/crates/serve-std/src/lib.rs.md#accept",
        "../siblings/accept.md",
    ] {
        assert!(lesson.contains(way), "{way} in {lesson}");
    }
    assert_eq!(page(&book, "lessons/pictures/a.svg"), "<svg/>");
    assert!(
        page(&book, "index.md").contains("[Lessons](lessons/index.md), [licence](code/LICENSE.md)")
    );
    assert!(page(&book, "code/crates/index.md").contains("[`serve-smol`](serve-smol/index.md)"));
}

#[test]
fn lesson_code_and_exercise_lead_to_each_other() {
    let book = assemble(lesson_and_more().path());
    let own = page(&book, "siblings/accept.md");
    assert!(own.contains("Explained in [03 Threads](../lessons/03-threads.md)"), "{own}");
    assert!(own.contains("`accept_std`, `accept_tokio`"), "{own}");
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
    assert_eq!(
        book.unsearched,
        ["lessons/exercises/05-survive-errors/solution.md", "siblings/whole-files.md"]
    );
}

#[test]
fn every_page_is_in_the_contents_once() {
    let book = assemble(lesson_and_more().path());
    let summary = page(&book, "SUMMARY.md");
    let pages = book.files.keys().filter(|path| path.ends_with(".md") && *path != "SUMMARY.md");
    let mut count = 0;
    for path in pages {
        assert_eq!(summary.matches(&format!("]({path})")).count(), 1, "{path} in {summary}");
        count += 1;
    }
    assert_eq!(book.pages, count);
}

#[test]
fn what_leads_nowhere_is_told_with_its_line_and_mend() {
    let folder = repository(&[
        (
            "lessons/04-backpressure.md",
            "# 04\n\n[a](05-ending.md)\n\n[b](05-endings.md#summery) `[no](x.md)`\n\n[c](../../out.md)\n",
        ),
        ("lessons/05-endings.md", "# 05\n\n## Summary\n"),
    ]);
    let actual = faults(&assemble(folder.path()));
    assert_eq!(
        actual,
        [
            "lessons/04-backpressure.md:3: the link to 05-ending.md leads to nothing; \
             help: did you mean 05-endings.md?",
            "lessons/04-backpressure.md:5: the link's part #summery is not in its page; \
             help: did you mean #summary?",
            "lessons/04-backpressure.md:7: the link to ../../out.md leads to nothing; \
             help: stay within the repository, or write a whole address",
        ]
    );
}

#[test]
fn markers_that_name_what_is_not_there_are_told() {
    let folder = repository(&[(
        "lessons/03-threads.md",
        "# 03\n\n<!-- code: crates/serve-std/src/lib.rs#accepted -->\n```\n```\n\n<!-- siblings: drain -->\n\
         <!-- /siblings -->\n\n<!-- code: no.rs -->\n```\n```\n\n<!-- siblings: accept -->\n",
    )]);
    let actual = faults(&assemble(folder.path()));
    let begins = [
        "lessons/03-threads.md:3: crates/serve-std/src/lib.rs: there is no anchor `accepted`; \
         help: did you mean `accept`?",
        "lessons/03-threads.md:7: crates/serve-std/src/lib.rs: there is no anchor `drain`; help: ",
        "lessons/03-threads.md:10: there is no file no.rs; help: ",
        "lessons/03-threads.md:14: <!-- siblings: accept --> has no end; help: ",
    ];
    assert_eq!(actual.len(), begins.len(), "{actual:?}");
    for (actual, begin) in actual.iter().zip(begins) {
        assert!(actual.starts_with(begin), "{actual}");
    }
}

#[test]
fn a_changed_line_shows_in_the_next_book() {
    let folder = lesson_and_more();
    let path = folder.path().join("crates/serve-std/src/lib.rs");
    let code = fs::read_to_string(&path).unwrap();
    fs::write(&path, code.replace("accept_std()", "accept_other()")).unwrap();
    let book = assemble(folder.path());
    assert!(page(&book, "lessons/03-threads.md").contains("fn accept_other()"));
    assert!(page(&book, "siblings/accept.md").contains("fn accept_other()"));
}
