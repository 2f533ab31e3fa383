//! Grading: an exercise's checks and counts, and what a red one means.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use conformance::{Counted, Filter, Load, Progress, Record, Target, Verdict};

use crate::exercise::{Exercise, MeasurePlan, Stumble, What};

/// Rounds in which two programs take turns.
const ROUNDS: usize = 3;

/// Words about a server that no client has seen, and what they mean.
const NOT_STARTED: &[(&str, &str)] = &[
    (
        "it ended before it listened",
        "Your server ended at its start, before any client came. Its last words stand above; start it \
         yourself to see all of them.",
    ),
    (
        "cannot be started",
        "No server was started: the system did not find the command's first word, or may not run it. \
         Try the command yourself, with a file and a port in the two places.",
    ),
    (
        "nobody listens on port",
        "Your server runs, but not where the checks look for it: it has to listen on 127.0.0.1, on \
         the port that its command line says.",
    ),
];

/// Words that no stumble foresaw, and what they mean of any server. The first that fits is said.
const IN_GENERAL: &[(&str, &str)] = &[
    (
        "panicked at",
        "Your server panicked while it served. Its last words, above, say where and of what.",
    ),
    (
        "no verdict within",
        "It took so long that the check was given up. Does something in your server wait without end, \
         or for a while with every client?",
    ),
    (
        "too many;",
        "All that should come came, and then more: something was sent twice or filled up, or has a \
         newline of its own.",
    ),
    (
        "differs:",
        "Up to the byte that is named, all is right (it counts from 0, and the preamble counts, too); \
         from there on it is not. Was something changed, left out, or sent twice?",
    ),
    (
        "instead of a FIN",
        "Every byte came, but not the end: after the last one the client waits for a FIN, which is a \
         close, or a shutdown of the writing side.",
    ),
];

/// Who is graded.
#[derive(Debug)]
pub struct Subject {
    pub target: Target,
    /// Its sources, if they are known.
    pub source: Option<PathBuf>,
    /// The starter as it was, if something is compared with it.
    pub starter: Option<Target>,
}

/// One verdict.
#[derive(Clone, Debug)]
pub struct Graded {
    /// The check's id, or what is measured.
    pub name: &'static str,
    pub title: String,
    pub state: State,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Held,
    Red(String),
    NotApplicable(String),
    /// Not before those before it hold, or, what is measured, all checks.
    Waits,
}

impl From<Verdict> for State {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Held,
            Verdict::Fail(came) => Self::Red(came),
            Verdict::NotApplicable(why) => Self::NotApplicable(why),
        }
    }
}

/// What is said of a red one.
#[derive(Debug)]
pub struct Explanation<'a> {
    pub graded: &'a Graded,
    pub came: &'a str,
    /// The stumble's id, or what is measured, if one of them explains it.
    pub id: Option<&'a str>,
    pub say: &'a str,
}

/// Whether all is green.
pub fn is_green(graded: &[Graded]) -> bool {
    graded.iter().all(|graded| matches!(graded.state, State::Held | State::NotApplicable(_)))
}

/// Grades one subject. Once a red one is explained, what comes after it is not begun any more.
pub fn grade(
    exercise: &Exercise,
    subject: &Subject,
    tell: &(dyn Fn(&Graded) + Sync),
) -> Vec<Graded> {
    if let Err(why) = conformance::preflight(&subject.target) {
        let all = not_started(exercise, &why);
        all.iter().for_each(tell);
        return all;
    }
    let told = Mutex::new(Told { all: waiting(exercise), told: 0 });
    let lock = || told.lock().unwrap_or_else(PoisonError::into_inner);
    let is_wanted: Filter<'_> = &|_, check| {
        let told = lock();
        let explained = explain(exercise, &told.all).filter(|red| red.id.is_some());
        let place = |name| told.all.iter().position(|graded| graded.name == name);
        explained.is_none_or(|red| place(check.id) < place(red.graded.name))
    };
    let progress: Progress<'_> = &|record| lock().take(record, tell);
    let targets = std::slice::from_ref(&subject.target);
    let pairs: Vec<_> = exercise.checks.iter().map(|&check| (0, check)).collect();
    let records = conformance::run_pairs(targets, &pairs, is_wanted, progress);
    let mut told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    told.tell_until(exercise.checks.len(), tell);
    let is_measured = records.len() == pairs.len() && is_green(&told.all[..pairs.len()]);
    for (index, plan) in exercise.plan.measures.iter().enumerate() {
        if is_measured {
            told.all[pairs.len() + index].state = measured(plan, subject);
        }
        told.tell_until(pairs.len() + index + 1, tell);
    }
    told.all
}

/// What one record says.
pub fn graded(record: Record) -> Graded {
    let Record { check, verdict, .. } = record;
    Graded { name: check.id, title: check.title.to_owned(), state: verdict.into() }
}

/// A server that does not start is the first check's red; the others wait.
pub fn not_started(exercise: &Exercise, why: &str) -> Vec<Graded> {
    let mut all = waiting(exercise);
    if let Some(first) = all.first_mut() {
        first.state = State::Red(why.to_owned());
    }
    all
}

