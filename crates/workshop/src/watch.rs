//! `watch`: grades again whenever the learner saves.

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
use crate::place::{Place, shown};
use crate::progress::Progress;
use crate::say;

/// How long nothing more may happen to the files before they are taken as saved: an editor may write
/// a file in several steps, or beside it and rename.
const SETTLING_TIME: Duration = Duration::from_millis(100);

/// How often the files are looked at where the system tells nothing: a folder that a container or a
/// virtual machine shares, say.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What wakes the watch.
enum Wake {
    /// Something happened in the folder.
    Touched,
    /// The learner typed a line.
    Typed(String),
}

/// What is to be done next.
enum Step<'a> {
    Check(&'a Exercise),
    Wait,
    End,
}

/// Checks an exercise now and after every change, until the learner ends it.
///
/// # Errors
///
/// When the exercise cannot be read.
pub fn watch<'a>(place: &'a Place, first: &'a Exercise) -> Result<bool, String> {
    let (tell, told) = mpsc::channel();
    let mut exercise = first;
    let typing = tell.clone();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if typing.send(Wake::Typed(line)).is_err() {
                return;
            }
        }
    });
    'exercises: loop {
        let _watcher = watcher(&exercise.folder, &tell);
        loop {
            let seen = sources(exercise);
            if let Err(message) = check::check(place, exercise, None) {
                say::bad(&message);
            }
            say_waiting(exercise);
            let step = loop {
                match wait(place, exercise, &seen, &told)? {
                    Step::Wait => {}
                    step => break step,
                }
            };
            match step {
                Step::End => return Ok(true),
                Step::Check(next) if next.name != exercise.name => {
                    exercise = next;
                    learn::say_exercise(place, exercise);
                    continue 'exercises;
                }
                Step::Check(_) | Step::Wait => {}
            }
        }
    }
}

/// Waits until something is to be done.
fn wait<'a>(
    place: &'a Place,
    exercise: &'a Exercise,
    seen: &Sources,
    told: &Receiver<Wake>,
) -> Result<Step<'a>, String> {
    match told.recv_timeout(LOOK_INTERVAL) {
        Ok(Wake::Typed(line)) => return typed(place, exercise, line.trim()),
        Ok(Wake::Touched) => {
            // What was typed meanwhile waits its turn: nobody types while an editor saves.
            while let Ok(Wake::Touched) = told.recv_timeout(SETTLING_TIME) {}
        }
        Err(_) => {}
    }
    let now = sources(exercise);
    // An editor's own files come and go; and there is a moment in a rename when nothing is there.
    if now == *seen || now.is_empty() {
        return Ok(Step::Wait);
    }
    say::line("Saved: checking again.");
    Ok(Step::Check(exercise))
}

fn typed<'a>(place: &'a Place, exercise: &'a Exercise, line: &str) -> Result<Step<'a>, String> {
    match line {
        "" => return Ok(Step::Check(exercise)),
        "q" => return Ok(Step::End),
        "h" => {
            learn::hint(place, exercise, false)?;
        }
        "n" => match next_after(place, exercise)? {
            Some(next) => return Ok(Step::Check(next)),
            None => say::line("There is no other exercise that is not done."),
        },
        other => say::line(format!("\"{other}\" means nothing here.")),
    }
    say_waiting(exercise);
    Ok(Step::Wait)
}

fn say_waiting(exercise: &Exercise) {
    say::line("");
    say::line(format!("Waiting until you save {}", shown(&exercise.main_file())));
    say::line("Or type, then Enter:  h a hint,  n the next one,  q the end,  nothing: again");
}

/// The next exercise that is not done: a later one, or else an earlier one.
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

/// Who is told of changes by the system; without it, looking now and then has to do.
fn watcher(folder: &Path, tell: &Sender<Wake>) -> Option<notify::RecommendedWatcher> {
    let tell = tell.clone();
    let touched = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = tell.send(Wake::Touched);
        }
    };
    let mut watcher = notify::recommended_watcher(touched).ok()?;
    watcher.watch(folder, RecursiveMode::Recursive).ok()?;
    Some(watcher)
}

type Sources = Vec<(PathBuf, Vec<u8>)>;

/// The files that the program is made of, with their content.
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
