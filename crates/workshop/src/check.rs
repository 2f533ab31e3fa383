//! `check`: builds an exercise, grades it and explains the verdicts.

use std::path::Path;
use std::time::Duration;

use conformance::Target;

use crate::cargo::{self, Built};
use crate::exercise::{Exercise, MeasureKind};
use crate::grade::{self, Explanation, Graded, State, Subject};
use crate::output;
use crate::place::{Place, called_as, shown};
use crate::progress::Progress;

/// How long a client waits for the next byte. Short, because the server runs on this computer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How long a learner's program can take until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// Checks one exercise: the learner's server, or the one that `command` starts. Returns whether all
/// checks pass.
///
/// # Errors
///
/// Fails if the exercise cannot be checked.
pub fn check(place: &Place, exercise: &Exercise, command: Option<&str>) -> Result<bool, String> {
    let Some(subject) = subject(place, exercise, command)? else { return Ok(false) };
    let (number, title) = (&exercise.number, &exercise.plan.title);
    let (checks, counts) = (exercise.checks.len(), exercise.plan.measures.len());
    let counts =
        if counts > 0 { format!(", {}", output::count(counts, "count")) } else { String::new() };
    let checks = output::count(checks, "check");
    output::heading(&format!("Exercise {number}, {title}: {checks}{counts}"));
    output::line("");
    let measured = exercise.plan.measures.iter().map(|plan| plan.what.name());
    let names = exercise.checks.iter().map(|check| check.id).chain(measured);
    let name_width = names.map(str::len).max().unwrap_or(0);
    let graded = grade::grade(exercise, &subject, &|graded| output::verdict(graded, name_width));
    if graded.iter().any(|graded| graded.state == State::Pending) {
        output::line("  (later: runs when the checks above pass)");
    }
    output::line("");
    match grade::explain(exercise, &graded) {
        Some(explanation) => {
            print_failure(place, exercise, &explanation, command.is_none());
            Ok(false)
        }
        None => {
            let mut progress = Progress::read(&place.folder)?;
            progress.done(&exercise.name)?;
            print_pass(place, exercise, &graded, &progress);
            Ok(true)
        }
    }
}

/// Builds the learner's program. If it does not compile, prints what to do and returns `None`.
///
/// # Errors
///
/// Fails if cargo fails for a reason other than a compiler error.
pub fn build(place: &Place, exercise: &Exercise) -> Result<Option<Built>, String> {
    if !place.folder.join("target/workshop").exists() {
        output::line("The first build takes a while; later builds take a second or two.");
    }
    let (package, starter) = (exercise.package(), starter_name(exercise));
    let mut arguments = vec!["-p", package.as_str(), "--bin", package.as_str()];
    if is_compared(exercise) {
        arguments.extend(["--example", starter.as_str()]);
    }
    let built = cargo::build(&place.folder, &arguments, true)?;
    if built.is_complete {
        return Ok(Some(built));
    }
    output::line("");
    if !built.has_errors() {
        return Err(format!(
            "cargo could not build the exercise\nhelp: if it needs the network, fetch everything \
             once while you are connected:\n  {}",
            called_as("warm")
        ));
    }
    output::bad("It does not compile yet.");
    output::text(
        "Start with the first compiler error above: the other errors often follow from it.",
    );
    output::rows(&next_steps(exercise, true));
    Ok(None)
}

/// Returns a program as a target for the checks.
///
/// # Errors
///
/// Fails if its path is not valid Unicode.
pub fn target(exercise: &Exercise, program: &Path) -> Result<Target, String> {
    let program =
        program.to_str().ok_or("the path of the kit is not valid Unicode\nhelp: move the kit")?;
    let words = exercise.plan.arguments.split_whitespace();
    let words: Vec<String> = [program].into_iter().chain(words).map(str::to_owned).collect();
    let mut target = Target::of_command(&words).map_err(|error| error.to_string())?;
    target.silence_timeout = TIMEOUT;
    target.start_timeout = START_TIMEOUT;
    Ok(target)
}

