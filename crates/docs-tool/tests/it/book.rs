//! The book's program, as far as it goes without mdBook.

use std::process::{Command, Output};

use crate::repository::Repository;

pub const TESTS: &[(&str, fn())] = &[
    ("book::help_fits_80_columns", help_fits_80_columns),
    ("book::elsewhere_there_is_no_book", elsewhere_there_is_no_book),
    (
        "book::a_broken_link_is_told_and_nothing_is_built",
        a_broken_link_is_told_and_nothing_is_built,
    ),
];

fn book(repository: &Repository, arguments: &[&str]) -> (Option<i32>, String) {
    let mut book = Command::new(env!("CARGO_BIN_EXE_docs-tool"));
    let Output { status, stdout, stderr } =
        book.arg("book").args(arguments).arg("--root").arg(repository.path()).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

fn help_fits_80_columns() {
    let (code, said) = book(&Repository::new(), &["--help"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("docs-tool book --serve"), "{said}");
    let long: Vec<&str> = said.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(long.is_empty(), "{long:?}");
}

fn elsewhere_there_is_no_book() {
    let (code, said) = book(&Repository::new(), &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.starts_with("error: cannot read `docs/book/book.toml` in `"), "{said}");
}

fn a_broken_link_is_told_and_nothing_is_built() {
    let repository = Repository::new();
    for file in ["book.toml", "highwater.css", "highwater.js"] {
        repository.write(&format!("docs/book/{file}"), "");
    }
    repository.write("README.md", "# Kit\n\nSee [the lesson](lessons/01-a.md).\n");
    repository.write("lessons/01-b.md", "# 01 B\n");
    let (code, said) = book(&repository, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(
        said,
        "README.md:3: the link to lessons/01-a.md leads to nothing; help: did you mean 01-b.md?\n\
         1 error; the book was not built\nhelp: fix the pages, or build with --draft\n"
    );
    assert!(!repository.path().join("target").exists());
}
