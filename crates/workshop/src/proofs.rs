//! `check --all`: proves that starters fail, solutions pass and wrong answers are explained.

use std::fs;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use conformance::{Check, HEAVY_JOBS, Target};

use crate::cargo::{self, Built};
use crate::check;
use crate::exercise::{Diagnosis, Exercise, WrongAnswer};
use crate::folders;
use crate::grade::{self, Graded, State, Subject};
use crate::output;
use crate::place::{Place, called_as, shown};

/// The number of programs that run concurrently.
const JOBS: usize = 8;

/// How long a client waits for the next byte. Longer than in `check`, since many programs run.
const TIMEOUT: Duration = Duration::from_secs(8);

/// The kinds of proofs to run. If none is set, all of them run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Kinds {
    pub starters: bool,
    pub solutions: bool,
    pub wrongs: bool,
    pub links: bool,
}

/// One program of an exercise, and the expected verdict.
#[derive(Debug)]
struct Claim<'a> {
    exercise: &'a Exercise,
    /// The name of its target in Cargo.toml.
    program: String,
    source: PathBuf,
    kind: Kind<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Kind<'a> {
    /// Fails for the reason in exercise.toml.
    Starter,
    /// Passes.
    Solution,
    /// Fails, and is explained by the diagnosis of this wrong answer.
    Wrong(&'a WrongAnswer),
}

/// A violation of what an exercise must fulfill.
#[derive(Debug)]
struct Error {
    place: String,
    what: String,
    help: String,
}

/// Runs the proofs for one exercise or for all. Returns whether there was no error.
///
/// # Errors
///
/// Fails if the proofs cannot run.
pub fn prove(place: &Place, only: Option<&Exercise>, kinds: Kinds) -> Result<bool, String> {
    let started = Instant::now();
    let kinds = match kinds == Kinds::default() {
        true => Kinds { starters: true, solutions: true, wrongs: true, links: true },
        false => kinds,
    };
    let is_selected = |exercise: &&Exercise| only.is_none_or(|only| only.name == exercise.name);
    let exercises: Vec<&Exercise> = place.exercises.iter().filter(is_selected).collect();
    let mut errors: Vec<Error> = exercises.iter().flat_map(|one| file_errors(one)).collect();
    if kinds.links {
        errors.extend(exercises.iter().flat_map(|exercise| link_errors(place, exercise)));
    }
    let claims: Vec<Claim<'_>> = exercises.iter().flat_map(|one| claims_of(one, kinds)).collect();
    if !claims.is_empty() {
        errors.extend(prove_programs(place, only, &claims)?);
    }
    print_errors(&errors);
    let links = if kinds.links { ", links" } else { "" };
    let took = format!("{:.0} s", started.elapsed().as_secs_f32());
    let programs = output::count(claims.len(), "program");
    let of_exercises = output::count(exercises.len(), "exercise");
    match errors.is_empty() {
        true => {
            output::good(&format!("no errors in {programs} ({of_exercises}){links}; {took}"));
        }
        false => output::bad(&format!(
            "{} in {programs} ({of_exercises}); {took}",
            output::count(errors.len(), "error")
        )),
    }
    Ok(errors.is_empty())
}

fn claims_of(exercise: &Exercise, kinds: Kinds) -> Vec<Claim<'_>> {
    let number = &exercise.number;
    let mut claims = Vec::new();
    let mut claim = |program: String, source: PathBuf, kind| {
        claims.push(Claim { exercise, program, source, kind });
    };
    if kinds.starters {
        claim(exercise.package(), exercise.main_file(), Kind::Starter);
    }
    if kinds.solutions {
        claim(format!("solution-{number}"), exercise.solution_file(), Kind::Solution);
    }
    for wrong in exercise.plan.wrong_answers.iter().filter(|_| kinds.wrongs) {
        let source = exercise.folder.join("wrong").join(format!("{}.rs", wrong.id));
        claim(format!("wrong-{number}-{}", wrong.id), source, Kind::Wrong(wrong));
    }
    claims
}

