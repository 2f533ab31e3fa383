//! Grades an exercise with its checks and measurements, and explains a failure.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use conformance::{Check, HEAVY_JOBS, Load, Measure, MeasuredValue, Record, Target, Verdict};

use crate::exercise::{Diagnosis, Exercise};
use crate::folders::Files;
use crate::measurement::{MeasureKind, MeasurePlan};

/// The number of programs that are started concurrently.
const JOBS: usize = 8;

/// The number by which proofs multiply the number of checks that run concurrently. Most checks wait
/// most of the time.
const PROOF_FACTOR: usize = 3;

/// The number of rounds of a comparison. Each round measures both programs once.
const ROUNDS: usize = 3;

/// Explanations of failed starts. Each entry contains part of the failure's message, and the
/// explanation.
pub const START_FAILURES: &[(&str, &str)] = &[
    (
        "the server ended before it listened",
        "Your server exited at startup, before a client connected. The end of its output is above. \
         Start the server yourself to see the whole output.",
    ),
    (
        "cannot start `",
        "The system cannot start the server. The program does not exist, or you do not have \
         permission to run it. Run the command yourself, and replace the placeholders with a file \
         and a port.",
    ),
    (
        "no process listens on port",
        "Your server runs, but does not listen where the checks connect. Listen on 127.0.0.1, on \
         the port that is passed on the command line.",
    ),
];

/// Explanations of failures that can occur in every exercise. Each entry contains part of the
/// failure's message, and the explanation. The explanation of the first entry that matches is
/// printed.
pub const GENERAL_FAILURES: &[(&str, &str)] = &[
    (
        "SIGXFSZ",
        "Your server wrote a file of more than 256 MiB, and was stopped before it filled the disk. \
         Which loop in your server writes to a file?",
    ),
    (
        "No space left on device",
        "The disk is full, so the check could not write its file. Free space on the disk, and \
         check again.",
    ),
    (
        "panicked at",
        "A thread of your server ended with an error while it served a client. The end of the \
         server's output is above.",
    ),
    (
        "no verdict within",
        "The check took too long and was stopped. Does your server wait forever, or does it pause \
         for each client?",
    ),
    (
        "extra at the end",
        "The client received the whole reply, and then more bytes. Your server sends some bytes \
         twice, pads the file, or adds a newline.",
    ),
    (
        "differs:",
        "The bytes before this position are correct. The first byte of the preamble \
         has offset 0. Does your server change or omit a byte, or send one twice?",
    ),
    (
        "expected a FIN after the last byte",
        "The client received every byte, but no FIN. After the last byte, close the connection or \
         shut down its write half.",
    ),
];

/// A server to grade.
#[derive(Debug)]
pub struct Subject {
    pub target: Target,
    /// The server's source files, if they are known.
    pub source: Option<Files>,
    /// The original starter, if a measurement compares the server with the starter.
    pub starter: Option<Target>,
}

/// A server and the checks that grade it.
#[derive(Debug)]
pub struct Job<'a> {
    pub exercise: &'a Exercise,
    pub subject: Subject,
    /// The checks to run, which are the first checks of the exercise or all of them.
    pub checks: &'a [&'static Check],
}

/// A callback that receives all verdicts of a job after each change, and the name of the check or
/// measurement that ended. Any thread may call it.
pub type Report<'a> = &'a (dyn Fn(&[GradedItem], &str) + Sync);

/// A check or a measurement, and its verdict.
#[derive(Clone, Debug)]
pub struct GradedItem {
    /// The name of the check or of the measurement.
    pub name: String,
    pub title: String,
    /// The verdict, or `None` if the check or measurement has not run. A failed check may prevent
    /// later checks and always prevents all measurements.
    pub verdict: Option<Verdict>,
    /// The measured value, or `None` if there is no value.
    pub value: Option<String>,
}

/// The verdict on a measurement, and the measured value.
type Measured = (Verdict, Option<String>);

/// The explanation of a failure.
#[derive(Debug)]
pub struct Explanation<'a> {
    pub graded: &'a GradedItem,
    pub actual: &'a str,
    /// The id of the diagnosis, or the name of the measurement, that explains the failure.
    pub id: Option<&'a str>,
    /// The text that is printed for the learner.
    pub text: &'a str,
    /// Additional text for a server in Rust.
    pub rust: &'a str,
}

/// The checks of a job that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All checks run.
    All,
    /// A failure that a diagnosis explains prevents the later checks of the same job.
    UntilExplained,
}

