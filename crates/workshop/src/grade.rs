//! Grades an exercise with its checks and measurements, and explains a failure.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use conformance::{Counted, Filter, Load, Progress, Record, Target, Verdict};

use crate::exercise::{Diagnosis, Exercise, MeasureKind, MeasurePlan};

/// The number of rounds in which two programs are measured alternately.
const ROUNDS: usize = 3;

/// Messages about a server that did not start, and their explanations.
const NOT_STARTED: &[(&str, &str)] = &[
    (
        "the server ended before it listened",
        "Your server exited at startup, before a client connected. The end of its output is above. \
         Start it yourself to see the whole output.",
    ),
    (
        "cannot start `",
        "The server could not be started: the system did not find the program, or has no \
         permission to run it. Run the command yourself, and replace the placeholders by a file and \
         a port.",
    ),
    (
        "no process listens on port",
        "Your server runs, but does not listen where the checks connect. Listen on 127.0.0.1, on \
         the port that is passed on the command line.",
    ),
];

/// Messages that can occur in every exercise, and their explanations. The first match is printed.
const IN_GENERAL: &[(&str, &str)] = &[
    (
        "panicked at",
        "Your server panicked while it served a client. The end of its output is above.",
    ),
    (
        "no verdict within",
        "The check took too long and was stopped. Does your server wait forever, or for a while \
         for each client?",
    ),
    (
        "extra at the end",
        "The client received everything, and then more. Your server sends something twice, \
         pads it, or adds a newline.",
    ),
    (
        "differs:",
        "The bytes before this position are correct. (Positions start at 0, and include the \
         preamble.) Was something changed, omitted, or sent twice?",
    ),
    (
        "expected a FIN after the last byte",
        "Every byte arrived, but no FIN. After the last byte, close the connection, or shut \
         down its write half.",
    ),
];

/// A server that is graded.
#[derive(Debug)]
pub struct Subject {
    pub target: Target,
    /// Its source file, if it is known.
    pub source: Option<PathBuf>,
    /// The original starter, if the server is compared with it.
    pub starter: Option<Target>,
}

/// The verdict of one check or measurement.
#[derive(Clone, Debug)]
pub struct Graded {
    /// The name of the check or of the measurement.
    pub name: &'static str,
    pub title: String,
    pub state: State,
}

/// The state of a check or of a measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Pass,
    /// Contains what happened instead.
    Fail(String),
    /// Contains the reason.
    Skipped(String),
    /// Has not run: an earlier check failed, or, for a measurement, any check.
    Pending,
}

impl From<Verdict> for State {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Fail(actual) => Self::Fail(actual),
            Verdict::NotApplicable(why) => Self::Skipped(why),
        }
    }
}

/// The explanation of a failure.
#[derive(Debug)]
pub struct Explanation<'a> {
    pub graded: &'a Graded,
    pub actual: &'a str,
    /// The id of the diagnosis, or the name of the measurement, that explains the failure.
    pub id: Option<&'a str>,
    pub say: &'a str,
}

/// Whether no check and no measurement failed or is pending.
pub fn all_passed(graded: &[Graded]) -> bool {
    graded.iter().all(|graded| matches!(graded.state, State::Pass | State::Skipped(_)))
}

/// Grades one subject. When a failure has an explanation, no later check is started.
pub fn grade(
    exercise: &Exercise,
    subject: &Subject,
    report: &(dyn Fn(&Graded) + Sync),
) -> Vec<Graded> {
    if let Err(why) = conformance::preflight(&subject.target) {
        let all = not_started(exercise, &why);
        all.iter().for_each(report);
        return all;
    }
    let reporter = Mutex::new(Reporter { all: pending(exercise), reported: 0 });
    let lock = || reporter.lock().unwrap_or_else(PoisonError::into_inner);
    let is_needed: Filter<'_> = &|_, check| {
        let reporter = lock();
        let explained = explain(exercise, &reporter.all).filter(|failure| failure.id.is_some());
        let place = |name| reporter.all.iter().position(|graded| graded.name == name);
        explained.is_none_or(|failure| place(check.id) < place(failure.graded.name))
    };
    let progress: Progress<'_> = &|record| lock().take(record, report);
    let targets = std::slice::from_ref(&subject.target);
    let pairs: Vec<_> = exercise.checks.iter().map(|&check| (0, check)).collect();
    let records = conformance::run_pairs(targets, &pairs, is_needed, progress);
    let mut reporter = reporter.into_inner().unwrap_or_else(PoisonError::into_inner);
    reporter.report_until(exercise.checks.len(), report);
    let is_measured = records.len() == pairs.len() && all_passed(&reporter.all[..pairs.len()]);
    for (index, plan) in exercise.plan.measures.iter().enumerate() {
        if is_measured {
            reporter.all[pairs.len() + index].state = measured(plan, subject);
        }
        reporter.report_until(pairs.len() + index + 1, report);
    }
    reporter.all
}