/// Returns the errors that can be found without running a program.
fn file_errors(exercise: &Exercise) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut report = |place: &Path, what: String, help: &str| {
        errors.push(Error { place: shown(place), what, help: help.to_owned() });
    };
    if let Err(what) = exercise.hints() {
        report(
            &exercise.folder,
            what,
            "write three hints: a nudge, the direction, most of the answer",
        );
    }
    if exercise.your_turn_line().is_none() {
        let what = "no line marks where the learner starts".to_owned();
        report(&exercise.main_file(), what, "add a comment `// Your turn: …`");
    }
    let starter = exercise.folder.join("starter");
    let [keep, reset] =
        ["keep", "reset"].map(|command| called_as(&format!("{command} {}", exercise.number)));
    match folders::are_same(&exercise.folder.join("src"), &starter) {
        Ok(true) => {}
        Ok(false) => report(
            &exercise.main_file(),
            "src/ differs from starter/".to_owned(),
            &format!(
                "run `{keep}` if this is the new starter, or `{reset}` if it is your own work"
            ),
        ),
        Err(error) => report(&starter, error.to_string(), &keep),
    }
    let folder = exercise.folder.join("wrong");
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let id = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !exercise.plan.wrong_answers.iter().any(|wrong| wrong.id == id) {
            let what = "exercise.toml does not list this file".to_owned();
            report(&path, what, &format!("add [[wrong]] with id = \"{id}\" and its diagnosis"));
        }
    }
    errors
}

/// Returns the missing links between the lesson, the exercise and the list of exercises.
fn link_errors(place: &Place, exercise: &Exercise) -> Vec<Error> {
    let (name, lesson) = (&exercise.name, &exercise.plan.lesson);
    let links = [
        (place.lessons().join(lesson), format!("exercises/{name}/README.md")),
        (exercise.folder.join("README.md"), format!("../../{lesson}")),
        (place.folder.join("README.md"), format!("{name}/README.md")),
    ];
    let missing = links.into_iter().filter_map(|(path, link)| {
        let what = match fs::read_to_string(&path) {
            Ok(text) if text.contains(&format!("]({link}")) => return None,
            Ok(_) => "a link between the exercise and its lesson is missing".to_owned(),
            Err(error) => error.to_string(),
        };
        Some(Error { place: shown(&path), what, help: format!("add a link to {link}") })
    });
    missing.collect()
}

