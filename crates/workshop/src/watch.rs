//! `watch`: grades an exercise again whenever the learner saves a file.

use std::io::{self, BufRead};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::check;
use crate::exercise::Exercise;
use crate::folders::{self, Files};
use crate::learn;
use crate::output;
use crate::place::{Place, shown};
use crate::progress::Progress;

/// The interval between two checks of the files. Reading a few small files costs less than a
/// millisecond. Reading also works in folders without change notifications, such as those that a
/// container shares.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Checks an exercise now and after every change, until the learner quits.
pub fn watch<'a>(place: &'a Place, first: &'a Exercise) -> Result<bool> {
    let (sender, input) = mpsc::channel();
    // If stdin ends, the channel stays open, so that `recv_timeout` still waits.
    let input_sender = sender.clone();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let _ = input_sender.send(line);
        }
    });
    let mut exercise = first;
    loop {
        let checked = sources(exercise);
        if let Err(error) = check::check(place, exercise, None) {
            output::error(&error);
        }
        print_waiting(exercise);
        match wait(place, exercise, &checked, &input)? {
            Some(next) if next.name != exercise.name => {
                exercise = next;
                learn::print_exercise(place, exercise);
            }
            Some(_) => {}
            None => return Ok(true),
        }
    }
}

/// Waits for a change of the files or for a line of input. Returns the exercise to check, or `None`
/// if the learner quits.
fn wait<'a>(
    place: &'a Place,
    exercise: &'a Exercise,
    checked: &Files,
    input: &Receiver<String>,
) -> Result<Option<&'a Exercise>> {
    let mut last = sources(exercise);
    loop {
        let Ok(line) = input.recv_timeout(POLL_INTERVAL) else {
            let now = sources(exercise);
            // An editor may write a file in several steps, or write a new file and rename it. So
            // the files count as saved when they have not changed between two polls.
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
            "h" => drop(learn::hint(place, exercise, false)?),
            "n" => match next_after(place, exercise)? {
                Some(next) => return Ok(Some(next)),
                None => output::line("All other exercises are done."),
            },
            other => output::line(format!("unknown command `{other}`")),
        }
        print_waiting(exercise);
    }
}

fn print_waiting(exercise: &Exercise) {
    output::line("");
    output::line(format!("Waiting for changes of {}", shown(&exercise.main_file())));
    output::line("Enter: check again;  h Enter: hint;  n Enter: next exercise;  q Enter: quit");
}

/// Returns the next exercise that is not done: the first later one, or else the first one.
fn next_after<'a>(place: &'a Place, exercise: &Exercise) -> Result<Option<&'a Exercise>> {
    let progress = Progress::read(&place.folder)?;
    let is_open = |other: &&Exercise| other.name != exercise.name && !progress.is_done(&other.name);
    let mut open = place.exercises.iter().filter(is_open);
    let first = open.clone().next();
    Ok(open.find(|other| other.name > exercise.name).or(first))
}

/// Returns the source files of the program, as far as they can be read now.
fn sources(exercise: &Exercise) -> Files {
    let mut files = folders::read(&exercise.source()).unwrap_or_default();
    // Ignore an editor's temporary files.
    files.retain(|name, _| name.extension().is_some_and(|extension| extension == "rs"));
    if let Ok(content) = std::fs::read(exercise.folder.join("Cargo.toml")) {
        files.insert("Cargo.toml".into(), content);
    }
    files
}
