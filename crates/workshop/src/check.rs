//! The command `check`, which builds and grades an exercise and explains the verdicts.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Error, Result, bail, ensure};
use conformance::{Target, Verdict};
use console::Style;

use crate::cargo::{self, BuildOutput};
use crate::course::{Course, YOUR_TURN, called_as, command_for, display_path};
use crate::exercise::Exercise;
use crate::folders;
use crate::grade::{self, Explanation, GradedItem, Job, Subject};
use crate::output;
use crate::packages;
use crate::progress::Progress;

/// The maximum time that a client waits for the next byte. A short time is sufficient, because the
/// server runs on this computer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The time limit for a learner's program to start listening.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// Checks a server for one exercise. The server is the learner's program, or the program that
/// `command` starts. Returns whether all checks passed.
pub fn check(course: &Course, exercise: &Exercise, command: Option<&str>) -> Result<bool> {
    let mut subject = match command {
        Some(command) => foreign_subject(exercise, command)?,
        None => {
            let Some(built) = build(course, exercise)? else { return Ok(false) };
            let source = folders::read(&packages::learner_source(course, exercise))?;
            let target = target(exercise, built.program(&exercise.package())?)?;
            Subject { target, source: Some(source), starter: None }
        }
    };
    if let Some(name) = exercise.starter_program() {
        let arguments = ["-p", &exercise.package(), "--bin", &name];
        let built = cargo::build(course, &course.folder, &arguments, true)?;
        subject.starter = Some(target(exercise, built.program(&name)?)?);
    }
    let (plan, checks) = (&exercise.plan, &exercise.checks);
    let mut counts = output::count(checks.len(), "check");
    if !plan.measures.is_empty() {
        counts += &format!(", {}", output::count(plan.measures.len(), "measurement"));
    }
    output::heading(&format!("Exercise {}, {}: {counts}", exercise.number, plan.title));
    output::line("");
    let name_width = exercise.graded_names().map(str::len).max().unwrap_or(0);
    let printed = AtomicUsize::new(0);
    let print_until = |end: usize, all: &[GradedItem]| {
        let start = printed.fetch_max(end, Ordering::Relaxed);
        all[start.min(end)..end].iter().for_each(|graded| print_verdict(graded, name_width));
    };
    // Print each verdict as soon as all earlier verdicts are known.
    let report = |all: &[GradedItem]| {
        let unknown = all.iter().position(|graded| graded.verdict.is_none());
        print_until(unknown.unwrap_or(all.len()), all);
    };
    let job = Job { exercise, subject, checks };
    let graded = grade::grade(&[job], Some(&report)).remove(0);
    print_until(graded.len(), &graded);
    if graded.iter().any(|graded| graded.verdict.is_none()) {
        output::line("  (later: runs only if all checks above pass)");
    }
    output::line("");
    if let Some(explanation) = grade::explain(exercise, &graded) {
        let is_unchanged = command.is_none() && packages::is_unchanged(course, exercise);
        print_failure(exercise, &explanation, command.is_none(), is_unchanged);
        if command.is_none() {
            let failed = Some(explanation.graded.name.clone());
            let mut progress = Progress::read(&course.work)?;
            progress.change(&exercise.number, |note| note.failed = failed)?;
        }
        print_next_steps(course, exercise, command.is_none());
        return Ok(false);
    }
    let mut progress = Progress::read(&course.work)?;
    progress.record_done(&exercise.number)?;
    print_pass(course, exercise, &graded, &progress);
    Ok(true)
}

/// Builds the learner's program. If it does not compile, prints the next steps and returns `None`.
/// Fails if Cargo fails for a reason other than a compiler error.
pub fn build(course: &Course, exercise: &Exercise) -> Result<Option<BuildOutput>> {
    if !course.target().exists() {
        output::line("The first build takes a while. Later builds take a second or two.");
    }
    let built = cargo::build(course, &course.work, &["-p", &exercise.package()], true)?;
    if built.is_complete {
        return Ok(Some(built));
    }
    output::line("");
    if !built.has_errors() {
        let warm = called_as("warm");
        bail!(
            "`cargo` could not build the exercise\nhelp: if Cargo needs the network, run this \
             command once while you are connected:\n  {warm}"
        );
    }
    output::failure("Your server does not compile yet.");
    output::text(
        "Start with the first compiler error above. It is often the cause of the other errors.",
    );
    print_next_steps(course, exercise, true);
    Ok(None)
}

/// Returns the server that `command` starts, as the subject of the checks.
fn foreign_subject(exercise: &Exercise, command: &str) -> Result<Subject> {
    if let Some(reason) = &exercise.plan.rust_only {
        let number = &exercise.number;
        bail!("exercise {number} does not accept `--cmd`: {reason}");
    }
    let mut server = Target::of_command(&[command.to_owned()]).map_err(Error::msg)?;
    let missing = placeholders(&exercise.plan.arguments).filter(|place| !command.contains(place));
    let missing: Vec<_> = missing.collect();
    ensure!(
        missing.is_empty(),
        "the command has no {}\nhelp: the checks of this exercise use several values, so pass all \
         arguments of the exercise to your server: {}",
        missing.join(", "),
        exercise.plan.arguments
    );
    server.silence_timeout = TIMEOUT;
    server.connection_limit_max = exercise.plan.limit_max.unwrap_or(usize::MAX);
    Ok(Subject { target: server, source: None, starter: None })
}

