//! `watch`: grades an exercise again whenever the learner saves a file.

use std::fs;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use notify::{RecursiveMode, Watcher};

use crate::check;
use crate::exercise::Exercise;
use crate::folders;
use crate::learn;
use crate::output;
use crate::place::{Place, shown};
use crate::progress::Progress;

/// How long the files must not change before they count as saved. An editor may write a file in
/// several steps, or write a new file and rename it.
const SETTLING_TIME: Duration = Duration::from_millis(100);

/// How often the files are polled. Some folders have no change notifications, for example those
/// that a container or a virtual machine shares.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// An event that wakes `watch`.
enum Event {
    /// A file in the folder changed.
    Changed,
    /// The learner entered a line.
    Input(String),
}

/// The next step of `watch`.
enum Step<'a> {
    Check(&'a Exercise),
    Wait,
    End,
}

/// Checks an exercise now and after every change, until the learner quits.
///
/// # Errors
///
/// Fails if the exercise cannot be read.
pub fn watch<'a>(place: &'a Place, first: &'a Exercise) -> Result<bool, String> {
    let (sender, receiver) = mpsc::channel();
    let mut exercise = first;
    let input = sender.clone();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if input.send(Event::Input(line)).is_err() {
                return;
            }
        }
    });
    'exercises: loop {
        let _watcher = watcher(&exercise.folder, &sender);
        loop {
            let before = sources(exercise);
            if let Err(message) = check::check(place, exercise, None) {
                output::bad(&message);
            }
            print_waiting(exercise);
            let step = loop {
                match wait(place, exercise, &before, &receiver)? {
                    Step::Wait => {}
                    step => break step,
                }
            };
            match step {
                Step::End => return Ok(true),
                Step::Check(next) if next.name != exercise.name => {
                    exercise = next;
                    learn::print_exercise(place, exercise);
                    continue 'exercises;
                }
                Step::Check(_) | Step::Wait => {}
            }
        }
    }
}

/// Waits for the next step.
fn wait<'a>(
    place: &'a Place,
    exercise: &'a Exercise,
    before: &Sources,
    receiver: &Receiver<Event>,
) -> Result<Step<'a>, String> {
    match receiver.recv_timeout(POLL_INTERVAL) {
        Ok(Event::Input(line)) => return handle_input(place, exercise, line.trim()),
        Ok(Event::Changed) => {
            // Input during this time is handled later.
            while let Ok(Event::Changed) = receiver.recv_timeout(SETTLING_TIME) {}
        }
        Err(_) => {}
    }
    let now = sources(exercise);
    // Ignore an editor's temporary files, and the moment in a rename when the file is missing.
    if now == *before || now.is_empty() {
        return Ok(Step::Wait);
    }
    output::line("Saved: checking again.");
    Ok(Step::Check(exercise))
}

fn handle_input<'a>(
    place: &'a Place,
    exercise: &'a Exercise,
    line: &str,
) -> Result<Step<'a>, String> {
    match line {
        "" => return Ok(Step::Check(exercise)),
        "q" => return Ok(Step::End),
        "h" => {
            learn::hint(place, exercise, false)?;
        }
        "n" => match next_after(place, exercise)? {
            Some(next) => return Ok(Step::Check(next)),
            None => output::line("All other exercises are done."),
        },
        other => output::line(format!("unknown command `{other}`")),
    }
    print_waiting(exercise);
    Ok(Step::Wait)
}

fn print_waiting(exercise: &Exercise) {
    output::line("");
    output::line(format!("Waiting for changes of {}", shown(&exercise.main_file())));
    output::line(
        "Keys, followed by Enter:  h hint,  n next exercise,  q quit,  Enter alone: check again",
    );
}

/// Returns the next exercise that is not done: the first later one, or else the first one.
fn next_after<'a>(place: &'a Place, exercise: &Exercise) -> Result<Option<&'a Exercise>, String> {
    let progress = Progress::read(&place.folder)?;
    let is_open = |other: &&Exercise| {
        other.name != exercise.name && progress.note(&other.name).done.is_none()
    };
    let later = |other: &&Exercise| other.name > exercise.name;
    let mut open = place.exercises.iter().filter(is_open);
    let first = open.clone().next();
    Ok(open.find(later).or(first))
}

/// Watches a folder for changes. Returns `None` if that fails; polling is the fallback.
fn watcher(folder: &Path, sender: &Sender<Event>) -> Option<notify::RecommendedWatcher> {
    let sender = sender.clone();
    let on_change = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = sender.send(Event::Changed);
        }
    };
    let mut watcher = notify::recommended_watcher(on_change).ok()?;
    watcher.watch(folder, RecursiveMode::Recursive).ok()?;
    Some(watcher)
}

type Sources = Vec<(PathBuf, Vec<u8>)>;

/// Returns the source files of the program, with their content.
fn sources(exercise: &Exercise) -> Sources {
    let source = exercise.folder.join("src");
    let names = folders::files(&source).unwrap_or_default();
    let mut files: Vec<PathBuf> = names.iter().map(|name| source.join(name)).collect();
    files.push(exercise.folder.join("Cargo.toml"));
    let is_source = |file: &PathBuf| {
        file.extension().is_some_and(|extension| extension == "rs" || extension == "toml")
    };
    let read = |file: PathBuf| fs::read(&file).ok().map(|content| (file, content));
    files.into_iter().filter(is_source).filter_map(read).collect()
}
