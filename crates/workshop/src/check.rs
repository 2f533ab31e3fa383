//! `check`: builds an exercise, grades it, and says what the verdicts mean.

use std::path::Path;
use std::time::Duration;

use conformance::Target;

use crate::cargo::{self, Built};
use crate::exercise::{Exercise, What};
use crate::grade::{self, Explanation, Graded, State, Subject};
use crate::place::{Place, called_as, shown};
use crate::progress::Progress;
use crate::say;

/// How long a client waits for the next byte: the learner's server is on this computer, too.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a learner's program may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// Checks one exercise: the learner's own server, or any that a command starts. Whether it is green.
///
/// # Errors
///
/// When it cannot be checked.
pub fn check(place: &Place, exercise: &Exercise, command: Option<&str>) -> Result<bool, String> {
    let Some(subject) = subject(place, exercise, command)? else { return Ok(false) };
    let (number, title) = (&exercise.number, &exercise.plan.title);
    let (checks, counts) = (exercise.checks.len(), exercise.plan.measures.len());
    let counts =
        if counts > 0 { format!(", {}", say::count(counts, "count")) } else { String::new() };
    let checks = say::count(checks, "check");
    say::heading(&format!("Exercise {number}, {title}: {checks}{counts}"));
    say::line("");
    let measured = exercise.plan.measures.iter().map(|plan| plan.what.name());
    let names = exercise.checks.iter().map(|check| check.id).chain(measured);
    let name_width = names.map(str::len).max().unwrap_or(0);
    let graded = grade::grade(exercise, &subject, &|graded| say::verdict(graded, name_width));
    if graded.iter().any(|graded| graded.state == State::Waits) {
        say::line("  (later: when those before them hold)");
    }
    say::line("");
    match grade::explain(exercise, &graded) {
        Some(explanation) => {
            say_red(place, exercise, &explanation, command.is_none());
            Ok(false)
        }
        None => {
            let mut progress = Progress::read(&place.folder)?;
            progress.done(&exercise.name)?;
            say_green(place, exercise, &graded, &progress);
            Ok(true)
        }
    }
}

/// Builds the learner's program and says what to do if that fails: then there is none.
///
/// # Errors
///
/// When cargo cannot do it at all.
pub fn build(place: &Place, exercise: &Exercise) -> Result<Option<Built>, String> {
    if !place.folder.join("target/workshop").exists() {
        say::line("Building for the first time; later it is a matter of a second or two.");
    }
    let (package, starter) = (exercise.package(), starter_name(exercise));
    let mut arguments = vec!["-p", package.as_str(), "--bin", package.as_str()];
    if is_compared(exercise) {
        arguments.extend(["--example", starter.as_str()]);
    }
    let built = cargo::build(&place.folder, &arguments, true)?;
    if built.is_whole {
        return Ok(Some(built));
    }
    say::line("");
    if !built.has_errors() {
        return Err(format!(
            "cargo could not build it.\nIf it wants the network: where there is one, fetch all once \
             by\n  {}",
            called_as("warm")
        ));
    }
    say::bad("It does not compile yet.");
    say::text(
        "The compiler's first error above is the one to begin with: the others often follow from it.",
    );
    say::rows(&next_steps(exercise, true));
    Ok(None)
}

/// A program as a target for the checks.
///
/// # Errors
///
/// When its path is not Unicode.
pub fn target(exercise: &Exercise, program: &Path) -> Result<Target, String> {
    let program = program.to_str().ok_or("the path of the kit has to be Unicode; mend: move it")?;
    let words = exercise.plan.arguments.split_whitespace();
    let words: Vec<String> = [program].into_iter().chain(words).map(str::to_owned).collect();
    let mut target = Target::of_command(&words)?;
    target.silence_timeout = PATIENCE;
    target.start_timeout = START_TIMEOUT;
    Ok(target)
}

/// Whether an exercise's program is compared with the starter.
pub fn is_compared(exercise: &Exercise) -> bool {
    exercise.plan.measures.iter().any(|plan| plan.what == What::TimesStarter)
}

/// The example that is the starter as it was.
pub fn starter_name(exercise: &Exercise) -> String {
    format!("starter-{}", exercise.number)
}

/// Who is graded; none if it does not compile.
fn subject(
    place: &Place,
    exercise: &Exercise,
    command: Option<&str>,
) -> Result<Option<Subject>, String> {
    if let Some(command) = command {
        let mut target = Target::of_command(&[command.to_owned()])?;
        target.silence_timeout = PATIENCE;
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

/// The starter as it was, if the exercise's program is compared with it.
fn built_starter(exercise: &Exercise, built: &Built) -> Result<Option<Target>, String> {
    if !is_compared(exercise) {
        return Ok(None);
    }
    target(exercise, built.program(&starter_name(exercise))?).map(Some)
}

fn say_red(place: &Place, exercise: &Exercise, explanation: &Explanation<'_>, is_own: bool) {
    let Explanation { graded, came, say, .. } = explanation;
    say::bad(&format!("{}: {}", graded.name, graded.title));
    let mut rows = Vec::new();
    if let Some(check) = exercise.checks.iter().find(|check| check.id == graded.name) {
        rows.extend([("done", check.stimulus), ("expected", check.expected)]);
    }
    rows.push(("came", came));
    say::wrapped_rows(&rows);
    say::line("");
    say::text(say);
    say::line("");
    let progress = Progress::read(&place.folder).unwrap_or_default();
    if progress.note(&exercise.name).done.is_none() {
        say::line("Red is where every exercise begins. To go on:");
    } else {
        say::line("It was green before. To go on:");
    }
    say::rows(&next_steps(exercise, is_own));
}

/// Where to go from red.
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

fn say_green(place: &Place, exercise: &Exercise, graded: &[Graded], progress: &Progress) {
    let skipped = graded.iter().filter(|one| matches!(one.state, State::NotApplicable(_))).count();
    if skipped > 0 {
        say::line(format!("{skipped} of {} could not be asked here.", graded.len()));
    }
    let done = place.exercises.iter().filter(|other| progress.note(&other.name).done.is_some());
    let (done, all) = (done.count(), place.exercises.len());
    say::good(&format!("Green: exercise {} is done, {done} of {all}.", exercise.number));
    let mut rows = vec![("compare", called_as(&format!("solution {}", exercise.number)))];
    match place.next(progress) {
        Some(next) => rows.push(("next", format!("{}   {}", called_as("next"), next.brief()))),
        None => rows.push(("next", "nothing is left: you have done them all".to_owned())),
    }
    say::rows(&rows);
}
