//! The other commands of a learner: list, next, hint, solution, run, reset and warm.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::Command;

use crate::cargo;
use crate::check;
use crate::exercise::Exercise;
use crate::folders;
use crate::output;
use crate::place::{Place, called_as, shown};
use crate::progress::{self, Progress};

/// The folder for copies of work that `reset` replaces.
const COPIES: &str = ".copies";

/// Prints all exercises and their state.
///
/// # Errors
///
/// Fails if the progress cannot be read.
pub fn list(place: &Place) -> Result<bool, String> {
    let progress = Progress::read(&place.folder)?;
    let next = place.next(&progress).map(|next| next.name.as_str());
    let width = place.exercises.iter().map(|one| one.plan.title.chars().count()).max().unwrap_or(0);
    output::line(format!("     {:5} {:width$}  minutes  notes", "", "exercise"));
    let mut done_count = 0;
    for exercise in &place.exercises {
        let note = progress.note(&exercise.name);
        let word = match note.done {
            Some(_) => "done",
            None if next == Some(&exercise.name) => "next",
            None => "",
        };
        done_count += usize::from(note.done.is_some());
        let mut notes = Vec::new();
        notes.extend((note.hints > 0).then(|| output::count(note.hints, "hint")));
        notes.extend(note.has_seen_solution.then(|| "solution seen".to_owned()));
        let (number, title, minutes) =
            (&exercise.number, &exercise.plan.title, exercise.plan.minutes);
        let notes = notes.join(", ");
        let row = format!(" {number}  {word:5} {title:width$}  {minutes:7}  {notes}");
        output::line(row.trim_end());
    }
    output::line("");
    output::line(format!("{done_count} of {} done.", place.exercises.len()));
    output::rows(&[("continue", called_as("next"))]);
    Ok(true)
}

/// Prints what to do next.
///
/// # Errors
///
/// Fails if the progress cannot be read.
pub fn next(place: &Place) -> Result<bool, String> {
    let progress = Progress::read(&place.folder)?;
    let Some(exercise) = place.next(&progress) else {
        output::good(&format!("You have done all {} exercises.", place.exercises.len()));
        output::text("You can check any other server against the whole contract:");
        output::rows(&[(
            "",
            "cargo run -p conformance -- -- ./your-server {file} {port}".to_owned(),
        )]);
        return Ok(true);
    };
    if progress.is_empty() {
        output::text(
            "Welcome. Each exercise is a small server with a gap. You close the gap, and test \
             clients check the result. Every exercise fails at first, as intended.",
        );
    }
    print_exercise(place, exercise);
    Ok(true)
}

/// Prints the subject of an exercise and its commands.
pub fn print_exercise(place: &Place, exercise: &Exercise) {
    let Exercise { number, plan, .. } = exercise;
    output::heading(&format!("Exercise {number}, {} ({} minutes)", plan.title, plan.minutes));
    output::text(&plan.idea);
    output::line("");
    let line = exercise.your_turn_line().map_or_else(String::new, |line| format!(":{line}"));
    output::rows(&[
        ("read", shown(&place.lessons().join(&plan.lesson))),
        ("the task", shown(&exercise.folder.join("README.md"))),
        ("edit", format!("{}{line}", shown(&exercise.main_file()))),
        ("check it", called_as(&format!("check {number}"))),
        ("", format!("{}   (checks again after each save)", called_as(&format!("watch {number}")))),
        ("a hint", called_as(&format!("hint {number}"))),
        ("all exercises", called_as("list")),
    ]);
}