/// Grades servers concurrently. Returns the verdicts of each job's checks and measurements.
pub fn grade(jobs: &[Job<'_>], extent: Extent, report: Report<'_>) -> Vec<Vec<GradedItem>> {
    use Verdict::{Pass, Skipped};
    let pending: Vec<_> = jobs.iter().map(|job| Mutex::new(pending(job.exercise))).collect();
    let lock = |index: usize| pending[index].lock().unwrap_or_else(PoisonError::into_inner);
    let record = |index: usize, name: &str, (verdict, value): Measured| {
        let mut all = lock(index);
        if let Some(graded) = all.iter_mut().find(|graded| graded.name == name) {
            (graded.verdict, graded.value) = (Some(verdict), value);
        }
        report(&all, name);
    };
    run_concurrently(jobs.len(), JOBS, &|index| {
        if let Err(why) = conformance::preflight(&jobs[index].subject.target) {
            let first = jobs[index].exercise.graded_names().next();
            record(index, first.unwrap_or_default(), (Verdict::Fail(why), None));
        }
    });
    // Many programs are graded only in proofs, which repeat a failed check alone.
    let factor = if jobs.len() > 1 { PROOF_FACTOR } else { 1 };
    let has_failed = |index: usize| explain(jobs[index].exercise, &lock(index)).is_some();
    let started = (0..jobs.len()).filter(|&index| !has_failed(index));
    let of_job = |index: usize| jobs[index].checks.iter().map(move |&check| (index, check));
    let pairs: Vec<_> = started.flat_map(of_job).collect();
    let targets: Vec<_> = jobs.iter().map(|job| job.subject.target.clone()).collect();
    let is_needed = |index: usize, check: &Check| {
        let all = lock(index);
        let explained = explain(jobs[index].exercise, &all).filter(|failure| failure.id.is_some());
        let position = |name: &str| all.iter().position(|graded| graded.name == name);
        extent == Extent::All
            || explained.is_none_or(|failure| position(check.id) < position(&failure.graded.name))
    };
    let progress = |one: &Record| record(one.target, one.check.id, (one.verdict.clone(), None));
    let _ = conformance::run_pairs(&targets, &pairs, factor, &is_needed, &progress);
    run_concurrently(jobs.len(), factor * HEAVY_JOBS, &|index| {
        let Job { exercise, subject, .. } = &jobs[index];
        let has_passed = |one: &GradedItem| matches!(one.verdict, Some(Pass | Skipped(_)));
        if lock(index)[..exercise.checks.len()].iter().all(has_passed) {
            for plan in &exercise.plan.measures {
                let measured = measure(plan, subject).unwrap_or_else(|verdict| (verdict, None));
                record(index, plan.name(), measured);
            }
        }
    });
    let into_inner = |all: Mutex<_>| all.into_inner().unwrap_or_else(PoisonError::into_inner);
    pending.into_iter().map(into_inner).collect()
}

/// Returns all checks and measurements of an exercise, without verdicts.
fn pending(exercise: &Exercise) -> Vec<GradedItem> {
    let checks = exercise.checks.iter().map(|check| (check.id, check.title.to_owned()));
    let measures = exercise.plan.measures.iter().map(|plan| (plan.name(), plan.title()));
    let graded = |(name, title): (&str, _)| {
        let name = name.to_owned();
        GradedItem { name, title, verdict: None, value: None }
    };
    checks.chain(measures).map(graded).collect()
}

/// Calls `act` for each number below `count`, on `jobs` threads.
fn run_concurrently(count: usize, jobs: usize, act: &(dyn Fn(usize) + Sync)) {
    let next = AtomicUsize::new(0);
    let numbers = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&index| index < count);
    let work = || std::iter::from_fn(numbers).for_each(act);
    thread::scope(|scope| (0..jobs.min(count)).for_each(|_| drop(scope.spawn(work))));
}

/// Takes one measurement. Returns `Err` with a verdict if the value cannot be determined.
fn measure(plan: &MeasurePlan, subject: &Subject) -> Result<Measured, Verdict> {
    let chunk_bytes = plan.chunk.unwrap_or(Load::default().chunk_bytes);
    let load = Load { clients: plan.clients, bytes: plan.bytes, chunk_bytes };
    let what = match plan.what {
        MeasureKind::Threads => Measure::Threads,
        MeasureKind::ReadCalls => Measure::ReadCalls,
        MeasureKind::MemoryKib => Measure::MemoryKib,
        MeasureKind::CpuMs => Measure::CpuMs,
        MeasureKind::BlockedIn => Measure::BlockedIn,
        MeasureKind::StartedThreads => Measure::StartedThreads,
        MeasureKind::ReadingThreads => Measure::ReadingThreads,
        MeasureKind::SourceLacks => return Ok((judge_source(plan, subject), None)),
        MeasureKind::TimesStarter => {
            return Ok(judge_number(
                plan,
                times_starter(&subject.target, starter(subject)?, load)?,
            ));
        }
        MeasureKind::CpuPerClient => {
            let time = conformance::cpu_time_per_client(&subject.target)?.as_micros();
            let starter_time = conformance::cpu_time_per_client(starter(subject)?)?.as_micros();
            let value = format!("your server: {time} µs, the starter: {starter_time} µs");
            return Ok((Verdict::Pass, Some(value)));
        }
    };
    Ok(match conformance::measure(&subject.target, what, load)? {
        MeasuredValue::Number(number) => judge_number(plan, number as f64),
        MeasuredValue::Calls(calls) => (judge_calls(plan, &calls), None),
    })
}

