//! Describes the verdicts of a check for the learner.

use std::fs;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use conformance::Verdict;
use console::Style;
use serde::{Deserialize, Serialize};

use crate::cargo::CompilerMessage;
use crate::course::{Course, YOUR_TURN, called_as, command_for};
use crate::exercise::Exercise;
use crate::folders::display_path;
use crate::grade::{self, Explanation, GradedItem};
use crate::output;
use crate::packages;
use crate::progress::Progress;

/// Replaces the verdict of a check or measurement that has not ended.
const PENDING: &str = "pending";

/// Replaces the verdict of a check or measurement that did not run because of a failure.
const LATER: &str = "later";

/// Marks commands that print code in Rust, after a check of a server in another language.
const FOR_RUST: &str = "   (for the exercise in Rust)";

/// The state of a check, which `watch` shows. The check writes each snapshot to stdout as one line
/// of JSON.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Snapshot {
    /// The state in one line.
    pub status: String,
    /// The first failure.
    pub brief: String,
    /// All verdicts or compiler messages.
    pub all: String,
}

impl Snapshot {
    pub fn send(&self) {
        let text = serde_json::to_string(self).expect("strings can be serialized");
        let _ = writeln!(io::stdout(), "{text}");
    }
}

/// The format in which a check reports its verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Lines of text.
    Lines,
    /// A [`Snapshot`] per change.
    Snapshots,
}

impl Format {
    /// Reports the state of the check.
    pub fn report_status(self, status: &str) {
        match self {
            Self::Lines => output::text(status),
            Self::Snapshots => {
                Snapshot { status: status.to_owned(), ..Snapshot::default() }.send();
            }
        }
    }
}

/// Describes the verdicts of one check of an exercise.
#[derive(Debug)]
pub struct Report<'a> {
    course: &'a Course,
    exercise: &'a Exercise,
    format: Format,
    /// Indicates whether the server is the learner's program, and not the program of `--cmd`.
    is_learners: bool,
    /// Indicates whether the learner's file is the unchanged starter.
    is_unchanged: bool,
    /// The compiler's warnings about the learner's program.
    warnings: Vec<CompilerMessage>,
    /// The number of printed verdicts. The lock also orders the snapshots.
    printed: Mutex<usize>,
}

impl<'a> Report<'a> {
    pub fn new(
        course: &'a Course,
        exercise: &'a Exercise,
        format: Format,
        is_learners: bool,
        warnings: Vec<CompilerMessage>,
    ) -> Self {
        let is_unchanged = is_learners && packages::is_unchanged(course, exercise);
        let printed = Mutex::new(0);
        Self { course, exercise, format, is_learners, is_unchanged, warnings, printed }
    }

    /// Reports the start of the checks.
    pub fn start(&self) {
        let Exercise { number, plan, checks, .. } = self.exercise;
        let mut counts = output::count(checks.len(), "check");
        if !plan.measures.is_empty() {
            counts += &format!(", {}", output::count(plan.measures.len(), "measurement"));
        }
        match self.format {
            Format::Lines => {
                output::heading(&format!("Exercise {number}, {}: {counts}", plan.title));
                output::line("");
            }
            Format::Snapshots => self.format.report_status(&format!("checking: {counts}")),
        }
    }

    /// Reports a change of the verdicts. `name` is the check or measurement that ended.
    pub fn update(&self, all: &[GradedItem], name: &str) {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        match self.format {
            // Print each verdict as soon as all earlier verdicts are known.
            Format::Lines => {
                let unknown = all.iter().position(|graded| graded.verdict.is_none());
                self.print_verdicts(all, &mut printed, unknown.unwrap_or(all.len()), LATER);
            }
            Format::Snapshots => {
                let known = all.iter().filter(|graded| graded.verdict.is_some()).count();
                let status = format!("checking: {known} of {} done (last: {name})", all.len());
                self.send(status, all, None, PENDING);
            }
        }
    }

    /// Reports the final verdicts. `passed` is the progress after the check, if all checks passed.
    pub fn finish(&self, all: &[GradedItem], passed: Option<&Progress>) {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        if self.format == Format::Snapshots {
            let status = if passed.is_some() { "passed" } else { "failed" };
            return self.send(status.to_owned(), all, passed, LATER);
        }
        self.print_verdicts(all, &mut printed, all.len(), LATER);
        output::line("");
        match (passed, grade::explain(self.exercise, all)) {
            (None, Some(explanation)) => {
                self.print_failure(&explanation);
                self.print_more_failures(all);
                self.print_warnings();
                output::line("");
                self.print_next_steps();
            }
            (Some(progress), _) => {
                self.print_pass(all, progress);
                self.print_warnings();
            }
            (None, None) => {}
        }
    }

    fn send(
        &self,
        status: String,
        all: &[GradedItem],
        passed: Option<&Progress>,
        unknown: &'static str,
    ) {
        let result = output::capture(|| match (passed, grade::explain(self.exercise, all)) {
            (None, Some(explanation)) => {
                self.print_failure(&explanation);
                self.print_more_failures(all);
            }
            (Some(progress), _) => self.print_pass(all, progress),
            (None, None) => {}
        });
        let verdicts = output::capture(|| {
            self.print_verdicts(all, &mut 0, all.len(), unknown);
            output::line("");
        });
        let all = self.warnings.iter().map(|warning| warning.text.as_str()).collect::<String>();
        let first = self.warning_line();
        Snapshot { status, all: all + &verdicts + &result, brief: first + &result }.send();
    }

