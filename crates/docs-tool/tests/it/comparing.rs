//! Tests the command `compare` with the siblings of this repository and with small sources.

use std::process::{Command, Output};

use crate::repository::{Repository, SIBLINGS};

pub const TESTS: &[(&str, fn())] = &[
    ("any_two_siblings_can_be_compared", any_two_siblings_can_be_compared),
    ("one_function_can_be_compared", one_function_can_be_compared),
    ("unknown_names_get_a_suggestion", unknown_names_get_a_suggestion),
    ("same_code_is_not_marked", same_code_is_not_marked),
    ("comments_are_not_compared", comments_are_not_compared),
    ("line_breaks_are_not_compared", line_breaks_are_not_compared),
    ("only_the_different_words_are_marked", only_the_different_words_are_marked),
    ("a_statement_of_only_one_sibling_is_marked", a_statement_of_only_one_sibling_is_marked),
    ("an_added_call_is_marked_completely", an_added_call_is_marked_completely),
    ("lines_of_both_siblings_are_aligned", lines_of_both_siblings_are_aligned),
    ("sections_are_paired_by_name", sections_are_paired_by_name),
    (
        "a_narrow_terminal_shows_one_sibling_below_the_other",
        a_narrow_terminal_shows_one_sibling_below_the_other,
    ),
    (
        "a_wide_terminal_shows_both_siblings_side_by_side",
        a_wide_terminal_shows_both_siblings_side_by_side,
    ),
    ("the_code_that_is_the_same_can_be_omitted", the_code_that_is_the_same_can_be_omitted),
    (
        "a_signature_with_different_line_breaks_is_shown_whole",
        a_signature_with_different_line_breaks_is_shown_whole,
    ),
    ("only_different_words_are_colored", only_different_words_are_colored),
    ("no_line_is_wider_than_the_terminal", no_line_is_wider_than_the_terminal),
    (
        "sections_are_items_and_the_lines_between_them",
        sections_are_items_and_the_lines_between_them,
    ),
    (
        "words_do_not_include_comments_and_trailing_commas",
        words_do_not_include_comments_and_trailing_commas,
    ),
];

const FIRST: &str =
    "fn a() {\n    let file = open(path)?;\n    one();\n    two();\n    three();\n}\n\nfn b() {}\n";

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
    let names: Vec<&str> = SIBLINGS.into_iter().chain(["mio"]).collect();
    for first in &names {
        for second in &names {
            let text = output_of(&[first, second, "--width", "120"]);
            let is_same = text.contains("\nsections: 0 different, ");
            assert_eq!(is_same, first == second, "{first} {second}: {text}");
            assert!(text.contains("\n== write_bytes"), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
        }
    }
}

fn one_function_can_be_compared() {
    let text = output_of(&["tokio", "smol", "--function", "send_copied"]);
    assert_eq!(text.matches("\n== ").count(), 1, "{text}");
    // If the output is a pipe, the text has no colors, and the default width is 80 characters.
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

/// Compares two sources, in color. Returns the output after the legend, including the summary.
fn compare_sources(first: &str, second: &str, arguments: &[&str]) -> String {
    let repository = Repository::new();
    repository.write("crates/serve-std/src/lib.rs", first);
    repository.write("crates/serve-smol/src/lib.rs", second);
    let mut command = repository.command(&["compare", "std", "smol"]);
    command.args(arguments).env("CLICOLOR_FORCE", "1").env_remove("NO_COLOR");
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    text.split_once("not compared.\n").unwrap().1.to_owned()
}

fn without_colors(text: &str) -> String {
    console::strip_ansi_codes(text).into_owned()
}

/// Compares two sources at a width of 80 characters. Returns the lines below the heading of the
/// section.
fn compare_lines(first: &str, second: &str) -> String {
    let text = without_colors(&compare_sources(first, second, &["--width", "80"]));
    text.lines().skip(2).map(|line| format!("{line}\n")).collect()
}

/// Compares two sources. Returns the colored words of the second source.
fn colored(first: &str, second: &str) -> Vec<String> {
    let text = compare_sources(first, second, &["--width", "80"]);
    let parts = text.split("\u{1b}[32m\u{1b}[1m").skip(1);
    parts.map(|part| part.split('\u{1b}').next().unwrap().to_owned()).collect()
}

fn same_code_is_not_marked() {
    let code = "fn a() {\n    b()\n}";
    assert_eq!(compare_lines(code, code), "  fn a() {\n      b()\n  }\n");
}

fn comments_are_not_compared() {
    let text = compare_lines("// One.\nb();", "// Another,\n// longer.\nb(); // c");
    assert_eq!(text, "  b();\n");
    assert_eq!(compare_lines("b();", "/// c\nb();"), "  b();\n");
    assert_eq!(compare_lines("/// c\nb();", "/// c\nb();"), "  /// c\n  b();\n");
    assert_eq!(colored("b();", &format!("// {}\nc();", "word ".repeat(60))), ["c"]);
}

fn line_breaks_are_not_compared() {
    let text = compare_lines("call(\n    first,\n    second,\n)?;", "call(first, second)?;");
    assert_eq!(text, "  call(first, second)?;\n");
}

fn only_the_different_words_are_marked() {
    let (first, second) = ("let a = read(x);\nb();", "let a = read(x).await;\nb();");
    let text = compare_lines(first, second);
    assert_eq!(text, "< let a = read(x);\n> let a = read(x).await;\n  b();\n");
    assert_eq!(colored(first, second), [".await"]);
    assert_eq!(colored(second, first), [""; 0]);
}

fn a_statement_of_only_one_sibling_is_marked() {
    let three = "a();\nb();\nc();";
    assert_eq!(compare_lines(three, "a();\nc();"), "  a();\n< b();\n  c();\n");
    assert_eq!(compare_lines("a();\nc();", three), "  a();\n> b();\n  c();\n");
    let text = compare_lines("a();\nold(1);\nc();", "a();\nnew[2];\nc();");
    assert_eq!(text, "  a();\n< old(1);\n> new[2];\n  c();\n");
}

fn an_added_call_is_marked_completely() {
    let colored = colored("spawn(work(stream));", "spawn(work(stream)).detach();");
    assert_eq!(colored, [".detach()"]);
}

fn lines_of_both_siblings_are_aligned() {
    let first = "use std::future::poll_fn;\nuse std::io;";
    let text = compare_lines(first, &format!("use std::convert::Infallible;\n{first}"));
    let expected = "> use std::convert::Infallible;\n  use std::future::poll_fn;\n  use std::io;\n";
    assert_eq!(text, expected);
}

fn sections_are_paired_by_name() {
    let first = "fn a() {\n    x();\n}\n\nfn b() {}\n\nfn d() {}\n";
    let second = "fn a() {\n    y();\n}\n\nfn b() {}\n\nfn c() {}\n";
    let text = without_colors(&compare_sources(first, second, &[]));
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("==")).collect();
    assert_eq!(headings, ["== a", "== b: the same", "== c: only in smol", "== d: only in std"]);
    let summary = "\nsections: 1 different, 1 the same, 1 only in std, 1 only in smol\n";
    assert!(text.ends_with(summary), "{text}");
}

