//! Tests the check of the times that lessons state.

use crate::repository::Repository;

pub const TESTS: &[(&str, fn())] = &[
    ("a_lesson_states_its_estimated_time", a_lesson_states_its_estimated_time),
    ("a_lesson_that_takes_too_long_is_reported", a_lesson_that_takes_too_long_is_reported),
    ("the_table_states_the_times_of_the_lessons", the_table_states_the_times_of_the_lessons),
];

/// Returns a lesson that states a time of 5 minutes. The lesson contains this text and 12 other
/// words.
fn lesson(text: &str) -> String {
    format!(
        "# 01 A\n\n| | |\n| --- | --- |\n| Time | 5 minutes |\n\nThere are seven words in this paragraph.\n\n{text}"
    )
}

/// Checks a lesson that contains this text, and returns the output. Expects an error if the text
/// contains `MISMATCH`.
fn errors_of(text: &str) -> String {
    let repository = Repository::new();
    repository.write("lessons/01-a.md", &lesson(text));
    let code = i32::from(text.contains("MISMATCH"));
    repository.notes(&["check", "--no-run", "lessons/01-a.md"], code)
}

fn a_lesson_states_its_estimated_time() {
    // The 12 words of the lesson and these 788 words take 4 minutes. The 20 lines of code take 1
    // minute.
    let words = "word ".repeat(788);
    let code = format!("```js\n{}\n```\n", "call();\n".repeat(20));
    errors_of(&format!("{words}\n\n{code}"));
    // Comments, the targets of links, and output do not count as words or code.
    let comment =
        format!("A <!-- {words} -->[link](https://example.com/a/b) and a [second](#01-a).\n");
    let output = format!("```text\n{}```\n", "output\n".repeat(100));
    errors_of(&format!("{comment}\n{output}"));
    let output = errors_of(&format!("MISMATCH {words}\n\n{code}"));
    let expected = "lessons/01-a.md:5: expected 10 minutes (801 words, 20 lines of code, 0 commands), \
                    got 5; help: write `| Time | 10 minutes |`, and write the same time in `lessons/README.md`";
    assert!(output.contains(expected), "{output}");
    let command = "$ true\noutput\n".repeat(10);
    let output = errors_of(&format!("MISMATCH\n\n<!-- run -->\n```console\n{command}```\n"));
    let expected = "expected 10 minutes (13 words, 0 lines of code, 10 commands), got 5;";
    assert!(output.contains(expected), "{output}");
}

fn a_lesson_that_takes_too_long_is_reported() {
    let output = errors_of(&format!("MISMATCH {}", "word ".repeat(5000)));
    let expected = "lessons/01-a.md:5: expected at most 25 minutes, got 30 (5013 words, 0 lines of code, \
                    0 commands); help: shorten or split the lesson";
    assert!(output.contains(expected), "{output}");
}

fn the_table_states_the_times_of_the_lessons() {
    let repository = Repository::new();
    for name in ["01-a.md", "02-b.md"] {
        repository.write(&format!("lessons/{name}"), &lesson(""));
    }
    repository.write("lessons/03-c.md", "# 03 C\n");
    let rows = "| [01 A](01-a.md) | 10 | a |\n| [03 C](03-c.md) | 5 | c |\n";
    repository
        .write("lessons/README.md", &format!("# Lessons\n\n| | | |\n| --- | --- | --- |\n{rows}"));
    let output = repository.notes(&["check", "lessons/README.md"], 1);
    let expected = [
        "lessons/README.md:1: the table of lessons has no row for `02-b.md`; help: add the row \
         `| [TITLE](02-b.md) | MINUTES | SUBJECT |`",
        "lessons/README.md:5: expected 5 minutes for `01-a.md`, got 10; help: write the time that the \
         lesson states",
        "lessons/README.md:6: `03-c.md` does not state its time; help: add a row such as \
         `| Time | 20 minutes |` to the first table of the lesson",
    ];
    assert_eq!(output.lines().take(3).collect::<Vec<_>>(), expected, "{output}");
}
