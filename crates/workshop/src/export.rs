//! The command `export`, which writes the learner's progress as one line of JSON.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::course::Course;
use crate::folders;
use crate::progress::{self, Progress};

/// The progress of a learner.
#[derive(Debug, Serialize)]
struct Export<'a> {
    /// The version of the kit.
    kit: &'a str,
    /// The time of the export in UTC.
    time: String,
    /// The name that the learner entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    exercises: Vec<ExportedExercise<'a>>,
}

/// The progress in one exercise. The fields contain the same values as the progress file.
#[derive(Debug, Serialize)]
struct ExportedExercise<'a> {
    number: &'a str,
    name: &'a str,
    title: &'a str,
    done: Option<String>,
    with_command: bool,
    hints: usize,
    solution_seen: bool,
    failed: Option<String>,
}

/// Writes the progress to the file `output`, or to stdout if there is no file.
pub fn export(course: &Course, name: Option<&str>, output: Option<&Path>) -> Result<bool> {
    let progress = Progress::read(&course.work)?;
    let exercises = course.exercises.iter().map(|exercise| {
        let note = progress.note(&exercise.number);
        ExportedExercise {
            number: &exercise.number,
            name: &exercise.name,
            title: &exercise.plan.title,
            done: note.done,
            with_command: note.is_command,
            hints: note.hints,
            solution_seen: note.has_seen_solution,
            failed: note.failed,
        }
    });
    let export = Export {
        kit: env!("CARGO_PKG_VERSION"),
        time: progress::now(),
        name,
        exercises: exercises.collect(),
    };
    let text = serde_json::to_string(&export)? + "\n";
    match output {
        Some(path) => folders::write(path, &text)?,
        None => io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")?,
    }
    Ok(true)
}