/// Prints the next hint, or the hints that were already taken.
///
/// # Errors
///
/// Fails if hints or progress cannot be read or written.
pub fn hint(place: &Place, exercise: &Exercise, is_again: bool) -> Result<bool, String> {
    let hints = exercise.hints()?;
    let mut progress = Progress::read(&place.folder)?;
    let taken = progress.note(&exercise.name).hints.min(hints.len());
    let number = &exercise.number;
    let shown_now = match is_again || taken == hints.len() {
        true => 0..taken,
        false => taken..taken + 1,
    };
    if shown_now.is_empty() {
        output::line("You have not taken a hint for this exercise yet.");
    }
    let last = shown_now.end;
    for index in shown_now {
        output::heading(&format!("Hint {} of {} for exercise {number}", index + 1, hints.len()));
        output::line("");
        output::markdown(&hints[index]);
    }
    if last > taken {
        progress.change(&exercise.name, |note| note.hints = last)?;
    }
    output::line("");
    match last < hints.len() {
        true => output::rows(&[("next hint", called_as(&format!("hint {number}")))]),
        false => output::rows(&[("a solution", called_as(&format!("solution {number}")))]),
    }
    Ok(true)
}

/// Prints the solution, after a question.
///
/// # Errors
///
/// Fails if the solution cannot be read, or if stdin is not a terminal.
pub fn solution(place: &Place, exercise: &Exercise, is_sure: bool) -> Result<bool, String> {
    let path = exercise.solution_file();
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", shown(&path)))?;
    let mut progress = Progress::read(&place.folder)?;
    let note = progress.note(&exercise.name);
    let needs_question = note.done.is_none() && !note.has_seen_solution;
    if needs_question && !is_sure {
        output::text(
            "You have not solved this exercise yet. If you read the solution, you can no longer \
             find it yourself.",
        );
        if !ask("Show it?")? {
            output::line("Try a hint instead. There are three:");
            output::rows(&[("a hint", called_as(&format!("hint {}", exercise.number)))]);
            return Ok(true);
        }
    }
    progress.change(&exercise.name, |note| note.has_seen_solution = true)?;
    output::heading(&format!("One of many solutions: {}", shown(&path)));
    output::line("");
    output::line(text.trim_end());
    output::line("");
    let files = [exercise.main_file(), path].map(|file| shown(&file)).join(" ");
    output::rows(&[("compare", format!("git diff --no-index {files}"))]);
    Ok(true)
}

/// Restores the starter, and keeps a copy of the learner's work.
///
/// # Errors
///
/// Fails if files cannot be copied. The learner's work is never lost.
pub fn reset(place: &Place, exercise: &Exercise) -> Result<bool, String> {
    let (source, starter) = (exercise.folder.join("src"), exercise.folder.join("starter"));
    let failed = |error: io::Error| {
        format!("{}: {error}\nhelp: your work was not changed", shown(&exercise.folder))
    };
    if folders::are_same(&source, &starter).map_err(failed)? {
        output::line("There is nothing to reset: src/ is the same as starter/.");
        return Ok(true);
    }
    let name = progress::now().replace(':', "-");
    let copy = place.folder.join(COPIES).join(&exercise.name).join(name);
    keep_copy(&source, &copy).map_err(failed)?;
    folders::replace(&starter, &source).map_err(|error| {
        format!("{}: {error}\nhelp: a copy of your work is in {}", shown(&source), shown(&copy))
    })?;
    let mut progress = Progress::read(&place.folder)?;
    progress.change(&exercise.name, |note| note.done = None)?;
    output::line(format!("The starter of exercise {} is restored.", exercise.number));
    output::rows(&[("your work", shown(&copy)), ("edit", shown(&exercise.main_file()))]);
    Ok(true)
}

/// Copies src/ to starter/, for authors.
///
/// # Errors
///
/// Fails if files cannot be copied.
pub fn keep(exercises: &[&Exercise]) -> Result<bool, String> {
    for exercise in exercises {
        let (source, starter) = (exercise.folder.join("src"), exercise.folder.join("starter"));
        fs::create_dir_all(&starter)
            .and_then(|()| folders::replace(&source, &starter))
            .map_err(|error| format!("{}: {error}", shown(&starter)))?;
        output::line(format!("{} is up to date with src/.", shown(&starter)));
    }
    Ok(true)
}

