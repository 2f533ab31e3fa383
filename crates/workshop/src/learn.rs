//! The commands `list`, `next`, `hint`, `solution`, `run`, `reset` and `warm`.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::net::TcpListener;
use std::process::Command;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};

use crate::cargo;
use crate::check;
use crate::course::{Course, called_as, command_for};
use crate::exercise::{Exercise, number_of};
use crate::folders::display_path;
use crate::output;
use crate::packages;
use crate::progress::{self, Progress};
use crate::report::{self, Format};

/// The folder for the copies that `reset` makes of the learner's work.
const COPIES: &str = ".copies";

/// Prints all exercises and the learner's progress.
pub fn list(course: &Course) -> Result<bool> {
    let progress = Progress::read(&course.work)?;
    let next = course.next(&progress).map(|next| next.number.as_str());
    let width =
        course.exercises.iter().map(|one| one.plan.title.chars().count()).max().unwrap_or(0);
    output::line(format!("lesson           {:width$}  minutes  notes", "exercise"));
    let mut last_lesson = "";
    for Exercise { number, plan, .. } in &course.exercises {
        let note = progress.note(number);
        let word = match note.done {
            Some(_) => "done",
            None if next == Some(number) => "next",
            None => "",
        };
        let lesson = number_of(&plan.lesson);
        let shown_lesson = if lesson == last_lesson { "" } else { lesson };
        last_lesson = lesson;
        let command = note.is_command.then(|| "passed with --cmd".to_owned());
        let hints = (note.hints > 0).then(|| output::count(note.hints, "hint"));
        let solution = note.has_seen_solution.then(|| "solution seen".to_owned());
        let notes: Vec<String> = [command, hints, solution].into_iter().flatten().collect();
        let (title, minutes, notes) = (&plan.title, plan.minutes, notes.join(", "));
        let row =
            format!("  {shown_lesson:4}  {number}  {word:5} {title:width$}  {minutes:7}  {notes}");
        output::line(row.trim_end());
    }
    output::line("");
    if !course.exercises.is_sorted_by_key(|exercise| &exercise.number) {
        output::text(
            "The exercises are in the order of the lessons. The number of an exercise is part of \
             its name and never changes, so the numbers are not in order.",
        );
    }
    output::line(format!("{} done.", course.done_line(&progress)));
    output::rows(&[("continue", called_as("next"))]);
    Ok(true)
}

/// Prints the next exercise, or a message if all exercises are done.
pub fn next(course: &Course) -> Result<bool> {
    let progress = Progress::read(&course.work)?;
    let Some(exercise) = course.next(&progress) else {
        output::success(&format!("You have done all {} exercises.", course.exercises.len()));
        output::text("You can check any other server against the whole contract:");
        let conformance = harness::invocation("conformance", "cargo run -p conformance --");
        output::rows(&[("", format!("{conformance} -- ./your-server {{file}} {{port}}"))]);
        return Ok(true);
    };
    if progress.is_empty() {
        output::text(
            "Welcome. Each exercise is a small server that lacks one part. You write that part, \
             and test clients check the result. Every exercise fails at first, as intended. The \
             exercises follow the order of the lessons. You can start with any exercise.",
        );
    }
    print_exercise(course, exercise);
    Ok(true)
}

/// Prints the subject, the files and the commands of an exercise.
pub fn print_exercise(course: &Course, exercise: &Exercise) {
    let Exercise { number, plan, .. } = exercise;
    output::heading(&format!("Exercise {number}, {} ({} minutes)", plan.title, plan.minutes));
    output::text(&plan.idea);
    output::line("");
    output::rows(&[
        ("read", display_path(&course.lessons().join(&plan.lesson))),
        ("the task", display_path(&exercise.folder.join("README.md"))),
        ("edit", report::edited_line(course, exercise)),
        ("check it", command_for(exercise, "check")),
        ("", format!("{}   (after each save)", command_for(exercise, "watch"))),
        ("a hint", command_for(exercise, "hint")),
        ("all exercises", called_as("list")),
    ]);
}

/// The hints to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hints {
    /// The next hint. If all hints were taken, all hints.
    Next,
    /// The hints that were already taken.
    Taken,
    /// For `watch`: the next hint. If all hints were taken, the last hint, because the terminal may
    /// be too small for all of them.
    Watch,
}

