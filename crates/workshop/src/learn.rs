//! What a learner does besides checking: look around, ask, try, begin anew.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::Command;

use crate::cargo;
use crate::check;
use crate::exercise::Exercise;
use crate::folders;
use crate::place::{Place, called_as, shown};
use crate::progress::{self, Progress};
use crate::say;

/// Where copies of what would be lost are kept.
const COPIES: &str = ".copies";

/// All exercises, what is done, what is next.
///
/// # Errors
///
/// When the progress cannot be read.
pub fn list(place: &Place) -> Result<bool, String> {
    let progress = Progress::read(&place.folder)?;
    let next = place.next(&progress).map(|next| next.name.as_str());
    let width = place.exercises.iter().map(|one| one.plan.title.chars().count()).max().unwrap_or(0);
    say::line(format!("     {:5} {:width$}  minutes  so far", "", "exercise"));
    let mut done_count = 0;
    for exercise in &place.exercises {
        let note = progress.note(&exercise.name);
        let word = match note.done {
            Some(_) => "done",
            None if next == Some(&exercise.name) => "next",
            None => "",
        };
        done_count += usize::from(note.done.is_some());
        let mut known = Vec::new();
        known.extend((note.hints > 0).then(|| say::count(note.hints, "hint")));
        known.extend(note.has_seen_solution.then(|| "solution seen".to_owned()));
        let (number, title, minutes) =
            (&exercise.number, &exercise.plan.title, exercise.plan.minutes);
        let known = known.join(", ");
        let row = format!(" {number}  {word:5} {title:width$}  {minutes:7}  {known}");
        say::line(row.trim_end());
    }
    say::line("");
    say::line(format!("{done_count} of {} done.", place.exercises.len()));
    say::rows(&[("go on", called_as("next"))]);
    Ok(true)
}

/// What to do next.
///
/// # Errors
///
/// When the progress cannot be read.
pub fn next(place: &Place) -> Result<bool, String> {
    let progress = Progress::read(&place.folder)?;
    let Some(exercise) = place.next(&progress) else {
        say::good(&format!("You have done all {} exercises.", place.exercises.len()));
        say::text("Whatever you write next can be held against the whole contract:");
        say::rows(&[("", "cargo run -p conformance -- -- ./your-server {file} {port}".to_owned())]);
        return Ok(true);
    };
    if progress.is_empty() {
        say::text(
            "Welcome. Each exercise is a small server with a gap. You close the gap, and clients that \
             do what clients do say whether it holds. Every exercise begins red: that is as it should \
             be.",
        );
    }
    say_exercise(place, exercise);
    Ok(true)
}

/// What an exercise is about, and what can be done with it.
pub fn say_exercise(place: &Place, exercise: &Exercise) {
    let Exercise { number, plan, .. } = exercise;
    say::heading(&format!("Exercise {number}, {} ({} minutes)", plan.title, plan.minutes));
    say::text(&plan.idea);
    say::line("");
    let line = exercise.your_turn_line().map_or_else(String::new, |line| format!(":{line}"));
    say::rows(&[
        ("read", shown(&place.lessons().join(&plan.lesson))),
        ("the task", shown(&exercise.folder.join("README.md"))),
        ("edit", format!("{}{line}", shown(&exercise.main_file()))),
        ("check it", called_as(&format!("check {number}"))),
        ("", format!("{}   (again whenever you save)", called_as(&format!("watch {number}")))),
        ("a hint", called_as(&format!("hint {number}"))),
        ("all", called_as("list")),
    ]);
}

/// The next hint, or those that were taken.
///
/// # Errors
///
/// When hints or progress cannot be read or written.
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
        say::line("You have taken no hint of this exercise yet.");
    }
    let last = shown_now.end;
    for index in shown_now {
        say::heading(&format!("Hint {} of {} for exercise {number}", index + 1, hints.len()));
        say::line("");
        say::markdown(&hints[index]);
    }
    if last > taken {
        progress.change(&exercise.name, |note| note.hints = last)?;
    }
    say::line("");
    match last < hints.len() {
        true => say::rows(&[("one more", called_as(&format!("hint {number}")))]),
        false => say::rows(&[("a solution", called_as(&format!("solution {number}")))]),
    }
    Ok(true)
}

/// The solution, after a question.
///
/// # Errors
///
/// When it cannot be read, or nobody can be asked.
pub fn solution(place: &Place, exercise: &Exercise, is_sure: bool) -> Result<bool, String> {
    let path = exercise.solution_file();
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", shown(&path)))?;
    let mut progress = Progress::read(&place.folder)?;
    let note = progress.note(&exercise.name);
    let needs_question = note.done.is_none() && !note.has_seen_solution;
    if needs_question && !is_sure {
        say::text("It is not green yet, and what you have read you cannot find any more.");
        if !ask("Show it?")? {
            say::line("Good. There are three hints, one at a time:");
            say::rows(&[("a hint", called_as(&format!("hint {}", exercise.number)))]);
            return Ok(true);
        }
    }
    progress.change(&exercise.name, |note| note.has_seen_solution = true)?;
    say::heading(&format!("One solution of many: {}", shown(&path)));
    say::line("");
    say::line(text.trim_end());
    say::line("");
    let files = [exercise.main_file(), path].map(|file| shown(&file)).join(" ");
    say::rows(&[("compare", format!("git diff --no-index {files}"))]);
    Ok(true)
}