fn starter(subject: &Subject) -> Result<&Target, Verdict> {
    let why = "there is no starter to compare the server with";
    subject.starter.as_ref().ok_or(Verdict::Skipped(why.to_owned()))
}

/// Returns the explanation of the first failure that has a diagnosis. If no failure has a
/// diagnosis, returns a general explanation of the first failure. Returns `None` if there is no
/// failure.
pub fn explain<'a>(exercise: &'a Exercise, all: &'a [GradedItem]) -> Option<Explanation<'a>> {
    let mut failures = all.iter().filter_map(|graded| match &graded.verdict {
        Some(Verdict::Fail(actual)) => Some((graded, actual.as_str())),
        _ => None,
    });
    let (first, first_actual) = failures.clone().next()?;
    let general =
        |text| Some(Explanation { graded: first, actual: first_actual, id: None, text, rust: "" });
    if let Some(text) = general_text(START_FAILURES, first_actual) {
        return general(text);
    }
    let explained = failures.find_map(|(graded, actual)| {
        let fits = |diagnosis: &&Diagnosis| {
            diagnosis.check == graded.name && contains_words(&diagnosis.words, actual)
        };
        let diagnosis = exercise.plan.diagnoses.iter().find(fits);
        let measure = exercise.plan.measures.iter().find(|plan| plan.name() == graded.name);
        let (id, text, rust) = diagnosis
            .map(|one| (one.id.as_str(), &one.explanation, one.rust.as_str()))
            .or(measure.map(|plan| (plan.name(), &plan.explanation, plan.rust.as_str())))?;
        Some(Explanation { graded, actual, id: Some(id), text, rust })
    });
    explained.or_else(|| {
        let check = exercise.checks.iter().find(|check| check.id == first.name);
        // The check's hint is the last choice, because it describes the most likely cause of a
        // failure, which may not be the cause of this failure.
        let text = general_text(GENERAL_FAILURES, first_actual).or(check.map(|check| check.hint));
        general(text.unwrap_or_default())
    })
}

fn general_text(texts: &[(&str, &'static str)], actual: &str) -> Option<&'static str> {
    texts.iter().find(|(words, _)| actual.contains(words)).map(|&(_, text)| text)
}

/// Returns whether a message contains `words`. Numbers of seconds are not compared, because these
/// numbers depend on the client's timeout.
pub fn contains_words(words: &str, actual: &str) -> bool {
    without_seconds(actual).contains(&without_seconds(words))
}

/// Replaces each number before the unit `s` with `N`.
fn without_seconds(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for index in 1..words.len() {
        let rest = words[index].strip_prefix('s');
        let is_unit = rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
        if is_unit && words[index - 1].chars().all(|c| c.is_ascii_digit() || c == '.') {
            words[index - 1] = "N";
        }
    }
    words.join(" ")
}

fn judge_number(plan: &MeasurePlan, number: f64) -> Measured {
    let is_low = plan.at_least.is_some_and(|least| number < least);
    let is_high = plan.at_most.is_some_and(|most| number > most);
    // In a ratio, only the first digit after the decimal point is significant.
    let actual = (number * 10.0).round() / 10.0;
    let verdict = match is_low || is_high {
        true => Verdict::Fail(format!("expected {}, got {actual}", plan.limits())),
        false => Verdict::Pass,
    };
    (verdict, Some(format!("measured: {actual}")))
}

fn judge_calls(plan: &MeasurePlan, actual: &BTreeSet<String>) -> Verdict {
    if plan.calls().any(|call| actual.contains(call)) {
        return Verdict::Pass;
    }
    let actual: Vec<String> = actual.iter().cloned().collect();
    let expected = plan.expected_calls();
    let actual = actual.join(", ");
    Verdict::Fail(format!(
        "expected a thread that waits in {expected}, got threads that wait in {actual}"
    ))
}

fn judge_source(plan: &MeasurePlan, subject: &Subject) -> Verdict {
    let word = plan.word.as_deref().unwrap_or_default();
    let Some(files) = &subject.source else {
        let why = "the source code of this server is unknown";
        return Verdict::Skipped(why.to_owned());
    };
    for (name, content) in files {
        let text = String::from_utf8_lossy(content);
        if let Some(index) = text.lines().position(|line| line.contains(word)) {
            let (name, line) = (name.display(), index + 1);
            return Verdict::Fail(format!(
                "expected no `{word}` in the source, got one in {name}:{line}"
            ));
        }
    }
    Verdict::Pass
}

/// Returns the speed as a multiple of the starter's speed. The value is the median of several
/// rounds.
fn times_starter(target: &Target, starter: &Target, load: Load) -> Result<f64, Verdict> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let starter_time = conformance::reply_time(starter, load)?;
        let target_time = conformance::reply_time(target, load)?;
        times.push(starter_time.as_secs_f64() / target_time.as_secs_f64());
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
        assert!(contains_words("", "any message"));
    }
}
