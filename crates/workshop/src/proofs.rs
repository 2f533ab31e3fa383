//! `check --all`: proofs that the exercises are what they should be.

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
use crate::exercise::{Exercise, Stumble, Wrong};
use crate::folders;
use crate::grade::{self, Graded, State, Subject};
use crate::place::{Place, called_as, shown};
use crate::say;

/// How many programs are started at the same time.
const JOBS: usize = 8;

/// How long a client waits for the next byte: longer than a learner's, since much runs at once.
const PATIENCE: Duration = Duration::from_secs(8);

/// What is to be proved; none is all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Kinds {
    pub starters: bool,
    pub solutions: bool,
    pub wrongs: bool,
    pub links: bool,
}

/// One program of an exercise, and what it has to be.
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
    /// Red for the reason in exercise.toml.
    Starter,
    /// Green.
    Solution,
    /// Red, and explained by this stumble.
    Wrong(&'a Wrong),
}

/// What is not as it should be.
#[derive(Debug)]
struct Fault {
    place: String,
    what: String,
    mend: String,
}

/// Proves what is asked for, of one exercise or all; false if something is not as it should be.
///
/// # Errors
///
/// When it cannot be tried.
pub fn prove(place: &Place, only: Option<&Exercise>, kinds: Kinds) -> Result<bool, String> {
    let started = Instant::now();
    let kinds = match kinds == Kinds::default() {
        true => Kinds { starters: true, solutions: true, wrongs: true, links: true },
        false => kinds,
    };
    let is_wanted = |exercise: &&Exercise| only.is_none_or(|only| only.name == exercise.name);
    let exercises: Vec<&Exercise> = place.exercises.iter().filter(is_wanted).collect();
    let mut faults: Vec<Fault> = exercises.iter().flat_map(|one| faults_of_files(one)).collect();
    if kinds.links {
        faults.extend(exercises.iter().flat_map(|exercise| faults_of_links(place, exercise)));
    }
    let claims: Vec<Claim<'_>> = exercises.iter().flat_map(|one| claims_of(one, kinds)).collect();
    if !claims.is_empty() {
        faults.extend(prove_programs(place, only, &claims)?);
    }
    say_faults(&faults);
    let links = if kinds.links { ", and links both ways" } else { "" };
    let took = format!("{:.0} s", started.elapsed().as_secs_f32());
    let programs = say::count(claims.len(), "program");
    let of_exercises = say::count(exercises.len(), "exercise");
    match faults.is_empty() {
        true => {
            say::good(&format!("{programs} of {of_exercises} as they should be{links}; {took}"));
        }
        false => say::bad(&format!(
            "{} in {programs} of {of_exercises}; {took}",
            say::count(faults.len(), "fault")
        )),
    }
    Ok(faults.is_empty())
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
    for wrong in exercise.plan.wrongs.iter().filter(|_| kinds.wrongs) {
        let source = exercise.folder.join("wrong").join(format!("{}.rs", wrong.id));
        claim(format!("wrong-{number}-{}", wrong.id), source, Kind::Wrong(wrong));
    }
    claims
}

/// What can be seen of an exercise without running it.
fn faults_of_files(exercise: &Exercise) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |place: &Path, what: String, mend: &str| {
        faults.push(Fault { place: shown(place), what, mend: mend.to_owned() });
    };
    if let Err(what) = exercise.hints() {
        fault(&exercise.folder, what, "three hints: a nudge, the direction, nearly the answer");
    }
    if exercise.your_turn_line().is_none() {
        let what = "no line says where the learner begins".to_owned();
        fault(&exercise.main_file(), what, "// Your turn: …");
    }
    let starter = exercise.folder.join("starter");
    let [keep, reset] =
        ["keep", "reset"].map(|command| called_as(&format!("{command} {}", exercise.number)));
    match folders::are_same(&exercise.folder.join("src"), &starter) {
        Ok(true) => {}
        Ok(false) => fault(
            &exercise.main_file(),
            "it is not the starter that is kept for `reset`".to_owned(),
            &format!("`{keep}` if it is a better starter; `{reset}` if it is your work"),
        ),
        Err(error) => fault(&starter, error.to_string(), &keep),
    }
    let folder = exercise.folder.join("wrong");
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let id = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !exercise.plan.wrongs.iter().any(|wrong| wrong.id == id) {
            let what = "exercise.toml does not name it".to_owned();
            fault(&path, what, &format!("[[wrong]] with id = \"{id}\" and its stumble"));
        }
    }
    faults
}