/// Puts the starter back; what was there is kept.
///
/// # Errors
///
/// When files cannot be copied: then nothing was changed.
pub fn reset(place: &Place, exercise: &Exercise) -> Result<bool, String> {
    let (source, starter) = (exercise.folder.join("src"), exercise.folder.join("starter"));
    let failed = |error: io::Error| {
        format!("{}: {error}; your work is where it was", shown(&exercise.folder))
    };
    if folders::are_same(&source, &starter).map_err(failed)? {
        say::line("It is as it was in the beginning; there is nothing to reset.");
        return Ok(true);
    }
    let name = progress::now().replace(':', "-");
    let copy = place.folder.join(COPIES).join(&exercise.name).join(name);
    keep_copy(&source, &copy).map_err(failed)?;
    folders::replace(&starter, &source).map_err(|error| {
        format!("{}: {error}; your work is in {}", shown(&source), shown(&copy))
    })?;
    let mut progress = Progress::read(&place.folder)?;
    progress.change(&exercise.name, |note| note.done = None)?;
    say::line(format!("Exercise {} is as it was in the beginning.", exercise.number));
    say::rows(&[("your work", shown(&copy)), ("edit", shown(&exercise.main_file()))]);
    Ok(true)
}

/// For authors: the source as it is becomes the starter.
///
/// # Errors
///
/// When files cannot be copied.
pub fn keep(exercises: &[&Exercise]) -> Result<bool, String> {
    for exercise in exercises {
        let (source, starter) = (exercise.folder.join("src"), exercise.folder.join("starter"));
        fs::create_dir_all(&starter)
            .and_then(|()| folders::replace(&source, &starter))
            .map_err(|error| format!("{}: {error}", shown(&starter)))?;
        say::line(format!("{} is what `reset` brings back.", shown(&starter)));
    }
    Ok(true)
}

/// Starts the learner's server, for a client of the learner's own.
///
/// # Errors
///
/// When it cannot be built or started.
pub fn run(place: &Place, exercise: &Exercise, port: u16) -> Result<bool, String> {
    if let Err(error) = std::net::TcpListener::bind(("127.0.0.1", port)) {
        let number = &exercise.number;
        return Err(format!(
            "port {port}: {error}; mend: another one:\n  {}",
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
            // What all clients take, a browser and curl among them.
            ("{preamble}", "http".to_owned()),
            ("{stall}", "30".to_owned()),
            ("{cap}", "2000".to_owned()),
            ("{file}", shown(&file)),
        ];
        let fill = |word: String, (place, value): &(&str, String)| word.replace(place, value);
        command.arg(places.iter().fold(word.to_owned(), fill));
    }
    say::line(format!("Serving {} until Ctrl-C.", shown(&file)));
    say::rows(&[
        ("a browser", format!("http://localhost:{port}/")),
        ("a client", format!("cargo run -q -p probe -- 127.0.0.1:{port}")),
    ]);
    say::line("");
    hand_over(command).map_err(|error| format!("{}: {error}", shown(program)))
}

/// Fetches and builds whatever a class needs, so that it needs no network afterwards.
///
/// # Errors
///
/// When cargo fails.
pub fn warm(place: &Place) -> Result<bool, String> {
    let kit = place.kit();
    let has_kit = kit.join("Cargo.toml").exists();
    say::line("Fetching every dependency of the kit and of the exercises …");
    if has_kit {
        cargo::run(&kit, "fetch", &["--locked"])?;
    }
    cargo::run(&place.folder, "fetch", &[])?;
    say::line("Building every exercise …");
    let arguments = ["--workspace", "--bins", "--keep-going", "--offline"];
    let built = cargo::build(&place.folder, &arguments, false)?;
    // Work that is half done need not compile; what it depends on was built before.
    if !built.is_whole && !built.has_errors() {
        cargo::run(&place.folder, "build", &arguments)?;
    }
    say::line("");
    say::good("All is there: from now on no exercise needs the network.");
    Ok(true)
}

/// Copies a folder to where nothing is, and looks whether the copy is whole.
fn keep_copy(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        return Err(io::Error::other(format!("there is a copy of this second: {}", shown(to))));
    }
    folders::copy(from, to)?;
    match folders::are_same(from, to)? {
        true => Ok(()),
        false => Err(io::Error::other("the copy is not the same")),
    }
}

/// A question that only `y` answers with yes.
pub fn ask(question: &str) -> Result<bool, String> {
    if !io::stdin().is_terminal() {
        return Err(format!("\"{question}\" needs a terminal; mend: --yes says so beforehand"));
    }
    let _ = write!(io::stdout(), "{question} [y/N] ");
    let _ = io::stdout().flush();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| error.to_string())?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The server takes this program's place, so that Ctrl-C is its own matter.
#[cfg(unix)]
fn hand_over(mut command: Command) -> io::Result<bool> {
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

#[cfg(not(unix))]
fn hand_over(mut command: Command) -> io::Result<bool> {
    Ok(command.status()?.success())
}