/// Starts the learner's server, so that the learner can connect to it.
///
/// # Errors
///
/// Fails if the server cannot be built or started.
pub fn run(place: &Place, exercise: &Exercise, port: u16) -> Result<bool, String> {
    if let Err(error) = std::net::TcpListener::bind(("127.0.0.1", port)) {
        let number = &exercise.number;
        return Err(format!(
            "cannot use port {port}: {error}\nhelp: try another port:\n  {}",
            called_as(&format!("run {number} --port {}", port.wrapping_add(1)))
        ));
    }
    let Some(built) = check::build(place, exercise)? else { return Ok(false) };
    let program = built.program(&exercise.package())?;
    let river = place.kit().join("assets/river.webp");
    let file = if river.exists() { river } else { exercise.folder.join("README.md") };
    let mut command = Command::new(program);
    for word in exercise.plan.arguments.split_whitespace() {
        let places = [
            ("{port}", port.to_string()),
            ("{chunk}", "65536".to_owned()),
            // Every client accepts this preamble, also browsers and curl.
            ("{preamble}", "http".to_owned()),
            ("{stall}", "30".to_owned()),
            ("{cap}", "2000".to_owned()),
            ("{file}", shown(&file)),
        ];
        let fill = |word: String, (place, value): &(&str, String)| word.replace(place, value);
        command.arg(places.iter().fold(word.to_owned(), fill));
    }
    output::line(format!("serving {}; press Ctrl-C to stop", shown(&file)));
    output::rows(&[
        ("a browser", format!("http://localhost:{port}/")),
        ("a client", format!("cargo run -q -p probe -- 127.0.0.1:{port}")),
    ]);
    output::line("");
    hand_over(command).map_err(|error| format!("{}: {error}", shown(program)))
}

/// Fetches and builds everything that a class needs, so that it needs no network afterwards.
///
/// # Errors
///
/// Fails if cargo fails.
pub fn warm(place: &Place) -> Result<bool, String> {
    let kit = place.kit();
    let has_kit = kit.join("Cargo.toml").exists();
    output::line("Fetching all dependencies of the kit and of the exercises …");
    if has_kit {
        cargo::run(&kit, "fetch", &["--locked"])?;
    }
    cargo::run(&place.folder, "fetch", &[])?;
    output::line("Building all exercises …");
    let arguments = ["--workspace", "--bins", "--keep-going", "--offline"];
    let built = cargo::build(&place.folder, &arguments, false)?;
    // An unfinished exercise need not compile. Its dependencies have been built.
    if !built.is_complete && !built.has_errors() {
        cargo::run(&place.folder, "build", &arguments)?;
    }
    output::line("");
    output::good("Done. From now on, no exercise needs the network.");
    Ok(true)
}

/// Copies a folder to a new path, and verifies the copy.
fn keep_copy(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        return Err(io::Error::other(format!("a copy from the same second exists: {}", shown(to))));
    }
    folders::copy(from, to)?;
    match folders::are_same(from, to)? {
        true => Ok(()),
        false => Err(io::Error::other("the copy differs from the original")),
    }
}

/// Asks a question. Returns `true` only for the answer `y` or `yes`.
pub fn ask(question: &str) -> Result<bool, String> {
    if !io::stdin().is_terminal() {
        return Err(format!(
            "cannot ask \"{question}\": stdin is not a terminal\nhelp: pass --yes"
        ));
    }
    let _ = write!(io::stdout(), "{question} [y/N] ");
    let _ = io::stdout().flush();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| error.to_string())?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Replaces this process by the server, so that the server receives Ctrl-C directly.
#[cfg(unix)]
fn hand_over(mut command: Command) -> io::Result<bool> {
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

#[cfg(not(unix))]
fn hand_over(mut command: Command) -> io::Result<bool> {
    Ok(command.status()?.success())
}
