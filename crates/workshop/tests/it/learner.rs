//! Tests of the commands for learners.

use crate::assert_contains;
use crate::sample::{CORRECT, PROGRAM, Sample, server, wait_for_exit};

pub const TESTS: &[(&str, fn())] = &[
    ("a_learner_solves_an_exercise_with_hints", a_learner_solves_an_exercise_with_hints),
    (
        "a_diagnosis_explains_a_failure_of_a_later_check",
        a_diagnosis_explains_a_failure_of_a_later_check,
    ),
    ("a_compiler_error_is_shown", a_compiler_error_is_shown),
    (
        "compiler_warnings_are_counted_after_the_verdict",
        compiler_warnings_are_counted_after_the_verdict,
    ),
    ("watch_rejects_a_command", watch_rejects_a_command),
    ("a_server_that_never_listens_is_stopped", a_server_that_never_listens_is_stopped),
    (
        "a_failure_without_a_diagnosis_has_a_general_explanation",
        a_failure_without_a_diagnosis_has_a_general_explanation,
    ),
    #[cfg(target_os = "linux")]
    ("measurements_are_graded", measurements_are_graded),
    ("reset_keeps_a_copy_of_the_work", reset_keeps_a_copy_of_the_work),
    ("work_of_an_earlier_version_is_moved", work_of_an_earlier_version_is_moved),
    (
        "a_new_starter_replaces_only_an_unchanged_starter",
        a_new_starter_replaces_only_an_unchanged_starter,
    ),
    ("a_hint_shows_the_part_for_the_last_failure", a_hint_shows_the_part_for_the_last_failure),
    (
        "an_exercise_about_rust_rejects_other_programs",
        an_exercise_about_rust_rejects_other_programs,
    ),
    (
        "a_command_must_contain_all_placeholders_of_the_exercise",
        a_command_must_contain_all_placeholders_of_the_exercise,
    ),
    ("reset_ignores_line_endings", reset_ignores_line_endings),
    ("progress_is_written_and_read_back", progress_is_written_and_read_back),
    ("progress_under_an_earlier_folder_name_counts", progress_under_an_earlier_folder_name_counts),
    (
        "an_invalid_line_of_the_progress_file_is_reported",
        an_invalid_line_of_the_progress_file_is_reported,
    ),
    ("a_solution_requires_confirmation", a_solution_requires_confirmation),
    (
        "without_cargo_the_current_folder_is_used_and_a_command_is_graded",
        without_cargo_the_current_folder_is_used_and_a_command_is_graded,
    ),
    ("an_unknown_exercise_is_reported", an_unknown_exercise_is_reported),
];

fn a_learner_solves_an_exercise_with_hints() {
    let sample = Sample::new();
    let (code, output) = sample.run(&[]);
    assert_eq!(code, 0);
    assert_contains(&output, &["Welcome", "Exercise 01, Send it first (5 minutes)", "main.rs:19"]);

    let (code, output) = sample.run(&["check"]);
    assert_eq!(code, 1, "{output}");
    let failure = ["FAIL     size-1", "actual", "offset 0 differs", "Your file is unchanged."];
    assert_contains(&output, &failure);
    assert_contains(&output, &["just exercise hint 01"]);
    assert!(!output.contains("without a preamble"), "expected no diagnosis in:\n{output}");

    sample.learner_writes(&server("// An attempt."));
    let (code, output) = sample.run(&["check"]);
    assert_eq!(code, 1, "{output}");
    assert_contains(&output, &["The file arrives without a preamble."]);

    assert_contains(
        &sample.run(&["hint"]).1,
        &["Hint 1 of 3", "The first hint.", "just exercise hint 01"],
    );
    assert_contains(&sample.run(&["hint", "1"]).1, &["Hint 2 of 3", "The second hint."]);
    let (_, again) = sample.run(&["hint", "01-send-it", "--again"]);
    assert_contains(&again, &["The first hint.", "The second hint."]);
    assert!(!again.contains("The third hint."), "{again}");

    sample.learner_writes(&server(CORRECT));
    let (code, output) = sample.run(&["check", "01"]);
    assert_eq!(code, 0, "{output}");
    assert_contains(
        &output,
        &["Passed. Exercise 01 is done (1 of 2 exercises).", "(02, Send it first: 5 minutes)"],
    );
    assert_contains(
        &sample.run(&["list"]).1,
        &[" 01  done", "2 hints", " 02  next", "1 of 2 exercises done."],
    );
    assert_contains(&sample.run(&["next"]).1, &["Exercise 02"]);
    assert_contains(
        &sample.progress(),
        &["You can edit or delete this file", "01 done 2", "hints 2"],
    );
}