/// Returns the placeholders in the arguments of an exercise.
fn placeholders(arguments: &str) -> impl Iterator<Item = &str> {
    arguments.split_whitespace().filter(|word| word.starts_with('{'))
}

/// Returns the server that `program` starts with the arguments of an exercise.
pub fn target(exercise: &Exercise, program: &Path) -> Result<Target> {
    let program = program.to_str().context(
        "the path of the kit is not valid Unicode\nhelp: move the kit to a different folder",
    )?;
    let words = exercise.plan.arguments.split_whitespace();
    let words: Vec<String> = [program].into_iter().chain(words).map(str::to_owned).collect();
    let mut target = Target::of_command(&words).map_err(Error::msg)?;
    target.silence_timeout = TIMEOUT;
    target.connection_limit_max = exercise.plan.limit_max.unwrap_or(usize::MAX);
    target.start_timeout = START_TIMEOUT;
    Ok(target)
}

/// Prints one verdict.
fn print_verdict(graded: &GradedItem, name_width: usize) {
    let mut title = graded.title.clone();
    let (word, style) = match &graded.verdict {
        Some(Verdict::Pass) => {
            title += &graded.value.iter().map(|value| format!(" ({value})")).collect::<String>();
            ("pass", Style::new().green())
        }
        Some(Verdict::Fail(_)) => ("FAIL", Style::new().red().bold()),
        Some(Verdict::Skipped(why)) => {
            title += &format!(" ({why})");
            ("skipped", Style::new().dim())
        }
        None => ("later", Style::new().dim()),
    };
    let label = format!("{}  {:name_width$}", style.apply_to(format!("{word:7}")), graded.name);
    output::wrapped_row(&label, name_width + 9, &title);
}

fn print_failure(
    exercise: &Exercise,
    explanation: &Explanation<'_>,
    is_learners: bool,
    is_unchanged: bool,
) {
    let Explanation { graded, actual, text, rust, .. } = explanation;
    output::failure(&format!("{}: {}", graded.name, graded.title));
    let mut rows = Vec::new();
    if let Some(check) = exercise.checks.iter().find(|check| check.id == graded.name) {
        rows.extend([("stimulus", check.stimulus), ("expected", check.expected)]);
    }
    rows.push(("actual", actual));
    output::wrapped_rows(&rows);
    output::line("");
    match (is_unchanged, is_learners) {
        (true, _) => output::text(
            "Your file is unchanged. The starter of every exercise fails, as intended. Read the \
             task, and change your file.",
        ),
        (false, true) => output::text(&format!("{text} {rust}")),
        (false, false) => output::text(text),
    }
    output::line("");
}

/// Returns the path of the learner's source file, and the number of the line where the learner
/// starts.
pub fn edited_line(course: &Course, exercise: &Exercise) -> String {
    let path = course.main_file(exercise);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let line = text.lines().position(|line| line.contains(YOUR_TURN)).map(|index| index + 1);
    let line = line.map_or_else(String::new, |line| format!(":{line}"));
    format!("{}{line}", display_path(&path))
}

/// Prints the next steps after a failure.
fn print_next_steps(course: &Course, exercise: &Exercise, is_learners: bool) {
    let hint = command_for(exercise, "hint");
    match is_learners {
        true => output::rows(&[
            ("your file", edited_line(course, exercise)),
            ("the task", display_path(&exercise.folder.join("README.md"))),
            ("a hint", hint),
            ("try it", command_for(exercise, "run")),
        ]),
        false => output::rows(&[("a hint", format!("{hint}   (for the exercise in Rust)"))]),
    }
}

fn print_pass(course: &Course, exercise: &Exercise, graded: &[GradedItem], progress: &Progress) {
    let is_skipped = |one: &&GradedItem| matches!(one.verdict, Some(Verdict::Skipped(_)));
    let skipped = graded.iter().filter(is_skipped).count();
    if skipped > 0 {
        output::line(format!(
            "{skipped} of {} checks and measurements were skipped.",
            graded.len()
        ));
    }
    let (number, all) = (&exercise.number, course.exercises.len());
    let done = course.exercises.iter().filter(|other| progress.is_done(&other.number)).count();
    output::success(&format!("Passed. Exercise {number} is done ({done} of {all} exercises)."));
    let next = match course.next(progress) {
        Some(Exercise { number, plan, .. }) => {
            let brief = format!("{number}, {}: {} minutes", plan.title, plan.minutes);
            format!("{}   ({brief})", called_as("next"))
        }
        None => "none (you have done all exercises)".to_owned(),
    };
    output::rows(&[("compare", command_for(exercise, "solution")), ("next", next)]);
}