fn compare_await(arguments: &[&str]) -> String {
    without_colors(&compare_sources(FIRST, &FIRST.replace(")?", ").await?"), arguments))
}

fn a_narrow_terminal_shows_one_sibling_below_the_other() {
    let text = compare_await(&["--width", "80"]);
    let expected = "\n== a\n  fn a() {\n<     let file = open(path)?;\n>     let file = \
                    open(path).await?;\n      one();\n";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("\n== b: the same\n  fn b() {}\n"), "{text}");
}

fn a_wide_terminal_shows_both_siblings_side_by_side() {
    let text = compare_await(&["--width", "120"]);
    let line = text.lines().find(|line| line.contains(".await")).unwrap();
    assert_eq!(line.find('|'), Some(59), "{text}");
    assert!(line.starts_with("    let file = open(path)?;  "), "{text}");
}

fn the_code_that_is_the_same_can_be_omitted() {
    let text = compare_await(&["--only-differences"]);
    let expected = "      one();\n  … 3 rows without differences\n\n== b: the same\n\nsections: 1";
    assert!(text.contains(expected), "{text}");
}

fn a_signature_with_different_line_breaks_is_shown_whole() {
    let first = "async fn a(one: One, two: Two) {\n    b();\n}\n";
    let second = "async fn a(\n    mut one: Other,\n    two: Two,\n) {\n    b();\n}\n";
    let expected = "< async fn a(one: One, two: Two) {\n> async fn a(mut one: Other, two: Two) {\n\
                    \x20     b();\n  }\n";
    assert_eq!(compare_lines(first, second), expected);
}

fn only_different_words_are_colored() {
    let text = compare_sources(FIRST, &FIRST.replace(")?", ").await?"), &[]);
    assert!(text.contains("open(path)\u{1b}[32m\u{1b}[1m.await\u{1b}[0m?;"), "{text:?}");
}

fn no_line_is_wider_than_the_terminal() {
    let first = format!("fn a() {{\n    // {}\n    {}\n}}\n", "word ".repeat(60), "x".repeat(300));
    for columns in [40, 80, 110, 131] {
        let text = compare_sources(&first, "fn a() {}\n", &["--width", &columns.to_string()]);
        for line in text.lines() {
            assert!(console::measure_text_width(line) <= columns, "{columns}: {line}");
        }
    }
}

fn sections_are_items_and_the_lines_between_them() {
    let source = "//! Docs.\n\n// ANCHOR: imports\nuse a;\n\nuse b;\n// ANCHOR_END: imports\n\n\
                  /// A.\npub const X: u8 = 1;\n\n// ANCHOR: run\n/// Runs.\npub async fn run() {\n\
                  \n    a();\n}\n\nfn more() {}\n// ANCHOR_END: run\n";
    let text = without_colors(&compare_sources(source, source, &["--width", "80"]));
    let (sections, _) = text.rsplit_once("\n\n").unwrap();
    let expected = "\n== imports: the same\n  use a;\n\n  use b;\n\
                    \n== X: the same\n  /// A.\n  pub const X: u8 = 1;\n\n== run: the same\n  \
                    /// Runs.\n  pub async fn run() {\n\n      a();\n  }\n\n== more: the same\n  \
                    fn more() {}";
    assert_eq!(sections, expected);
}

fn words_do_not_include_comments_and_trailing_commas() {
    let first = "a(\n    b,\n    c,\n) -> 'x' \"e // f\" // d";
    assert_eq!(colored(first, "a(b, c) -> 'x' \"e // f\""), [""; 0]);
    assert_eq!(colored(first, "a(b, c) -> 'x' \"e // g\""), ["\"e // g\""]);
}