/// Whether an exercise's program is compared with the starter.
pub fn is_compared(exercise: &Exercise) -> bool {
    exercise.plan.measures.iter().any(|plan| plan.what == MeasureKind::TimesStarter)
}

/// The name of the example that contains the original starter.
pub fn starter_name(exercise: &Exercise) -> String {
    format!("starter-{}", exercise.number)
}

/// Returns what is graded, or `None` if it does not compile.
fn subject(
    place: &Place,
    exercise: &Exercise,
    command: Option<&str>,
) -> Result<Option<Subject>, String> {
    if let Some(command) = command {
        let mut target =
            Target::of_command(&[command.to_owned()]).map_err(|error| error.to_string())?;
        target.silence_timeout = TIMEOUT;
        let mut subject = Subject { target, source: None, starter: None };
        if is_compared(exercise) {
            let (package, name) = (exercise.package(), starter_name(exercise));
            let arguments = ["-p", package.as_str(), "--example", name.as_str()];
            let built = cargo::build(&place.folder, &arguments, true)?;
            subject.starter = built_starter(exercise, &built)?;
        }
        return Ok(Some(subject));
    }
    let Some(built) = build(place, exercise)? else { return Ok(None) };
    let program = built.program(&exercise.package())?;
    let starter = built_starter(exercise, &built)?;
    let source = Some(exercise.main_file());
    Ok(Some(Subject { target: target(exercise, program)?, source, starter }))
}

/// Returns the original starter if the exercise's program is compared with it.
fn built_starter(exercise: &Exercise, built: &Built) -> Result<Option<Target>, String> {
    if !is_compared(exercise) {
        return Ok(None);
    }
    target(exercise, built.program(&starter_name(exercise))?).map(Some)
}

fn print_failure(place: &Place, exercise: &Exercise, explanation: &Explanation<'_>, is_own: bool) {
    let Explanation { graded, actual, say, .. } = explanation;
    output::bad(&format!("{}: {}", graded.name, graded.title));
    let mut rows = Vec::new();
    if let Some(check) = exercise.checks.iter().find(|check| check.id == graded.name) {
        rows.extend([("stimulus", check.stimulus), ("expected", check.expected)]);
    }
    rows.push(("actual", actual));
    output::wrapped_rows(&rows);
    output::line("");
    output::text(say);
    output::line("");
    let progress = Progress::read(&place.folder).unwrap_or_default();
    if progress.note(&exercise.name).done.is_none() {
        output::line("Every exercise fails at first. Next steps:");
    } else {
        output::line("This exercise passed before. Next steps:");
    }
    output::rows(&next_steps(exercise, is_own));
}

/// The commands that help after a failure.
fn next_steps(exercise: &Exercise, is_own: bool) -> Vec<(&'static str, String)> {
    let number = &exercise.number;
    let mut rows = Vec::new();
    if is_own {
        let file = shown(&exercise.main_file());
        let line = exercise.your_turn_line().map_or_else(String::new, |line| format!(":{line}"));
        rows.push(("your file", format!("{file}{line}")));
    }
    rows.push(("a hint", called_as(&format!("hint {number}"))));
    if is_own {
        rows.push(("try it", called_as(&format!("run {number}"))));
    }
    rows
}

fn print_pass(place: &Place, exercise: &Exercise, graded: &[Graded], progress: &Progress) {
    let skipped = graded.iter().filter(|one| matches!(one.state, State::Skipped(_))).count();
    if skipped > 0 {
        output::line(format!("{skipped} of {} cannot run on this system.", graded.len()));
    }
    let done = place.exercises.iter().filter(|other| progress.note(&other.name).done.is_some());
    let (done, all) = (done.count(), place.exercises.len());
    output::good(&format!("Passed: exercise {} is done, {done} of {all}.", exercise.number));
    let mut rows = vec![("compare", called_as(&format!("solution {}", exercise.number)))];
    match place.next(progress) {
        Some(next) => rows.push(("next", format!("{}   {}", called_as("next"), next.brief()))),
        None => rows.push(("next", "none: you have done all exercises".to_owned())),
    }
    output::rows(&rows);
}