/// Converts a record of `conformance`.
pub fn graded(record: Record) -> Graded {
    let Record { check, verdict, .. } = record;
    Graded { name: check.id, title: check.title.to_owned(), state: verdict.into() }
}

/// Returns the verdicts of a server that did not start: the first check fails.
pub fn not_started(exercise: &Exercise, why: &str) -> Vec<Graded> {
    let mut all = pending(exercise);
    if let Some(first) = all.first_mut() {
        first.state = State::Fail(why.to_owned());
    }
    all
}

/// Returns all checks and measurements in the pending state.
fn pending(exercise: &Exercise) -> Vec<Graded> {
    let checks = exercise.checks.iter().map(|check| (check.id, check.title.to_owned()));
    let measures = exercise.plan.measures.iter().map(|plan| (plan.what.name(), plan.title()));
    let graded = |(name, title)| Graded { name, title, state: State::Pending };
    checks.chain(measures).map(graded).collect()
}

/// Takes one measurement.
pub fn measured(plan: &MeasurePlan, subject: &Subject) -> State {
    let load = Load {
        clients: plan.clients,
        bytes: plan.bytes,
        chunk_bytes: plan.chunk.unwrap_or(Load::default().chunk_bytes),
    };
    let judged = match plan.what.measure() {
        Some(what) => {
            conformance::measure(&subject.target, what, load).map(|counted| match counted {
                Counted::Number(number) => judge_number(plan, number as f64),
                Counted::Calls(calls) => judge_calls(plan, &calls),
            })
        }
        None if plan.what == MeasureKind::SourceLacks => Ok(judge_source(plan, subject)),
        None => match &subject.starter {
            Some(starter) => {
                times_starter(&subject.target, starter, load).map(|times| judge_number(plan, times))
            }
            None => Ok(State::Skipped("there is no starter to compare it with".to_owned())),
        },
    };
    judged.unwrap_or_else(State::from)
}

/// Returns the best explanation: of the first failure with a diagnosis, or else of the first one.
pub fn explain<'a>(exercise: &'a Exercise, all: &'a [Graded]) -> Option<Explanation<'a>> {
    let failures = || {
        all.iter().filter_map(|graded| match &graded.state {
            State::Fail(actual) => Some((graded, actual.as_str())),
            _ => None,
        })
    };
    let (graded, actual) = failures().next()?;
    if let Some(say) = meaning(NOT_STARTED, actual) {
        return Some(Explanation { graded, actual, id: None, say });
    }
    for (graded, actual) in failures() {
        let fits = |diagnosis: &&Diagnosis| {
            diagnosis.check == graded.name && contains_words(&diagnosis.words, actual)
        };
        if let Some(diagnosis) = exercise.plan.diagnoses.iter().find(fits) {
            let (id, say) = (Some(diagnosis.id.as_str()), diagnosis.say.as_str());
            return Some(Explanation { graded, actual, id, say });
        }
        let is_same = |plan: &&MeasurePlan| plan.what.name() == graded.name;
        if let Some(plan) = exercise.plan.measures.iter().find(is_same) {
            let (id, say) = (Some(graded.name), plan.say.as_str());
            return Some(Explanation { graded, actual, id, say });
        }
    }
    let check = exercise.checks.iter().find(|check| check.id == graded.name);
    // The check's own hint describes its purpose, which may not be the cause of this failure.
    let say = meaning(IN_GENERAL, actual).or(check.map(|check| check.hint)).unwrap_or_default();
    Some(Explanation { graded, actual, id: None, say })
}

