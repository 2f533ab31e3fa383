//! Tests of the order of the exercises, and of the learner's progress.

use std::fs;

use crate::assert_contains;
use crate::sample::{CORRECT, Sample, server};

pub const TESTS: &[(&str, fn())] = &[
    ("exercises_are_in_the_order_of_the_lessons", exercises_are_in_the_order_of_the_lessons),
    (
        "the_next_exercise_follows_the_exercise_that_was_done_last",
        the_next_exercise_follows_the_exercise_that_was_done_last,
    ),
    ("a_pass_with_a_command_is_noted", a_pass_with_a_command_is_noted),
    ("export_writes_the_progress_as_json", export_writes_the_progress_as_json),
];

/// Adds an exercise 03 with a lesson before the other exercises.
fn add_exercise(sample: &Sample) {
    let from = sample.path("01-send-it");
    let to = sample.path("03-early");
    for folder in ["", "starter", "solution", "wrong"] {
        fs::create_dir_all(to.join(folder)).unwrap();
        for entry in fs::read_dir(from.join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), to.join(folder).join(entry.file_name())).unwrap();
            }
        }
    }
    sample.replace("03-early/Cargo.toml", "exercise-01", "exercise-03");
    sample.replace("03-early/Cargo.toml", "starter-01", "starter-03");
    sample.replace("03-early/exercise.toml", "01-lesson.md", "00-lesson.md");
    sample.write("lessons/00-lesson.md", "[3](exercises/03-early/README.md)");
    sample.replace("03-early/README.md", "01-lesson", "00-lesson");
    sample.replace("README.md", "[1]", "[3](03-early/README.md) [1]");
}

fn exercises_are_in_the_order_of_the_lessons() {
    let sample = Sample::new();
    assert!(!sample.run(&["list"]).1.contains("not in order"));
    add_exercise(&sample);
    let (_, output) = sample.run(&["list"]);
    assert_contains(
        &output,
        &["  00    03  next  ", "  01    01        ", "        02        ", "are not in order"],
    );
    let (code, output) = sample.run(&["check", "--links"]);
    assert_eq!(code, 1, "{output}");
    let output = output.split_whitespace().collect::<Vec<_>>().join(" ");
    let help = "with the line: Next: [01 Send it first](../01-send-it/README.md)";
    assert_contains(&output, &["03-early/README.md", "`Next: …`", help, "1 error "]);
    sample.replace("03-early/README.md", "[02", "[01");
    sample.replace("03-early/README.md", "02-again", "01-send-it");
    let (code, output) = sample.run(&["check", "--links"]);
    assert_eq!(code, 0, "{output}");
    sample.write("lessons/exercises/02-again/README.md", "[1](../../01-lesson.md)\n\nNext: [x](y)");
    assert_contains(&sample.run(&["check", "--links"]).1, &["this is the last exercise"]);
}

fn the_next_exercise_follows_the_exercise_that_was_done_last() {
    let sample = Sample::new();
    add_exercise(&sample);
    let next = |progress: &str| {
        sample.write("my-exercises/.progress", progress);
        sample.run(&["next"]).1
    };
    assert_contains(&next(""), &["Welcome", "Exercise 03"]);
    let (first, second) = ("done 2026-01-31T12:00:00Z\n", "done 2026-01-31T13:00:00Z\n");
    assert_contains(&next(&format!("01 {first}")), &["Exercise 02"]);
    assert_contains(&next(&format!("02 {first}")), &["Exercise 03"]);
    assert_contains(&next(&format!("02 {first}03 {second}")), &["Exercise 01"]);
    assert_contains(&next(&format!("01 {second}02 {first}")), &["Exercise 03"]);
    let all = format!("01 {first}02 {first}03 {second}");
    assert_contains(&next(&all), &["You have done all 3 exercises."]);
}

fn a_pass_with_a_command_is_noted() {
    let sample = Sample::new();
    sample.learner_writes(&server(CORRECT));
    assert_eq!(sample.run(&["check", "01"]).0, 0);
    let program = sample.path("target/workshop/debug/exercise-01");
    let command = format!("'{}' {{file}} {{port}}", program.display());
    assert_eq!(sample.run(&["check", "2", "--cmd", &command]).0, 0);
    assert_eq!(sample.run(&["check", "1", "--cmd", &command]).0, 0);
    let (_, list) = sample.run(&["list"]);
    assert_contains(&list, &["2 of 2 exercises done."]);
    assert_eq!(list.matches("passed with --cmd").count(), 1, "{list}");
    assert_contains(&sample.progress(), &["\n02 done 2", " command\n"]);
    sample.write("my-exercises/02-again/src/main.rs", &server(CORRECT));
    assert_eq!(sample.run(&["check", "2"]).0, 0);
    assert!(!sample.run(&["list"]).1.contains("passed with --cmd"));
}

fn export_writes_the_progress_as_json() {
    let sample = Sample::new();
    sample.write(
        "my-exercises/.progress",
        "01 done 2026-01-31T12:00:00Z command hints 2\n02 solution failed size-1\n",
    );
    let (code, output) = sample.run(&["export"]);
    assert_eq!(code, 0, "{output}");
    let json: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(json["kit"], env!("CARGO_PKG_VERSION"));
    assert!(json.get("name").is_none());
    let [first, second] = [0, 1].map(|index| json["exercises"][index].clone());
    let expected = serde_json::json!({
        "number": "01", "name": "01-send-it", "title": "Send it first",
        "done": "2026-01-31T12:00:00Z", "with_command": true, "hints": 2,
        "solution_seen": false, "failed": null,
    });
    assert_eq!(first, expected);
    assert_eq!(second["failed"], "size-1");
    assert_eq!(second["solution_seen"], true);
    let file = sample.work("ada.json");
    let arguments = ["export", "--name", "Ada", "--output", file.to_str().unwrap()];
    assert_eq!(sample.run(&arguments), (0, String::new()));
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(json["name"], "Ada");
}
