//! Grading: an exercise's checks and counts, and what a red one means.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use conformance::{Counted, Load, Progress, Record, Target, Verdict};

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
    /// It is measured when all checks hold.
    Waits,
}

impl From<Verdict> for State {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Held => Self::Held,
            Verdict::Fell(came) => Self::Red(came),
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

/// Grades one subject.
pub fn grade(
    exercise: &Exercise,
    subject: &Subject,
    tell: &(dyn Fn(&Graded) + Sync),
) -> Vec<Graded> {
    let mut all = Vec::new();
    match conformance::preflight(&subject.target) {
        Err(why) => all = not_started(exercise, &why),
        Ok(()) => {
            let told = std::sync::Mutex::new(Told::default());
            let progress: Progress<'_> = &|record| {
                let mut told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                told.push(exercise, record, tell);
            };
            let targets = std::slice::from_ref(&subject.target);
            let records = conformance::run(targets, &exercise.checks, progress);
            all.extend(records.into_iter().map(graded));
            let is_measured = is_green(&all);
            for plan in &exercise.plan.measures {
                let state = match is_measured {
                    true => measured(plan, subject),
                    false => State::Waits,
                };
                let graded = Graded { name: plan.what.name(), title: plan.title(), state };
                tell(&graded);
                all.push(graded);
            }
            return all;
        }
    }
    all.iter().for_each(tell);
    all
}

/// What one record says.
pub fn graded(record: Record) -> Graded {
    let Record { check, verdict, .. } = record;
    Graded { name: check.id, title: check.title.to_owned(), state: verdict.into() }
}

/// A server that does not start is the first check's red; the others wait.
pub fn not_started(exercise: &Exercise, why: &str) -> Vec<Graded> {
    let checks = exercise.checks.iter().map(|check| (check.id, check.title.to_owned()));
    let measures = exercise.plan.measures.iter().map(|plan| (plan.what.name(), plan.title()));
    let waiting = checks.chain(measures).enumerate().map(|(index, (name, title))| {
        let state = if index == 0 { State::Red(why.to_owned()) } else { State::Waits };
        Graded { name, title, state }
    });
    waiting.collect()
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
            |stumble: &&Stumble| stumble.check == graded.name && came.contains(&stumble.words);
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

/// Tells verdicts in the exercise's order, each as soon as those before it are known.
#[derive(Default)]
struct Told {
    known: Vec<Graded>,
    told: usize,
}

impl Told {
    fn push(&mut self, exercise: &Exercise, record: &Record, tell: &(dyn Fn(&Graded) + Sync)) {
        self.known.push(graded(record.clone()));
        while let Some(check) = exercise.checks.get(self.told) {
            let Some(graded) = self.known.iter().find(|graded| graded.name == check.id) else {
                return;
            };
            tell(graded);
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