fn meaning(meanings: &[(&str, &'static str)], actual: &str) -> Option<&'static str> {
    meanings.iter().find(|(words, _)| actual.contains(words)).map(|&(_, meaning)| meaning)
}

/// Whether a message contains `words`. Numbers of seconds are not compared, because they depend on
/// the timeout of the client.
pub fn contains_words(words: &str, actual: &str) -> bool {
    without_seconds(actual).contains(&without_seconds(words))
}

/// Replaces each number before the unit `s` by `N`.
fn without_seconds(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let is_unit = |word: &str| {
        let rest = word.strip_prefix('s');
        rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    let is_number = |word: &str| word.chars().all(|c| c.is_ascii_digit() || c == '.');
    let replaced = words.iter().enumerate().map(|(index, &word)| {
        match is_number(word) && words.get(index + 1).is_some_and(|next| is_unit(next)) {
            true => "N",
            false => word,
        }
    });
    replaced.collect::<Vec<_>>().join(" ")
}

/// Reports verdicts in the order of the exercise, each as soon as all earlier ones are known.
struct Reporter {
    all: Vec<Graded>,
    reported: usize,
}

impl Reporter {
    fn take(&mut self, record: &Record, report: &(dyn Fn(&Graded) + Sync)) {
        let is_same = |one: &&mut Graded| one.name == record.check.id;
        if let Some(one) = self.all.iter_mut().find(is_same) {
            *one = graded(record.clone());
        }
        let is_unknown = |one: &Graded| one.state == State::Pending;
        let known = self.all.iter().position(is_unknown).unwrap_or(self.all.len());
        self.report_until(known, report);
    }

    fn report_until(&mut self, count: usize, report: &(dyn Fn(&Graded) + Sync)) {
        while self.reported < count {
            report(&self.all[self.reported]);
            self.reported += 1;
        }
    }
}

fn judge_number(plan: &MeasurePlan, number: f64) -> State {
    let is_little = plan.at_most.is_none_or(|most| number <= most);
    let is_much = plan.at_least.is_none_or(|least| number >= least);
    match is_little && is_much {
        true => State::Pass,
        // More than one decimal digit of a ratio is not significant.
        false => State::Fail(format!("it was {}", (number * 10.0).round() / 10.0)),
    }
}

fn judge_calls(plan: &MeasurePlan, calls: &BTreeSet<String>) -> State {
    let expected = plan.is.as_deref().unwrap_or_default();
    match expected.split_whitespace().any(|call| calls.contains(call)) {
        true => State::Pass,
        false => {
            let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
            State::Fail(format!("its threads wait in {}", calls.join(", ")))
        }
    }
}

fn judge_source(plan: &MeasurePlan, subject: &Subject) -> State {
    let word = plan.word.as_deref().unwrap_or_default();
    let Some(path) = &subject.source else {
        return State::Skipped("only the source of the exercise itself is checked".to_owned());
    };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return State::Fail(format!("{}: {error}", path.display())),
    };
    match text.lines().position(|line| line.contains(word)) {
        None => State::Pass,
        Some(index) => State::Fail(format!("line {} contains `{word}`", index + 1)),
    }
}

/// Returns the speed as a multiple of the starter's: the median of several rounds.
fn times_starter(target: &Target, starter: &Target, load: Load) -> Result<f64, Verdict> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let theirs = conformance::reply_time(starter, load)?;
        let ours = conformance::reply_time(target, load)?;
        times.push(theirs.as_secs_f64() / ours.as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[ROUNDS / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_words_ignores_seconds() {
        assert!(contains_words("first byte within 5 s", "expected the first byte within 3 s"));
        assert!(contains_words("5 s", "a timeout after 3 s (3.2 s after the last byte)"));
        assert!(!contains_words(
            "client 2 of 8: expected the first byte within 5 s",
            "client 3 of 8: expected the first byte within 5 s"
        ));
        assert!(!contains_words("5 s", "expected 5 bytes, got 5 segments"));
        assert!(contains_words("", "whatever"));
    }
}