/// Prints hints.
pub fn hint(course: &Course, exercise: &Exercise, which: Hints) -> Result<bool> {
    let hints = exercise.hints()?;
    let mut progress = Progress::read(&course.work)?;
    let note = progress.note(&exercise.number);
    let taken = note.hints.min(hints.len());
    let number = &exercise.number;
    let range = match which {
        Hints::Watch if taken == hints.len() => taken - 1..taken,
        Hints::Next | Hints::Watch if taken < hints.len() => taken..taken + 1,
        _ => 0..taken,
    };
    if range.is_empty() {
        output::line("You have not taken a hint for this exercise yet.\n");
    } else if note.failed.is_none() && note.done.is_none() && which != Hints::Watch {
        output::text(
            "You have not checked this exercise yet. A check shows what the client receives, and \
             makes the hints more specific:",
        );
        output::rows(&[("", command_for(exercise, "check"))]);
    }
    let last = range.end;
    for index in range {
        output::heading(&format!("Hint {} of {} for exercise {number}", index + 1, hints.len()));
        output::line("");
        output::markdown(&hints[index].text_for(note.failed.as_deref()));
    }
    if last > taken {
        progress.change(&exercise.number, |note| note.hints = last)?;
    }
    match (last < hints.len(), which) {
        (true, Hints::Watch) => output::rows(&[("next hint", "press h".to_owned())]),
        (true, _) => output::rows(&[("next hint", command_for(exercise, "hint"))]),
        (false, _) => output::rows(&[
            ("all hints", command_for(exercise, "hint") + " --again"),
            ("a solution", command_for(exercise, "solution")),
        ]),
    }
    Ok(true)
}

/// Prints the solution after a confirmation.
pub fn solution(course: &Course, exercise: &Exercise, is_confirmed: bool) -> Result<bool> {
    let path = exercise.solution_file();
    let text = fs::read_to_string(&path);
    let text = text.with_context(|| format!("cannot read `{}`", display_path(&path)))?;
    let mut progress = Progress::read(&course.work)?;
    let note = progress.note(&exercise.number);
    if note.done.is_none() && !note.has_seen_solution && !is_confirmed {
        let left = exercise.hints()?.len().saturating_sub(note.hints);
        let hints = match left {
            0 => "You have taken all hints.".to_owned(),
            _ => format!("You can still take {}.", output::count(left, "hint")),
        };
        output::text(&format!(
            "You have not solved this exercise yet. {hints} If you read the solution, you can no \
             longer find it yourself."
        ));
        if !ask("Show the solution?")? {
            let again = if note.hints < exercise.hints()?.len() { "hint" } else { "hint --again" };
            output::rows(&[("the hints", command_for(exercise, again))]);
            return Ok(true);
        }
    }
    progress.change(&exercise.number, |note| note.has_seen_solution = true)?;
    output::heading(&format!("One of many solutions: {}", display_path(&path)));
    output::line("");
    output::line(text.trim_end());
    output::line("");
    let files = [course.main_file(exercise), path].map(|file| display_path(&file)).join(" ");
    output::rows(&[("compare", format!("git diff --no-index {files}"))]);
    Ok(true)
}

/// Restores the starter and keeps a copy of the learner's work.
pub fn reset(course: &Course, exercise: &Exercise) -> Result<bool> {
    let source = course.source_folder(exercise);
    if packages::is_unchanged(course, exercise) {
        output::line("There is nothing to reset, because your file is the unchanged starter.");
        return Ok(true);
    }
    let name = progress::now().replace(':', "-");
    let copy = course.work.join(COPIES).join(&exercise.name).join(name);
    let moved = (|| {
        ensure!(!copy.exists(), "a copy with the same name exists: `{}`", display_path(&copy));
        fs::create_dir_all(copy.parent().unwrap_or(&copy))?;
        Ok(fs::rename(&source, &copy)?)
    })();
    moved.map_err(|error: Error| {
        let number = &exercise.number;
        anyhow!(
            "cannot reset exercise {number}: {error}\nhelp: fix the cause and try again (your work \
             was not changed)"
        )
    })?;
    packages::restore_starter(course, exercise).map_err(|error| {
        let copy = display_path(&copy);
        anyhow!("{error:#}\nhelp: restore your work from the copy in {copy}")
    })?;
    let mut progress = Progress::read(&course.work)?;
    let was_done = progress.note(&exercise.number).done.is_some();
    progress.change(&exercise.number, |note| {
        (note.done, note.failed, note.is_command) = (None, None, false);
    })?;
    let number = &exercise.number;
    output::line(format!("The starter of exercise {number} is restored."));
    if was_done {
        output::line(format!("Exercise {number} no longer counts as done."));
    }
    output::rows(&[
        ("your work", display_path(&copy)),
        ("edit", display_path(&course.main_file(exercise))),
    ]);
    Ok(true)
}