fn a_diagnosis_explains_a_failure_of_a_later_check() {
    let sample = Sample::new();
    sample.learner_writes(&sample.read("01-send-it/wrong/crlf.rs"));
    let (code, output) = sample.run(&["check"]);
    assert_eq!(code, 1);
    assert_contains(
        &output,
        &["pass     size-1", "FAIL     preamble", "A line must end with a bare newline"],
    );
}

fn a_compiler_error_is_shown() {
    let sample = Sample::new();
    sample.learner_writes(&server("stream.write_al(b\"\")?;"));
    let (code, output) = sample.run(&["check"]);
    assert_eq!(code, 1);
    assert_contains(
        &output,
        &["no method named `write_al`", "Your server does not compile yet.", "main.rs:19"],
    );
}

fn compiler_warnings_are_counted_after_the_verdict() {
    let sample = Sample::new();
    sample.learner_writes(&server("let unused = 1;"));
    let (code, output) = sample.run(&["check"]);
    assert_eq!(code, 1);
    assert_contains(&output, &["The compiler printed 1 warning above."]);
}

fn watch_rejects_a_command() {
    let (code, output) = Sample::new().run(&["watch", "01", "--cmd", "node {file} {port}"]);
    assert_eq!(code, 2);
    assert_contains(&output, &["`watch` grades only your Rust program", "just exercise check"]);
}

fn a_server_that_never_listens_is_stopped() {
    let sample = Sample::new();
    sample.learner_writes("fn main() { loop { std::thread::park() } }");
    let (code, output) = sample.run(&["check"]);
    assert_eq!(code, 1);
    assert_contains(
        &output,
        &["FAIL     size-1", "no process listens on port", "later    preamble"],
    );
    assert_contains(&output, &["does not listen where the checks connect"]);
}

fn a_failure_without_a_diagnosis_has_a_general_explanation() {
    let sample = Sample::new();
    let reply =
        r#"stream.write_all(if content.len() == 1 { b"HTTP/1.1\n\n" } else { b"HTTP/1.1\n!" })?;"#;
    sample.learner_writes(&server(reply));
    let (code, output) = sample.run(&["check"]);
    assert_eq!(code, 1);
    assert_contains(
        &output,
        &[
            "pass     size-1",
            "FAIL     preamble",
            "offset 9 differs",
            "The bytes before this position",
        ],
    );
}

#[cfg(target_os = "linux")]
fn measurements_are_graded() {
    let sample = Sample::new();
    let threads = server(CORRECT).replace(
        "handle_connection(stream?, &arguments[1])?;",
        "let (stream, path) = (stream?, arguments[1].clone());
        std::thread::spawn(move || handle_connection(stream, &path));",
    );
    sample.learner_writes(&threads);
    sample.write("lessons/exercises/01-send-it/starter/main.rs", &threads);
    let measures = [
        ("threads", "clients = 4\nat_most = 2"),
        ("memory-kib", "clients = 4\nbytes = 2_000_000\nat_most = 1000"),
        ("read-calls", "bytes = 1_000_000\nat_least = 1000"),
        ("cpu-ms", "clients = 1\nbytes = 2_000_000\nat_most = 900"),
        ("blocked-in", "clients = 1\nbytes = 2_000_000\nis = \"write sendto\""),
        ("times-starter", "bytes = 1000\nat_most = 1000"),
        ("started-threads", "clients = 2\nat_most = 4"),
        ("cpu-per-client", ""),
        ("source-lacks", "word = \"thread::spawn\""),
    ];
    for (what, bounds) in measures {
        let measure = format!(
            "[[measure]]\nwhat = \"{what}\"\n{bounds}\nexplanation = \"The explanation of \
                     {what}.\"\n"
        );
        sample.append("01-send-it/exercise.toml", &measure);
    }
    let (code, output) = sample.run(&["check"]);
    assert_eq!(code, 1);
    let verdicts = [
        "pass     preamble",
        "FAIL     threads          Threads with 4 non-reading clients: at most 2",
        "FAIL     memory-kib",
        "FAIL     read-calls",
        "pass     cpu-ms",
        "pass     blocked-in       A thread waits in write or sendto",
        "pass     times-starter",
        "FAIL     started-threads",
        "pass     cpu-per-client   CPU time per client (your server:",
        "FAIL     source-lacks",
        // The server has one thread per client, and the main thread.
        "expected at most 2, got 5",
        "The explanation of threads.",
    ];
    assert_contains(&output, &verdicts);
}