/// Builds all programs, then grades them concurrently.
fn prove_programs(
    place: &Place,
    only: Option<&Exercise>,
    claims: &[Claim<'_>],
) -> Result<Vec<Error>, String> {
    output::line(format!("Building {} …", output::count(claims.len(), "program")));
    let package = only.map(Exercise::package);
    let mut arguments = vec!["--bins", "--examples", "--keep-going"];
    match &package {
        Some(package) => arguments.extend(["-p", package]),
        None => arguments.push("--workspace"),
    }
    let built = cargo::build(&place.folder, &arguments, false)?;
    if !built.is_complete && !built.has_errors() {
        // Run cargo again with its own output, which shows the reason.
        cargo::run(&place.folder, "build", &arguments)?;
    }
    let mut errors = Vec::new();
    let mut ready = Vec::new();
    for claim in claims {
        match ready_to_grade(claim, &built)? {
            Ok(subject) => ready.push((claim, subject)),
            Err(error) => errors.push(error),
        }
    }
    let count = ready.iter().map(|(claim, _)| required_checks(claim).len()).sum();
    output::line(format!("Grading: {} …", output::count(count, "check")));
    errors.extend(judge_claims(&ready));
    Ok(errors)
}

/// Returns the program to grade, or an error if the compiler reported an error or a warning.
fn ready_to_grade(claim: &Claim<'_>, built: &Built) -> Result<Result<Subject, Error>, String> {
    let message = built.messages.iter().find(|one| one.target == claim.program);
    let fail = |what: &str, help: &str| {
        Ok(Err(Error { place: shown(&claim.source), what: what.to_owned(), help: help.to_owned() }))
    };
    if let Some(message) = message {
        let help = if message.is_error { "fix the error" } else { "fix the warning" };
        return fail(message.text.trim_end(), help);
    }
    let Ok(program) = built.program(&claim.program) else {
        let help = format!("add [[example]] or [[bin]] `{}` to Cargo.toml", claim.program);
        return fail("cargo built no program from this file", &help);
    };
    let starter = match check::is_compared(claim.exercise) {
        true => match built.program(&check::starter_name(claim.exercise)) {
            Ok(program) => Some(check::target(claim.exercise, program)?),
            Err(what) => return fail(&what, "add [[example]] with path = \"starter/main.rs\""),
        },
        false => None,
    };
    let mut target = check::target(claim.exercise, program)?;
    target.silence_timeout = TIMEOUT;
    Ok(Ok(Subject { target, source: Some(claim.source.clone()), starter }))
}

/// Judges programs. Repeats those with an error alone: on a busy computer, a correct server can be
/// too slow, and a learner does not run many programs concurrently.
fn judge_claims(ready: &[(&Claim<'_>, Subject)]) -> Vec<Error> {
    let mut errors = Vec::new();
    for (one, graded) in ready.iter().zip(grade_claims(ready)) {
        let claim = one.0;
        let mut error = judge(claim, &graded);
        if let Some(first) = error {
            error = judge(claim, &grade_claims(slice::from_ref(one)).remove(0));
            if error.is_none() {
                output::wrapped_rows(&[
                    ("concurrently", first.what.as_str()),
                    ("alone", "as expected"),
                ]);
            }
        }
        print_claim(claim, error.is_none());
        errors.extend(error);
    }
    errors
}

/// Grades programs concurrently. Of the measurements, only `HEAVY_JOBS` run concurrently.
fn grade_claims(ready: &[(&Claim<'_>, Subject)]) -> Vec<Vec<Graded>> {
    let all: Vec<Mutex<Vec<Graded>>> = ready.iter().map(|_| Mutex::default()).collect();
    let verdicts = |index: usize| all[index].lock().unwrap_or_else(PoisonError::into_inner);
    run_concurrently(ready.len(), JOBS, &|index| {
        let (claim, subject) = &ready[index];
        if let Err(why) = conformance::preflight(&subject.target) {
            *verdicts(index) = grade::not_started(claim.exercise, &why);
        }
    });
    let started: Vec<usize> =
        (0..ready.len()).filter(|&index| verdicts(index).is_empty()).collect();
    let pairs = started.iter().flat_map(|&index| {
        let checks = required_checks(ready[index].0);
        checks.iter().map(move |&check| (index, check))
    });
    let pairs: Vec<(usize, &'static Check)> = pairs.collect();
    let targets: Vec<Target> = ready.iter().map(|(_, subject)| subject.target.clone()).collect();
    for record in conformance::run_pairs(&targets, &pairs, &|_, _| true, &|_| {}) {
        verdicts(record.target).push(grade::graded(record));
    }
    run_concurrently(started.len(), HEAVY_JOBS, &|index| {
        let index = started[index];
        let (claim, subject) = &ready[index];
        let has_all = required_checks(claim).len() == claim.exercise.checks.len();
        if !has_all || !grade::all_passed(&verdicts(index)) {
            return;
        }
        for plan in &claim.exercise.plan.measures {
            let (name, title) = (plan.what.name(), plan.title());
            let state = grade::measured(plan, subject);
            verdicts(index).push(Graded { name, title, state });
        }
    });
    let into_inner = |verdicts: Mutex<Vec<Graded>>| verdicts.into_inner();
    all.into_iter().map(into_inner).map(|all| all.unwrap_or_else(PoisonError::into_inner)).collect()
}

/// Returns the checks that decide a claim: the decisive check and those before it.
fn required_checks<'a>(claim: &Claim<'a>) -> &'a [&'static Check] {
    let checks = &claim.exercise.checks;
    let last = match claim.kind {
        Kind::Solution => return checks,
        Kind::Starter => &claim.exercise.plan.starter.check,
        Kind::Wrong(wrong) => match diagnosis(claim.exercise, wrong) {
            Some(diagnosis) => &diagnosis.check,
            None => return checks,
        },
    };
    match checks.iter().position(|check| check.id == last) {
        Some(index) => &checks[..=index],
        None => checks,
    }
}

fn diagnosis<'a>(exercise: &'a Exercise, wrong: &WrongAnswer) -> Option<&'a Diagnosis> {
    exercise.plan.diagnoses.iter().find(|diagnosis| diagnosis.id == wrong.diagnosis)
}

/// Returns an error if the verdicts differ from those that the claim expects.
fn judge(claim: &Claim<'_>, graded: &[Graded]) -> Option<Error> {
    let fail = |what: String, help: &str| {
        Some(Error { place: shown(&claim.source), what, help: help.to_owned() })
    };
    let exercise = claim.exercise;
    let explanation = grade::explain(exercise, graded);
    let skipped = graded.iter().find_map(|graded| match &graded.state {
        State::Skipped(why) if cfg!(target_os = "linux") => Some((graded.name, why)),
        _ => None,
    });
    if let (Kind::Solution, Some((name, why))) = (claim.kind, skipped) {
        let what = format!("{name} was skipped: {why}");
        return fail(what, "change `arguments` in exercise.toml, or use another check");
    }
    let is_skipped = graded.iter().any(|graded| matches!(graded.state, State::Skipped(_)));
    match (claim.kind, explanation) {
        (Kind::Solution, None) => None,
        (Kind::Solution, Some(failure)) => {
            let (name, actual) = (failure.graded.name, failure.actual);
            let what = format!("the solution fails: {name}: {actual}");
            fail(what, "fix the solution, or the check if it is too strict")
        }
        // A skipped check cannot fail.
        (Kind::Starter | Kind::Wrong(_), None) if is_skipped => None,
        (Kind::Starter, None) => {
            fail("the starter passes".to_owned(), "leave a gap that a check detects")
        }
        (Kind::Starter, Some(_)) => {
            let expected = &exercise.plan.starter;
            let actual = graded.iter().find_map(|graded| match &graded.state {
                State::Fail(actual) if graded.name == expected.check => Some(actual),
                _ => None,
            });
            match actual {
                Some(actual) if grade::contains_words(&expected.words, actual) => None,
                Some(actual) => fail(
                    format!("{} fails with another message: {actual}", expected.check),
                    "change `starter.words` in exercise.toml",
                ),
                None => fail(
                    format!("{} does not fail", expected.check),
                    "change `starter.check` in exercise.toml",
                ),
            }
        }
        (Kind::Wrong(wrong), None) => {
            let what = match diagnosis(exercise, wrong) {
                Some(diagnosis) => {
                    format!("the wrong answer passes all checks up to {}", diagnosis.check)
                }
                None => "the wrong answer passes".to_owned(),
            };
            fail(what, "add a check that detects it, or change its diagnosis")
        }
        (Kind::Wrong(wrong), Some(failure)) if failure.id == Some(&wrong.diagnosis) => None,
        (Kind::Wrong(wrong), Some(failure)) => {
            let by = failure.id.unwrap_or("no diagnosis");
            let (name, actual) = (failure.graded.name, failure.actual);
            let what = format!("explained by {by}, not by {}: {name}: {actual}", wrong.diagnosis);
            fail(what, "change the check, the words or the order of the diagnoses in exercise.toml")
        }
    }
}

fn print_claim(claim: &Claim<'_>, is_met: bool) {
    let kind = match claim.kind {
        Kind::Starter => "the starter fails for its stated reason".to_owned(),
        Kind::Solution => "the solution passes".to_owned(),
        Kind::Wrong(wrong) => format!("wrong/{}.rs fails: {}", wrong.id, wrong.diagnosis),
    };
    let word = if is_met { "yes" } else { "NO" };
    output::line(format!("  {word:3}  {}  {kind}", claim.exercise.number));
}

fn print_errors(errors: &[Error]) {
    for Error { place, what, help } in errors {
        output::line("");
        output::line(place);
        output::wrapped_rows(&[("what", what), ("help", help)]);
    }
    output::line("");
}

/// Calls `act` for each number below `count`, on `jobs` threads.
fn run_concurrently(count: usize, jobs: usize, act: &(dyn Fn(usize) + Sync)) {
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return;
            }
            act(index);
        }
    };
    thread::scope(|scope| (0..jobs.min(count)).for_each(|_| drop(scope.spawn(work))));
}
