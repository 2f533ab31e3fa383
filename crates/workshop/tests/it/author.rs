//! Tests of the commands for authors, which prove the exercises.

use crate::assert_contains;
use crate::sample::{CORRECT, Sample, server};

pub const TESTS: &[(&str, fn())] = &[
    ("proofs_report_every_error", proofs_report_every_error),
    (
        "proofs_reject_a_passing_starter_and_compiler_messages",
        proofs_reject_a_passing_starter_and_compiler_messages,
    ),
    ("the_title_comes_from_exercise_toml", the_title_comes_from_exercise_toml),
    ("an_invalid_exercise_toml_is_reported", an_invalid_exercise_toml_is_reported),
];

fn proofs_report_every_error() {
    let sample = Sample::new();
    let (code, output) = sample.run(&["check", "--all"]);
    assert_eq!(code, 0, "{output}");
    assert_contains(&output, &["no errors in 8 programs (2 exercises) and in the links"]);

    // Grade a command that contains both placeholders. The proofs above have built its program.
    let program = sample.path("target/workshop/debug/answers-01");
    let command = format!("env WORKSHOP_ANSWER=solution '{}' {{file}} {{port}}", program.display());
    let (code, output) = sample.run(&["check", "1", "--cmd", &command]);
    assert_eq!(code, 0, "{output}");

    let plan = "01-send-it/exercise.toml";
    sample.replace(plan, "offset 0 differs", "another message");
    sample.replace(plan, "diagnosis = \"line-ends\"", "diagnosis = \"nothing-first\"");
    sample.replace("01-send-it/hints.md", "The second hint.", "");
    sample.replace("02-again/README.md", "../../01-lesson.md", "../../02-lesson.md");
    sample.write("lessons/exercises/02-again/wrong/stray.rs", "");
    sample.replace("02-again/solution/main.rs", "HTTP/1.1", "HTTP/1.0");
    let (code, output) = sample.run(&["check", "--all"]);
    assert_eq!(code, 1);
    let errors = [
        "size-1: expected a failure with `another message`, got `the byte at offset 0 differs",
        "wrong answer `crlf` (A line ends with a carriage return.): the wrong answer passes all \
         checks up to size-1",
        "hint 2 is empty",
        "add a link to ../../01-lesson.md",
        "exercise.toml does not list this file",
        "the solution fails: size-1: the byte at offset 7 differs",
        "wrong answer `http_1_0` (The version is incorrect.): expected one occurrence of the text \
         of each edit, got 0",
        "7 errors in 8 programs (2 exercises)",
    ];
    // The program wraps its messages, so ignore line breaks.
    let output = output.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_contains(&output, &errors);
}

fn proofs_reject_a_passing_starter_and_compiler_messages() {
    let sample = Sample::new();
    let starter = "lessons/exercises/01-send-it/starter/main.rs";
    sample.write(starter, &server(CORRECT).replace("Your turn", "Here"));
    let (code, output) = sample.run(&["check", "01", "--starters"]);
    assert_eq!(code, 1);
    let errors = ["no comment marks the line", "the starter passes", "2 errors in 1 program "];
    assert_contains(&output, &errors);

    sample.write("lessons/exercises/01-send-it/wrong/crlf.rs", &server("let unused = 1;"));
    let (code, output) = sample.run(&["check", "02", "--wrongs"]);
    assert_eq!(code, 0, "{output}");
    let (code, output) = sample.run(&["check", "01", "--wrongs"]);
    assert_eq!(code, 1);
    assert_contains(&output, &["unused variable", "fix the warning", "2 errors in 2 programs"]);

    sample.write("lessons/exercises/01-send-it/solution/main.rs", &server("not Rust"));
    let (code, output) = sample.run(&["check", "01", "--solutions"]);
    assert_eq!(code, 1);
    assert_contains(&output, &["fix the error", "2 errors in 1 program "]);
}

fn the_title_comes_from_exercise_toml() {
    let sample = Sample::new();
    sample.replace("01-send-it/exercise.toml", "Send it first", "First bytes");
    assert_contains(&sample.run(&["list"]).1, &[" 01  next  First bytes          5"]);
}

fn an_invalid_exercise_toml_is_reported() {
    for (from, to, error) in [
        ("[\"size-1\"", "[\"size-one\"", "there is no check `size-one`\nhelp: run `cargo run -p"),
        ("check = \"size-1\"", "check = \"half-close\"", "`half-close` is neither in `checks` nor"),
        ("{port}", "4000", "`arguments` lacks the placeholder {port}"),
        ("minutes", "minuets", "unknown field `minuets`"),
        (
            "[starter]",
            "[[measure]]\nwhat = \"threads\"\nexplanation = \"\"\n[starter]",
            "`threads` requires at_most or at_least",
        ),
        ("diagnosis = \"line-ends\"", "diagnosis = \"b\"", "there is no diagnosis `b`"),
        ("id = \"line-ends\"", "id = \"nothing-first\"", "two diagnoses have the id"),
    ] {
        let sample = Sample::new();
        sample.replace("01-send-it/exercise.toml", from, to);
        let (code, output) = sample.run(&["list"]);
        assert_eq!(code, 2, "{output}");
        assert_contains(&output.replace("\n", " "), &["error: invalid `", "exercise.toml`: "]);
        assert_contains(&output.replace("\n", " "), &[&error.replace("\n", " ")]);
    }
}