fn reset_keeps_a_copy_of_the_work() {
    let sample = Sample::new();
    assert_contains(&sample.run(&["reset", "01"]).1, &["nothing to reset"]);
    sample.learner_writes("fn main() {} // hours of work");
    sample.write("my-exercises/01-send-it/src/more.rs", "// more of it");
    let (code, output) = sample.run(&["reset", "01"]);
    assert_eq!(code, 0, "{output}");
    let work = std::fs::read_to_string(sample.work("01-send-it/src/main.rs")).unwrap();
    assert_eq!(work, sample.read("01-send-it/starter/main.rs"));
    assert!(!sample.work("01-send-it/src/more.rs").exists());
    let copies = std::fs::read_dir(sample.work(".copies/01-send-it")).unwrap();
    let copies: Vec<_> = copies.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(copies.len(), 1);
    let kept = std::fs::read_to_string(copies[0].join("main.rs")).unwrap();
    assert_eq!(kept, "fn main() {} // hours of work");
    assert!(copies[0].join("more.rs").exists());
    assert_contains(&sample.run(&["reset"]).1, &["NN"]);
}

fn work_of_an_earlier_version_is_moved() {
    let sample = Sample::new();
    let exercises = sample.path("");
    sample.write("lessons/exercises/01-send-it/src/main.rs", "fn main() {} // hours of work");
    sample.write("lessons/exercises/.progress", "01 hints 2\n");
    assert_contains(&sample.run(&["list"]).1, &["2 hints"]);
    let work = std::fs::read_to_string(sample.work("01-send-it/src/main.rs")).unwrap();
    assert_eq!(work, "fn main() {} // hours of work");
    assert!(!exercises.join("01-send-it/src").exists());
    assert!(!exercises.join(".progress").exists());
}

fn a_new_starter_replaces_only_an_unchanged_starter() {
    let sample = Sample::new();
    sample.write("lessons/exercises/01-send-it/shared.rs", "// Shared by all answers.");
    sample.run(&["next"]);
    assert!(sample.work("01-send-it/shared.rs").exists());
    let changed = server("// An attempt.");
    sample.write("my-exercises/02-again/src/main.rs", &changed);
    for name in ["01-send-it", "02-again"] {
        sample.write(&format!("lessons/exercises/{name}/starter/main.rs"), &server("// New."));
    }
    sample.run(&["next"]);
    let read = |file: &str| std::fs::read_to_string(sample.work(file)).unwrap();
    assert_eq!(read("01-send-it/src/main.rs"), server("// New."));
    assert_eq!(read("02-again/src/main.rs"), changed);
}

fn a_hint_shows_the_part_for_the_last_failure() {
    let sample = Sample::new();
    let hint = "The first hint.\n\n### size-1\n\nFor size-1.\n\n### other\n\nFor others.";
    sample.replace("01-send-it/hints.md", "The first hint.", hint);
    let again = |sample: &Sample| sample.run(&["hint", "01", "--again"]).1;
    assert_contains(&sample.run(&["hint", "01"]).1, &["The first hint.", "For others."]);
    sample.run(&["check", "01"]);
    assert_contains(&again(&sample), &["The first hint.", "For size-1."]);
    assert!(!again(&sample).contains("For others."));
    sample.replace("01-send-it/hints.md", "### other", "### another");
    let error = again(&sample).replace('\n', " ");
    assert_contains(&error, &["hint 1 has a part for `another`"]);
}

fn an_exercise_about_rust_rejects_other_programs() {
    let sample = Sample::new();
    sample.replace(
        "01-send-it/exercise.toml",
        "[starter]",
        "rust_only = \"the subject is a Rust type\"\n[starter]",
    );
    let (code, output) = sample.run(&["check", "01", "--cmd", "node {file} {port}"]);
    assert_eq!(code, 2, "{output}");
    assert_contains(&output, &["exercise 01 does not accept `--cmd`: the subject is a Rust type"]);
}