    /// Prints the verdicts from the index `printed` to the index `end`, and updates `printed`.
    /// `unknown` replaces an unknown verdict.
    fn print_verdicts(
        &self,
        all: &[GradedItem],
        printed: &mut usize,
        end: usize,
        unknown: &'static str,
    ) {
        let name_width = self.exercise.graded_names().map(str::len).max().unwrap_or(0);
        let new = &all[(*printed).min(end)..end];
        new.iter().for_each(|graded| print_verdict(graded, name_width, unknown));
        *printed = end.max(*printed);
        if unknown == LATER && end == all.len() && new.iter().any(|graded| graded.verdict.is_none())
        {
            output::line("  (later: runs only if all checks above pass)");
        }
    }

    fn print_failure(&self, explanation: &Explanation<'_>) {
        let Explanation { graded, actual, text, rust, .. } = explanation;
        output::failure(&format!("{}: {}", graded.name, graded.title));
        let mut rows = Vec::new();
        if let Some(check) = self.exercise.checks.iter().find(|check| check.id == graded.name) {
            rows.extend([("stimulus", check.stimulus), ("expected", check.expected)]);
        }
        rows.push(("actual", actual));
        output::wrapped_rows(&rows);
        output::line("");
        match (self.is_unchanged, self.is_learners) {
            (true, _) => output::text(
                "Your file is unchanged. The starter of every exercise fails, as intended. Read \
                 the task, and change your file.",
            ),
            (false, true) => output::text(&format!("{text} {rust}")),
            (false, false) => output::text(text),
        }
    }

    /// Prints the number of the failures that are not explained.
    fn print_more_failures(&self, all: &[GradedItem]) {
        let is_failure = |one: &&GradedItem| matches!(one.verdict, Some(Verdict::Fail(_)));
        let more = all.iter().filter(is_failure).count().saturating_sub(1);
        if more > 0 && !self.is_unchanged {
            output::line("");
            let more = output::count(more, "more check");
            output::text(&format!("{more} failed."));
        }
    }

    /// Repeats the number of warnings, because a warning can explain a failure.
    fn print_warnings(&self) {
        let count = self.warnings.len();
        if count > 0 {
            output::line("");
            let warnings = output::count(count, "warning");
            output::text(&format!(
                "The compiler printed {warnings} above. A warning can show the cause of a failure."
            ));
        }
    }

    /// Returns a line with the most important warning and an empty line, or an empty string if there
    /// is no warning.
    fn warning_line(&self) -> String {
        // An unused future explains more failures than an unused variable.
        let is_important = |one: &&CompilerMessage| one.title.contains("must be used");
        let important = self.warnings.iter().find(is_important);
        let Some(first) = important.or(self.warnings.first()) else { return String::new() };
        let more = match self.warnings.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        let style = Style::new().yellow();
        format!("{}: {}{more}\n\n", style.apply_to("warning"), first.title)
    }

    fn print_next_steps(&self) {
        match self.is_learners {
            true => print_next_steps(self.course, self.exercise),
            false => {
                let hint = command_for(self.exercise, "hint");
                output::rows(&[("a hint", format!("{hint}{FOR_RUST}"))]);
            }
        }
    }

    fn print_pass(&self, graded: &[GradedItem], progress: &Progress) {
        let is_skipped = |one: &&GradedItem| matches!(one.verdict, Some(Verdict::Skipped(_)));
        let skipped = graded.iter().filter(is_skipped).count();
        let count = graded.len();
        if skipped > 0 {
            output::line(format!("{skipped} of {count} checks and measurements were skipped."));
        }
        let (course, number) = (self.course, &self.exercise.number);
        let done = course.done_line(progress);
        output::success(&format!("Passed. Exercise {number} is done ({done})."));
        // In `watch`, the key n selects the following exercise, even if it is done.
        let (next, command) = match self.format {
            Format::Lines => (course.next(progress), called_as("next")),
            Format::Snapshots => (course.following(self.exercise), "press n".to_owned()),
        };
        let next = match next {
            Some(Exercise { number, plan, .. }) => {
                format!("{command}   ({number}, {}: {} minutes)", plan.title, plan.minutes)
            }
            None if course.next(progress).is_some() => {
                "none (this is the last exercise)".to_owned()
            }
            None => "none (you have done all exercises)".to_owned(),
        };
        let mut compare = command_for(self.exercise, "solution");
        if !self.is_learners {
            compare += FOR_RUST;
        }
        output::rows(&[("compare", compare), ("next", next)]);
    }
}

/// Prints one verdict.
fn print_verdict(graded: &GradedItem, name_width: usize, unknown: &'static str) {
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
        None => (unknown, Style::new().dim()),
    };
    let label = format!("{}  {:name_width$}", style.apply_to(format!("{word:7}")), graded.name);
    output::wrapped_row(&label, name_width + 9, &title);
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

/// Prints the next steps after a failure of the learner's program.
pub fn print_next_steps(course: &Course, exercise: &Exercise) {
    output::rows(&[
        ("your file", edited_line(course, exercise)),
        ("the task", display_path(&exercise.folder.join("README.md"))),
        ("a hint", command_for(exercise, "hint")),
        ("try it", command_for(exercise, "run")),
    ]);
}