/// All that is graded, before it is.
fn waiting(exercise: &Exercise) -> Vec<Graded> {
    let checks = exercise.checks.iter().map(|check| (check.id, check.title.to_owned()));
    let measures = exercise.plan.measures.iter().map(|plan| (plan.what.name(), plan.title()));
    let graded = |(name, title)| Graded { name, title, state: State::Waits };
    checks.chain(measures).map(graded).collect()
}

/// Measures one thing.
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
        None if plan.what == What::SourceLacks => Ok(judge_source(plan, subject)),
        None => match &subject.starter {
            Some(starter) => {
                times_starter(&subject.target, starter, load).map(|times| judge_number(plan, times))
            }
            None => Ok(State::NotApplicable("there is no starter to compare it with".to_owned())),
        },
    };
    judged.unwrap_or_else(State::from)
}

/// What explains the verdicts best: the first red that a stumble fits, or else the first red.
pub fn explain<'a>(exercise: &'a Exercise, all: &'a [Graded]) -> Option<Explanation<'a>> {
    let reds = || {
        all.iter().filter_map(|graded| match &graded.state {
            State::Red(came) => Some((graded, came.as_str())),
            _ => None,
        })
    };
    let (graded, came) = reds().next()?;
    if let Some(say) = meaning(NOT_STARTED, came) {
        return Some(Explanation { graded, came, id: None, say });
    }
    for (graded, came) in reds() {
        let fits =
            |stumble: &&Stumble| stumble.check == graded.name && is_said(&stumble.words, came);
        if let Some(stumble) = exercise.plan.stumbles.iter().find(fits) {
            let (id, say) = (Some(stumble.id.as_str()), stumble.say.as_str());
            return Some(Explanation { graded, came, id, say });
        }
        let is_it = |plan: &&MeasurePlan| plan.what.name() == graded.name;
        if let Some(plan) = exercise.plan.measures.iter().find(is_it) {
            let (id, say) = (Some(graded.name), plan.say.as_str());
            return Some(Explanation { graded, came, id, say });
        }
    }
    let check = exercise.checks.iter().find(|check| check.id == graded.name);
    // A check's own hint is about what the check is there for, which may be something else.
    let say = meaning(IN_GENERAL, came).or(check.map(|check| check.hint)).unwrap_or_default();
    Some(Explanation { graded, came, id: None, say })
}

fn meaning(meanings: &[(&str, &'static str)], came: &str) -> Option<&'static str> {
    meanings.iter().find(|(words, _)| came.contains(words)).map(|&(_, meaning)| meaning)
}

/// Whether words are in what came, whatever seconds both name: those depend on who waits.
pub fn is_said(words: &str, came: &str) -> bool {
    without_seconds(came).contains(&without_seconds(words))
}

/// The text with one and the same word for every number before the unit s.
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

/// Tells verdicts in the exercise's order, each as soon as those before it are known.
struct Told {
    all: Vec<Graded>,
    told: usize,
}

impl Told {
    fn take(&mut self, record: &Record, tell: &(dyn Fn(&Graded) + Sync)) {
        let is_it = |one: &&mut Graded| one.name == record.check.id;
        if let Some(one) = self.all.iter_mut().find(is_it) {
            *one = graded(record.clone());
        }
        let is_unknown = |one: &Graded| one.state == State::Waits;
        let known = self.all.iter().position(is_unknown).unwrap_or(self.all.len());
        self.tell_until(known, tell);
    }

    fn tell_until(&mut self, count: usize, tell: &(dyn Fn(&Graded) + Sync)) {
        while self.told < count {
            tell(&self.all[self.told]);
            self.told += 1;
        }
    }
}

fn judge_number(plan: &MeasurePlan, number: f64) -> State {
    let is_little = plan.at_most.is_none_or(|most| number <= most);
    let is_much = plan.at_least.is_none_or(|least| number >= least);
    match is_little && is_much {
        true => State::Held,
        // Whole numbers are counts; those of a ratio beyond one digit say nothing.
        false => State::Red(format!("it was {}", (number * 10.0).round() / 10.0)),
    }
}

fn judge_calls(plan: &MeasurePlan, calls: &BTreeSet<String>) -> State {
    let wanted = plan.is.as_deref().unwrap_or_default();
    match wanted.split_whitespace().any(|call| calls.contains(call)) {
        true => State::Held,
        false => {
            let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
            State::Red(format!("its threads wait in {}", calls.join(", ")))
        }
    }
}

fn judge_source(plan: &MeasurePlan, subject: &Subject) -> State {
    let word = plan.word.as_deref().unwrap_or_default();
    let Some(path) = &subject.source else {
        return State::NotApplicable("only the exercise's own source is looked at".to_owned());
    };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return State::Red(format!("{}: {error}", path.display())),
    };
    match text.lines().position(|line| line.contains(word)) {
        None => State::Held,
        Some(index) => State::Red(format!("line {} has {word}", index + 1)),
    }
}

/// How many times as fast, as the median of rounds in which both have their turn.
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
    fn seconds_are_not_compared() {
        assert!(is_said("no byte after 5 s", "client 3 of 8 has no byte after 3 s"));
        assert!(is_said("5 s", "no end within 3 s (the last byte came 3.2 s ago)"));
        assert!(!is_said(
            "client 2 of 8 has no byte after 5 s",
            "client 3 of 8 has no byte after 5 s"
        ));
        assert!(!is_said("5 s", "only 5 of 8 bytes; 5 segments"));
        assert!(is_said("", "whatever"));
    }
}
