//! The command `watch`, which grades an exercise again whenever the learner saves a file.

use std::io::{self, BufRead};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::check;
use crate::course::{Course, display_path};
use crate::exercise::Exercise;
use crate::folders::{self, Files};
use crate::learn;
use crate::output;
use crate::packages;
use crate::progress::Progress;

/// The interval at which the files are read. Reading a few small files takes less than a
/// millisecond. Polling also works in folders without change notifications, such as folders that a
/// container shares with its host.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Checks an exercise now and after every change, until the learner quits.
pub fn watch<'a>(course: &'a Course, first: &'a Exercise) -> Result<bool> {
    let (sender, input) = mpsc::channel();
    // `sender` keeps the channel open after the end of stdin, so that `recv_timeout` still waits.
    let input_sender = sender.clone();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let _ = input_sender.send(line);
        }
    });
    let mut exercise = first;
    loop {
        let checked = sources(course, exercise);
        if let Err(error) = check::check(course, exercise, None) {
            output::error(&error);
        }
        print_waiting(course, exercise);
        match wait(course, exercise, &checked, &input)? {
            Some(next) if next.name != exercise.name => {
                exercise = next;
                learn::print_exercise(course, exercise);
            }
            Some(_) => {}
            None => return Ok(true),
        }
    }
}

/// Waits until a file changes or the learner enters a line. Returns the exercise to check, or
/// `None` if the learner quits.
fn wait<'a>(
    course: &'a Course,
    exercise: &'a Exercise,
    checked: &Files,
    input: &Receiver<String>,
) -> Result<Option<&'a Exercise>> {
    let mut last = sources(course, exercise);
    loop {
        let Ok(line) = input.recv_timeout(POLL_INTERVAL) else {
            let now = sources(course, exercise);
            // An editor may write a file in several steps, or write a new file and rename it.
            // Therefore, the files count as saved only if they have not changed between two polls.
            if now != *checked && now == last && now.contains_key(Path::new("main.rs")) {
                output::line("Saved: checking again.");
                return Ok(Some(exercise));
            }
            last = now;
            continue;
        };
        match line.trim() {
            "" => return Ok(Some(exercise)),
            "q" => return Ok(None),
            "h" => drop(learn::hint(course, exercise, false)?),
            "n" => match next_after(course, exercise)? {
                Some(next) => return Ok(Some(next)),
                None => output::line("All other exercises are done."),
            },
            other => output::line(format!("unknown command `{other}`")),
        }
        print_waiting(course, exercise);
    }
}

fn print_waiting(course: &Course, exercise: &Exercise) {
    output::line("");
    output::line(format!("Waiting for changes to {}", display_path(&course.main_file(exercise))));
    output::line("Press Enter to check again, or enter h (hint), n (next exercise) or q (quit).");
}

/// Returns the next exercise that is not done. After the last exercise, the search continues with
/// the first exercise. Returns `None` if all other exercises are done.
fn next_after<'a>(course: &'a Course, exercise: &Exercise) -> Result<Option<&'a Exercise>> {
    let progress = Progress::read(&course.work)?;
    let is_open =
        |other: &&Exercise| other.name != exercise.name && !progress.is_done(&other.number);
    let mut open = course.exercises.iter().filter(is_open);
    let first = open.clone().next();
    let position =
        |one: &Exercise| course.exercises.iter().position(|other| other.name == one.name);
    Ok(open.find(|other| position(other) > position(exercise)).or(first))
}

/// Returns the Rust source files and the Cargo.toml of the exercise, or no files if they cannot be
/// read.
fn sources(course: &Course, exercise: &Exercise) -> Files {
    let mut files = folders::read(&packages::learner_source(course, exercise)).unwrap_or_default();
    // Ignore an editor's temporary files.
    files.retain(|name, _| name.extension().is_some_and(|extension| extension == "rs"));
    if let Ok(content) = std::fs::read(course.work.join(&exercise.name).join("Cargo.toml")) {
        files.insert("Cargo.toml".into(), content);
    }
    files
}
