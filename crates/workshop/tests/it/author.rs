//! What an author does: prove that the exercises are what they should be.

use crate::assert_says;
use crate::sample::{Sample, server};

#[test]
fn exercises_are_proved() {
    let sample = Sample::new();
    let (code, says) = sample.run(&["check", "--all"]);
    assert_eq!(code, 0, "{says}");
    assert_says(&says, &["6 programs of 2 exercises as they should be, and links both ways"]);

    // Whatever has both places can be graded: this one was built by the proof.
    let program = sample.path("target/workshop/debug/examples/solution-01");
    let command = format!("'{}' {{file}} {{port}}", program.display());
    let (code, says) = sample.run(&["check", "1", "--cmd", &command]);
    assert_eq!(code, 0, "{says}");

    let plan = "01-say-it/exercise.toml";
    sample.replace(plan, "byte 0 differs", "some other words");
    sample.replace(plan, "stumble = \"line-ends\"", "stumble = \"nothing-first\"");
    sample.replace("01-say-it/hints.md", "A direction.", "");
    sample.replace("02-again/README.md", "../../01-lesson.md", "../../02-lesson.md");
    sample.write("lessons/exercises/02-again/wrong/stray.rs", "");
    sample.replace("02-again/solution/main.rs", "HTTP/1.1", "HTTP/1.0");
    let (code, says) = sample.run(&["check", "--all"]);
    assert_eq!(code, 1);
    let faults = [
        "size-1 is red with other words: byte 0 differs",
        "it is green as far as size-1",
        "hint 2 is empty",
        "a link to ../../01-lesson.md",
        "exercise.toml does not name it",
        "the solution is red: size-1: byte 7 differs",
        "6 faults in 6 programs of 2 exercises",
    ];
    assert_says(&says, &faults);
}

#[test]
fn programs_that_are_not_as_they_should_be_are_named() {
    let sample = Sample::new();
    sample.learner_writes(&sample.read("01-say-it/solution/main.rs"));
    sample.write("lessons/exercises/01-say-it/wrong/crlf.rs", &server("let unused = 1;"));
    sample.write("lessons/exercises/01-say-it/solution/main.rs", &server("not Rust"));
    let (code, says) = sample.run(&["check", "01", "--starters", "--solutions", "--wrongs"]);
    assert_eq!(code, 1);
    let faults = [
        "it is not the starter that is kept for `reset`",
        "the starter is green",
        "unused variable",
        "it has to compile",
        "4 faults in 3 programs of 1 exercise",
    ];
    assert_says(&says, &faults);
    // The author meant it.
    sample.run(&["keep", "01"]);
    assert_eq!(sample.read("01-say-it/src/main.rs"), sample.read("01-say-it/starter/main.rs"));
}