fn a_command_must_contain_all_placeholders_of_the_exercise() {
    let sample = Sample::new();
    sample.replace("01-send-it/exercise.toml", "{file} {port}", "{file} {port} {chunk}");
    let (code, output) = sample.run(&["check", "01", "--cmd", "node {file} {port}"]);
    assert_eq!(code, 2, "{output}");
    assert_contains(&output, &["the command has no {chunk}", "{file} {port} {chunk}"]);
}

fn reset_ignores_line_endings() {
    let sample = Sample::new();
    sample.run(&["next"]);
    sample.learner_writes(&server("").replace('\n', "\r\n"));
    assert_contains(&sample.run(&["reset", "01"]).1, &["There is nothing to reset"]);
    sample.learner_writes(&server("").replacen("fn main", "fn  main", 1));
    assert_contains(&sample.run(&["reset", "01"]).1, &["The starter of exercise 01 is restored."]);
}

fn progress_is_written_and_read_back() {
    let sample = Sample::new();
    sample.write("my-exercises/.progress", "# a comment\n01 done 2026-01-31T12:00:00Z hints 2\n");
    sample.run(&["hint", "02"]);
    let expected = ["\n01 done 2026-01-31T12:00:00Z hints 2\n", "\n02 hints 1\n"];
    assert_contains(&sample.progress(), &expected);
    assert_contains(&sample.run(&["list"]).1, &[" 01  done", "2 hints", " 02  next"]);
}

fn progress_under_an_earlier_folder_name_counts() {
    let sample = Sample::new();
    sample.write(
        "my-exercises/.progress",
        "01-earlier-name done 2026-01-31T12:00:00Z hints 2\n01-send-it hints 1 solution\n",
    );
    assert_contains(&sample.run(&["list"]).1, &[" 01  done", "2 hints, solution seen"]);
    sample.run(&["hint", "02-earlier-name"]);
    let expected = ["\n01 done 2026-01-31T12:00:00Z hints 2 solution\n", "\n02 hints 1\n"];
    assert_contains(&sample.progress(), &expected);
}

fn an_invalid_line_of_the_progress_file_is_reported() {
    let sample = Sample::new();
    sample.write("my-exercises/.progress", "# a comment\n01 dome\n");
    let (code, output) = sample.run(&["list"]);
    assert_eq!(code, 2, "{output}");
    let output = output.replace('\n', " ");
    assert_contains(&output, &["error: ", ".progress:2: invalid line \"01 dome\" help:"]);
}

fn a_solution_requires_confirmation() {
    let sample = Sample::new();
    let (code, output) = sample.run(&["solution", "1"]);
    assert_eq!(code, 2);
    assert_contains(&output, &["--yes"]);
    assert!(!output.contains("write_all"), "{output}");
    assert_contains(
        &sample.run(&["solution", "1", "--yes"]).1,
        &["One of many solutions", CORRECT],
    );
    assert_contains(&sample.run(&["list"]).1, &["solution seen"]);
}

/// Simulates a learner who has not installed Rust and runs a released program in a clone of the
/// kit.
fn without_cargo_the_current_folder_is_used_and_a_command_is_graded() {
    let sample = Sample::new();
    sample.learner_writes(&server(CORRECT));
    assert_eq!(sample.run(&["check", "01"]).0, 0);
    let server = sample.path("target/workshop/debug/exercise-01");
    let server = format!("'{}' {{file}} {{port}}", server.display());
    let run = |arguments: &[&str]| {
        let mut command = sample.installed_command();
        wait_for_exit(command.args(arguments).spawn().unwrap())
    };
    assert_contains(&run(&["next"]).1, &["Exercise 02", &format!("{PROGRAM} check 02")]);
    let (code, output) = run(&["check", "02", "--cmd", &server]);
    assert_eq!(code, 0, "{output}");
    assert_contains(&output, &["Exercise 02 is done"]);
    assert_contains(&run(&["check", "02"]).1, &["cannot start `cargo`", "https://rustup.rs"]);
}

fn an_unknown_exercise_is_reported() {
    let sample = Sample::new();
    let (code, output) = sample.run(&["check", "7"]);
    assert_eq!(code, 2);
    assert_contains(&output, &["no exercise `7`", "01 to 02", "just exercise list"]);
}