/// The lesson and the exercise link to each other.
fn faults_of_links(place: &Place, exercise: &Exercise) -> Vec<Fault> {
    let (name, lesson) = (&exercise.name, &exercise.plan.lesson);
    let links = [
        (place.lessons().join(lesson), format!("exercises/{name}/README.md")),
        (exercise.folder.join("README.md"), format!("../../{lesson}")),
        (place.folder.join("README.md"), format!("{name}/README.md")),
    ];
    let missing = links.into_iter().filter_map(|(path, link)| {
        let what = match fs::read_to_string(&path) {
            Ok(text) if text.contains(&format!("]({link}")) => return None,
            Ok(_) => "it does not link to exercise and lesson as it should".to_owned(),
            Err(error) => error.to_string(),
        };
        Some(Fault { place: shown(&path), what, mend: format!("a link to {link}") })
    });
    missing.collect()
}

/// Builds all programs at once, then grades them side by side.
fn prove_programs(
    place: &Place,
    only: Option<&Exercise>,
    claims: &[Claim<'_>],
) -> Result<Vec<Fault>, String> {
    say::line(format!("Building {} …", say::count(claims.len(), "program")));
    let package = only.map(Exercise::package);
    let mut arguments = vec!["--bins", "--examples", "--keep-going"];
    match &package {
        Some(package) => arguments.extend(["-p", package]),
        None => arguments.push("--workspace"),
    }
    let built = cargo::build(&place.folder, &arguments, false)?;
    if !built.is_whole && !built.has_errors() {
        // Whatever it is, cargo says it best.
        cargo::run(&place.folder, "build", &arguments)?;
    }
    let mut faults = Vec::new();
    let mut ready = Vec::new();
    for claim in claims {
        match ready_to_grade(claim, &built)? {
            Ok(subject) => ready.push((claim, subject)),
            Err(fault) => faults.push(fault),
        }
    }
    let count = ready.iter().map(|(claim, _)| wanted_checks(claim).len()).sum();
    say::line(format!("Grading: {} …", say::count(count, "check")));
    faults.extend(judge_claims(&ready));
    Ok(faults)
}

/// The program, unless the compiler has something to say of it.
fn ready_to_grade(claim: &Claim<'_>, built: &Built) -> Result<Result<Subject, Fault>, String> {
    let complaint = built.complaints.iter().find(|one| one.target == claim.program);
    let fault = |what: &str, mend: &str| {
        Ok(Err(Fault { place: shown(&claim.source), what: what.to_owned(), mend: mend.to_owned() }))
    };
    if let Some(complaint) = complaint {
        let mend = if complaint.is_error { "it has to compile" } else { "no warnings" };
        return fault(complaint.text.trim_end(), mend);
    }
    let Ok(program) = built.program(&claim.program) else {
        let mend = format!("[[example]] or [[bin]] \"{}\" in Cargo.toml", claim.program);
        return fault("cargo built no program of it", &mend);
    };
    let starter = match check::is_compared(claim.exercise) {
        true => match built.program(&check::starter_name(claim.exercise)) {
            Ok(program) => Some(check::target(claim.exercise, program)?),
            Err(what) => return fault(&what, "[[example]] with path = \"starter/main.rs\""),
        },
        false => None,
    };
    let mut target = check::target(claim.exercise, program)?;
    target.silence_timeout = PATIENCE;
    Ok(Ok(Subject { target, source: Some(claim.source.clone()), starter }))
}

/// Judges programs, and those that are not as they should be once more, alone: much at once is not
/// what a learner does, and a busy computer makes right servers late.
fn judge_claims(ready: &[(&Claim<'_>, Subject)]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (one, graded) in ready.iter().zip(grade_claims(ready)) {
        let claim = one.0;
        let mut fault = judge(claim, &graded);
        if let Some(first) = fault {
            fault = judge(claim, &grade_claims(slice::from_ref(one)).remove(0));
            if fault.is_none() {
                say::wrapped_rows(&[("not among others", &first.what), ("but alone", "yes")]);
            }
        }
        say_claim(claim, fault.is_none());
        faults.extend(fault);
    }
    faults
}

/// Grades side by side what only waits; what measures, two at a time.
fn grade_claims(ready: &[(&Claim<'_>, Subject)]) -> Vec<Vec<Graded>> {
    let all: Vec<Mutex<Vec<Graded>>> = ready.iter().map(|_| Mutex::default()).collect();
    let verdicts = |index: usize| all[index].lock().unwrap_or_else(PoisonError::into_inner);
    side_by_side(ready.len(), JOBS, &|index| {
        let (claim, subject) = &ready[index];
        if let Err(why) = conformance::preflight(&subject.target) {
            *verdicts(index) = grade::not_started(claim.exercise, &why);
        }
    });
    let started: Vec<usize> =
        (0..ready.len()).filter(|&index| verdicts(index).is_empty()).collect();
    let pairs = started.iter().flat_map(|&index| {
        let checks = wanted_checks(ready[index].0);
        checks.iter().map(move |&check| (index, check))
    });
    let pairs: Vec<(usize, &'static Check)> = pairs.collect();
    let targets: Vec<Target> = ready.iter().map(|(_, subject)| subject.target.clone()).collect();
    for record in conformance::run_pairs(&targets, &pairs, &|_, _| true, &|_| {}) {
        verdicts(record.target).push(grade::graded(record));
    }
    side_by_side(started.len(), HEAVY_JOBS, &|index| {
        let index = started[index];
        let (claim, subject) = &ready[index];
        let has_all = wanted_checks(claim).len() == claim.exercise.checks.len();
        if !has_all || !grade::is_green(&verdicts(index)) {
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

/// The checks that decide a claim: those before the one that matters, and it.
fn wanted_checks<'a>(claim: &Claim<'a>) -> &'a [&'static Check] {
    let checks = &claim.exercise.checks;
    let last = match claim.kind {
        Kind::Solution => return checks,
        Kind::Starter => &claim.exercise.plan.starter.check,
        Kind::Wrong(wrong) => match stumble(claim.exercise, wrong) {
            Some(stumble) => &stumble.check,
            None => return checks,
        },
    };
    match checks.iter().position(|check| check.id == last) {
        Some(index) => &checks[..=index],
        None => checks,
    }
}

fn stumble<'a>(exercise: &'a Exercise, wrong: &Wrong) -> Option<&'a Stumble> {
    exercise.plan.stumbles.iter().find(|stumble| stumble.id == wrong.stumble)
}

/// Whether the verdicts are those that the claim wants.
fn judge(claim: &Claim<'_>, graded: &[Graded]) -> Option<Fault> {
    let fault = |what: String, mend: &str| {
        Some(Fault { place: shown(&claim.source), what, mend: mend.to_owned() })
    };
    let exercise = claim.exercise;
    let explanation = grade::explain(exercise, graded);
    let skipped = graded.iter().find_map(|graded| match &graded.state {
        State::NotApplicable(why) if cfg!(target_os = "linux") => Some((graded.name, why)),
        _ => None,
    });
    if let (Kind::Solution, Some((name, why))) = (claim.kind, skipped) {
        let what = format!("{name} cannot be asked: {why}");
        return fault(what, "arguments in exercise.toml, or another check");
    }
    let is_skipped = graded.iter().any(|graded| matches!(graded.state, State::NotApplicable(_)));
    match (claim.kind, explanation) {
        (Kind::Solution, None) => None,
        (Kind::Solution, Some(red)) => {
            let what = format!("the solution is red: {}: {}", red.graded.name, red.came);
            fault(what, "a solution is green; or does the check ask too much?")
        }
        // Where something cannot be measured, it cannot be red.
        (Kind::Starter | Kind::Wrong(_), None) if is_skipped => None,
        (Kind::Starter, None) => {
            fault("the starter is green".to_owned(), "leave a gap that a check sees")
        }
        (Kind::Starter, Some(_)) => {
            let wanted = &exercise.plan.starter;
            let came = graded.iter().find_map(|graded| match &graded.state {
                State::Red(came) if graded.name == wanted.check => Some(came),
                _ => None,
            });
            match came {
                Some(came) if grade::is_said(&wanted.words, came) => None,
                Some(came) => fault(
                    format!("{} is red with other words: {came}", wanted.check),
                    "starter.words in exercise.toml",
                ),
                None => {
                    fault(format!("{} is not red", wanted.check), "starter.check in exercise.toml")
                }
            }
        }
        (Kind::Wrong(wrong), None) => {
            let what = match stumble(exercise, wrong) {
                Some(stumble) => format!("it is green as far as {}", stumble.check),
                None => "it is green".to_owned(),
            };
            fault(what, "a check that sees it, or the stumble that it really is")
        }
        (Kind::Wrong(wrong), Some(red)) if red.id == Some(&wrong.stumble) => None,
        (Kind::Wrong(wrong), Some(red)) => {
            let by = red.id.unwrap_or("no stumble");
            let (name, came) = (red.graded.name, red.came);
            let what = format!("explained by {by}, not by {}: {name}: {came}", wrong.stumble);
            fault(what, "the stumbles' check, words and order in exercise.toml")
        }
    }
}

fn say_claim(claim: &Claim<'_>, is_right: bool) {
    let kind = match claim.kind {
        Kind::Starter => "starter is red for its reason".to_owned(),
        Kind::Solution => "solution is green".to_owned(),
        Kind::Wrong(wrong) => format!("wrong/{}.rs is red: {}", wrong.id, wrong.stumble),
    };
    let word = if is_right { "yes" } else { "NO" };
    say::line(format!("  {word:3}  {}  {kind}", claim.exercise.number));
}

fn say_faults(faults: &[Fault]) {
    for Fault { place, what, mend } in faults {
        say::line("");
        say::line(place);
        say::wrapped_rows(&[("what", what), ("mend", mend)]);
    }
    say::line("");
}

/// Does something for each number below a count, several at a time.
fn side_by_side(count: usize, jobs: usize, act: &(dyn Fn(usize) + Sync)) {
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