/// Starts the learner's server, so that the learner can connect to it.
pub fn run(course: &Course, exercise: &Exercise, port: u16) -> Result<bool> {
    if let Err(error) = TcpListener::bind(("127.0.0.1", port)) {
        let (run, other) = (command_for(exercise, "run"), port.wrapping_add(1));
        bail!(
            "cannot listen on port {port}: {error}\nhelp: try another port:\n  {run} --port {other}"
        );
    }
    let Some(built) = check::build(course, exercise, Format::Lines)? else { return Ok(false) };
    let program = built.program(&exercise.package())?;
    let river = course.kit().join("assets/river.webp");
    let file =
        display_path(&if river.exists() { river } else { exercise.folder.join("README.md") });
    let port_word = port.to_string();
    let limit = exercise.plan.limit_max.unwrap_or(2000).to_string();
    let values = [
        ("{port}", port_word.as_str()),
        ("{chunk}", "65536"),
        // Every client accepts this preamble, including browsers and curl.
        ("{preamble}", "http"),
        ("{stall}", "30"),
        ("{limit}", limit.as_str()),
        ("{linger}", "5"),
        ("{grace}", "5"),
        ("{file}", file.as_str()),
    ];
    let fill = |word: String, (placeholder, value): &(&str, &str)| word.replace(placeholder, value);
    let words = exercise.plan.arguments.split_whitespace();
    let mut command = Command::new(program);
    command.args(words.map(|word| values.iter().fold(word.to_owned(), fill)));
    let probe = harness::invocation("probe", "cargo run -q -p probe --");
    output::line(format!("serving {file}; press Ctrl-C to stop"));
    output::rows(&[
        ("a browser", format!("http://localhost:{port}/")),
        ("a client", format!("{probe} 127.0.0.1:{port}")),
    ]);
    output::line("");
    run_in_place(command).with_context(|| format!("cannot start `{}`", display_path(program)))
}

/// Fetches and builds everything that a class needs. Afterward, the exercises need no network.
pub fn warm(course: &Course) -> Result<bool> {
    let kit = course.kit();
    output::line("Fetching all dependencies of the kit and of the exercises …");
    if kit.join("Cargo.toml").exists() {
        cargo::run(course, &kit, "fetch", &["--locked"])?;
    }
    cargo::run(course, &course.folder, "fetch", &[])?;
    output::line("Building all exercises …");
    // Even if an unfinished exercise does not compile, its dependencies are built.
    let arguments = ["--workspace", "--keep-going", "--offline"];
    cargo::build_all(course, &course.work, &arguments)?;
    cargo::build_all(course, &course.folder, &["--workspace", "--bins", "--offline"])?;
    output::line("");
    output::success("Done. The exercises no longer need the network.");
    Ok(true)
}

/// Asks a question. Returns `true` only for the answers `y`, `Y` and `yes`.
fn ask(question: &str) -> Result<bool> {
    let is_possible = io::stdin().is_terminal();
    ensure!(is_possible, "cannot ask \"{question}\": stdin is not a terminal\nhelp: pass `--yes`");
    let _ = write!(io::stdout(), "{question} [y/N] ");
    let _ = io::stdout().flush();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Replaces this process with the server, so that the server receives Ctrl-C directly.
#[cfg(unix)]
fn run_in_place(mut command: Command) -> io::Result<bool> {
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

#[cfg(not(unix))]
fn run_in_place(mut command: Command) -> io::Result<bool> {
    Ok(command.status()?.success())
}
