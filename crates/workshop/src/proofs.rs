//! The command `check --all`, which proves that each starter fails, that each solution passes, and
//! that each wrong answer fails with its diagnosis.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};
use std::slice;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use conformance::{Check, Target, Verdict};

use crate::cargo::{self, BuildOutput};
use crate::check;
use crate::course::{Course, YOUR_TURN};
use crate::exercise::{Diagnosis, Exercise, WrongAnswer};
use crate::folders::{Files, display_path};
use crate::grade::{self, Extent, GradedItem, Job, Subject};
use crate::output;
use crate::packages::{self, Answer, AnswerSources};

/// The maximum time that a client waits for the next byte. This time is longer than in `check`,
/// because many programs run concurrently.
const TIMEOUT: Duration = Duration::from_secs(8);

/// The additional time that a server gets after each of its timeouts.
const SLACK: Duration = Duration::from_secs(4);

/// The heading of the flags that run proofs.
pub const FOR_AUTHORS: &str = "For authors and CI";

/// The kinds of proofs to run. If none is set, all proofs run.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Kinds {
    /// Prove that starters fail for their stated reason
    #[arg(long, help_heading = FOR_AUTHORS, hide_short_help = true)]
    starters: bool,
    /// Prove that solutions pass
    #[arg(long, help_heading = FOR_AUTHORS, hide_short_help = true)]
    solutions: bool,
    /// Prove that wrong answers fail with their diagnosis
    #[arg(long, help_heading = FOR_AUTHORS, hide_short_help = true)]
    wrongs: bool,
    /// Prove that lessons and exercises link to each other
    #[arg(long, help_heading = FOR_AUTHORS, hide_short_help = true)]
    links: bool,
}

/// One program of an exercise, and the expected verdict. The starter must fail for the reason in
/// exercise.toml. The solution must pass. A wrong answer must fail, and its diagnosis must explain
/// the failure.
#[derive(Debug)]
struct Claim<'a> {
    exercise: &'a Exercise,
    answer: Answer<'a>,
}

impl Claim<'_> {
    /// The file with the answer's source code or with the answer's edits.
    fn file(&self) -> PathBuf {
        match self.answer {
            Answer::Wrong(wrong) if !wrong.edits.is_empty() => {
                self.exercise.folder.join("exercise.toml")
            }
            answer => answer.file(self.exercise),
        }
    }

    fn error(&self, message: impl Display, help: &str) -> Error {
        let message = match self.answer {
            Answer::Wrong(wrong) => {
                format!("wrong answer `{}` ({}): {message}", wrong.id, wrong.why)
            }
            Answer::Starter | Answer::Solution => message.to_string(),
        };
        Error::new(&self.file(), message, help)
    }
}

impl Display for Claim<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.answer {
            Answer::Starter => f.write_str("the starter fails for its stated reason"),
            Answer::Solution => f.write_str("the solution passes"),
            Answer::Wrong(wrong) => write!(f, "{} fails: {}", wrong.id, wrong.diagnosis),
        }
    }
}

/// A requirement that an exercise does not meet.
#[derive(Debug)]
struct Error {
    path: String,
    message: String,
    help: String,
}

impl Error {
    fn new(path: &Path, message: impl ToString, help: impl ToString) -> Self {
        Self { path: display_path(path), message: message.to_string(), help: help.to_string() }
    }
}

/// Runs the proofs for one exercise or for all exercises. Returns whether all proofs succeeded.
pub fn prove(course: &Course, only: Option<&Exercise>, kinds: Kinds) -> Result<bool> {
    let started = Instant::now();
    let kinds = match kinds == Kinds::default() {
        true => Kinds { starters: true, solutions: true, wrongs: true, links: true },
        false => kinds,
    };
    let exercises = only.map_or(course.exercises.as_slice(), slice::from_ref);
    let mut errors: Vec<Error> = exercises.iter().flat_map(file_errors).collect();
    if kinds.links {
        errors.extend(exercises.iter().flat_map(|exercise| link_errors(course, exercise)));
    }
    let claims: Vec<Claim<'_>> = exercises.iter().flat_map(|one| claims_of(one, kinds)).collect();
    if !claims.is_empty() {
        errors.extend(prove_programs(course, only, &claims)?);
    }
    for Error { path, message, help } in &errors {
        output::line("");
        output::line(path);
        output::wrapped_rows(&[("error", message), ("help", help)]);
    }
    output::line("");
    let count = match errors.len() {
        0 => "no errors".to_owned(),
        count => output::count(count, "error"),
    };
    let programs = output::count(claims.len(), "program");
    let of_exercises = output::count(exercises.len(), "exercise");
    let links = if kinds.links { " and in the links" } else { "" };
    let s = started.elapsed().as_secs();
    let summary = format!("{count} in {programs} ({of_exercises}){links}; {s} s");
    let print = if errors.is_empty() { output::success } else { output::failure };
    print(&summary);
    Ok(errors.is_empty())
}

fn claims_of(exercise: &Exercise, kinds: Kinds) -> Vec<Claim<'_>> {
    let mut answers = Vec::new();
    answers.extend(kinds.starters.then_some(Answer::Starter));
    answers.extend(kinds.solutions.then_some(Answer::Solution));
    let wrong_answers = exercise.plan.wrong_answers.iter().filter(|_| kinds.wrongs);
    answers.extend(wrong_answers.map(Answer::Wrong));
    answers.into_iter().map(|answer| Claim { exercise, answer }).collect()
}

/// Returns the errors that can be found without running a program.
fn file_errors(exercise: &Exercise) -> Vec<Error> {
    let mut errors = Vec::new();
    if let Err(error) = exercise.hints() {
        let help =
            "write three hints: a question, the idea of the solution, and most of the solution";
        errors.push(Error::new(&exercise.folder, format!("{error:#}"), help));
    }
    let starter = exercise.starter_file();
    if !fs::read_to_string(&starter).unwrap_or_default().contains(YOUR_TURN) {
        let what = "no comment marks the line where the learner starts";
        errors.push(Error::new(&starter, what, format!("add a comment `// {YOUR_TURN}: …`")));
    }
    for entry in fs::read_dir(exercise.folder.join("wrong")).into_iter().flatten().flatten() {
        let path = entry.path();
        let id = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let is_file = |wrong: &&WrongAnswer| wrong.id == id && wrong.edits.is_empty();
        if !exercise.plan.wrong_answers.iter().any(|wrong| is_file(&wrong)) {
            let help = format!("add [[wrong]] with id = \"{id}\" and its diagnosis");
            errors.push(Error::new(&path, "exercise.toml does not list this file", help));
        }
    }
    errors
}

/// Returns the missing links between the lesson, the exercise, the list of exercises and the next
/// exercise.
fn link_errors(course: &Course, exercise: &Exercise) -> Vec<Error> {
    let (name, lesson) = (&exercise.name, &exercise.plan.lesson);
    let readme = exercise.folder.join("README.md");
    let links = [
        (course.lessons().join(lesson), format!("exercises/{name}/README.md")),
        (readme.clone(), format!("../../{lesson}")),
        (course.folder.join("README.md"), format!("{name}/README.md")),
    ];
    let missing = links.into_iter().filter_map(|(path, link)| {
        let what = match fs::read_to_string(&path) {
            Ok(text) if text.contains(&format!("]({link}")) => return None,
            Ok(_) => "a link between the exercise and its lesson is missing".to_owned(),
            Err(error) => error.to_string(),
        };
        Some(Error::new(&path, what, format!("add a link to {link}")))
    });
    let mut errors: Vec<Error> = missing.collect();
    let text = fs::read_to_string(&readme).unwrap_or_default();
    let actual = text.lines().rev().find(|line| line.starts_with("Next: "));
    let expected = course.following(exercise).map(|next| {
        let Exercise { number, plan, name, .. } = next;
        format!("Next: [{number} {}](../{name}/README.md)", plan.title)
    });
    if actual != expected.as_deref() {
        let help = match expected {
            Some(expected) => format!("end the page with the line: {expected}"),
            None => "remove the line, because this is the last exercise".to_owned(),
        };
        let what = "the line `Next: …` does not contain the next exercise in the lessons' order";
        errors.push(Error::new(&readme, what, help));
    }
    errors
}

/// Builds all programs and then grades them concurrently.
fn prove_programs(
    course: &Course,
    only: Option<&Exercise>,
    claims: &[Claim<'_>],
) -> Result<Vec<Error>> {
    output::line(format!("Building {} …", output::count(claims.len(), "program")));
    let (mut errors, mut ready, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
    let built = build(course, only, claims)?;
    for claim in claims {
        match subject(claim, &built) {
            Ok(subject) => {
                let (exercise, checks) = (claim.exercise, required_checks(claim));
                jobs.push(Job { exercise, subject, checks });
                ready.push(claim);
            }
            Err(error) => errors.push(error),
        }
    }
    let count = jobs.iter().map(|job| job.checks.len()).sum();
    output::line(format!("Grading: {} …", output::count(count, "check")));
    let print_progress = output::progress(count, "checks");
    let all_graded = grade::grade(&jobs, Extent::All, &|_, _| print_progress());
    for ((claim, job), graded) in ready.into_iter().zip(&jobs).zip(all_graded) {
        let mut verdict = judge(claim, &graded);
        // On a busy computer, a correct server can be too slow. A learner does not run many
        // programs concurrently, so the verdict of a separate run decides.
        if let Err(first) = &verdict {
            let alone =
                judge(claim, &grade::grade(slice::from_ref(job), Extent::All, &|_, _| {})[0]);
            if alone.is_ok() {
                output::wrapped_rows(&[("concurrently", &first.message), ("alone", "as expected")]);
            }
            verdict = alone;
        }
        let word = if verdict.is_ok() { "pass" } else { "FAIL" };
        output::line(format!("  {word}  {}  {}", claim.exercise.number, claim));
        errors.extend(verdict.err());
    }
    Ok(errors)
}

/// Builds the programs of all claims, except for answers whose source code cannot be read.
fn build(course: &Course, only: Option<&Exercise>, claims: &[Claim<'_>]) -> Result<BuildOutput> {
    let mut answers: Vec<AnswerSources<'_>> = Vec::new();
    for Claim { exercise, answer } in claims {
        if answers.last().is_none_or(|(last, _)| last.number != exercise.number) {
            // A measurement may compare a program with the starter.
            let starter = Answer::Starter;
            let sources = starter.source(exercise).map(|source| (starter.module(), source));
            answers.push((exercise, sources.into_iter().collect()));
        }
        if let (Ok(source), Some((_, sources))) = (answer.source(exercise), answers.last_mut()) {
            sources.insert(answer.module(), source);
        }
    }
    let folder = packages::write_answers(course, &answers)?;
    match only.map(Exercise::package) {
        Some(package) => cargo::build_all(course, &folder, &["--keep-going", "-p", &package]),
        None => cargo::build_all(course, &folder, &["--keep-going", "--workspace"]),
    }
}

/// Returns the program to grade, or an error if the compiler reported an error or a warning for the
/// program.
fn subject(claim: &Claim<'_>, built: &BuildOutput) -> Result<Subject, Error> {
    let Claim { exercise, answer } = claim;
    let unreadable = |error| claim.error(format!("{error:#}"), "fix the file or the edits");
    let source = answer.source(exercise).map_err(unreadable)?;
    let file = Path::new(&exercise.name).join(format!("src/{}.rs", answer.module()));
    if let Some(message) = built.messages.iter().find(|one| one.file.ends_with(&file)) {
        let help = if message.is_error { "fix the error" } else { "fix the warning" };
        return Err(claim.error(message.text.trim_end(), help));
    }
    let target = |module: String| -> Result<Target> {
        let program = built.program(&packages::answers_program(exercise))?;
        let mut target = check::target(exercise, program, None)?;
        target.environment = vec![(packages::ANSWER.to_owned(), module)];
        target.silence_timeout = TIMEOUT;
        target.slack = SLACK;
        Ok(target)
    };
    let subject = || -> Result<Subject> {
        let starter = exercise.starter_program().map(|_| target(Answer::Starter.module()));
        Ok(Subject {
            target: target(answer.module())?,
            source: Some(Files::from([("main.rs".into(), source.into_bytes())])),
            starter: starter.transpose()?,
        })
    };
    subject().map_err(|error| claim.error(format!("{error:#}"), "fix the compiler errors"))
}

/// Returns the checks that the claim needs, which are the decisive check and the checks before it.
/// If no check is decisive, returns all checks.
fn required_checks<'a>(claim: &Claim<'a>) -> &'a [&'static Check] {
    let checks = &claim.exercise.checks;
    let last = match claim.answer {
        Answer::Solution => None,
        Answer::Starter => Some(&claim.exercise.plan.starter.check),
        Answer::Wrong(wrong) => diagnosis(claim.exercise, wrong).map(|diagnosis| &diagnosis.check),
    };
    match checks.iter().position(|check| Some(check.id) == last.map(String::as_str)) {
        Some(index) => &checks[..=index],
        None => checks,
    }
}

fn diagnosis<'a>(exercise: &'a Exercise, wrong: &WrongAnswer) -> Option<&'a Diagnosis> {
    exercise.plan.diagnoses.iter().find(|diagnosis| diagnosis.id == wrong.diagnosis)
}

/// Returns an error if the verdicts differ from the verdicts that the claim expects.
fn judge(claim: &Claim<'_>, graded: &[GradedItem]) -> Result<(), Error> {
    let exercise = claim.exercise;
    let skipped = graded.iter().find_map(|graded| match &graded.verdict {
        Some(Verdict::Skipped(why)) => Some((&graded.name, why)),
        _ => None,
    });
    let (what, help) = match (claim.answer, grade::explain(exercise, graded)) {
        (Answer::Solution, None) => match skipped {
            Some((name, why)) if cfg!(target_os = "linux") => (
                format!("{name} was skipped: {why}"),
                "change `arguments` in exercise.toml, or choose another check",
            ),
            _ => return Ok(()),
        },
        (Answer::Solution, Some(failure)) => (
            format!("the solution fails: {}: {}", failure.graded.name, failure.actual),
            "fix the solution, or the check if it is too strict",
        ),
        // A skipped check cannot fail.
        (Answer::Starter | Answer::Wrong(_), None) if skipped.is_some() => return Ok(()),
        (Answer::Starter, None) => (
            "the starter passes".to_owned(),
            "remove a part of the starter whose absence a check detects",
        ),
        (Answer::Starter, Some(_)) => {
            let expected = &exercise.plan.starter;
            let name = &expected.check;
            let decisive = graded.iter().find(|graded| graded.name == *name);
            match decisive.and_then(|graded| graded.verdict.as_ref()) {
                Some(Verdict::Fail(actual)) if grade::contains_words(&expected.words, actual) => {
                    return Ok(());
                }
                Some(Verdict::Fail(actual)) => (
                    format!("{name}: expected a failure with `{}`, got `{actual}`", expected.words),
                    "change `starter.words` in exercise.toml",
                ),
                _ => (format!("{name} does not fail"), "change `starter.check` in exercise.toml"),
            }
        }
        (Answer::Wrong(wrong), None) => {
            let what = match diagnosis(exercise, wrong) {
                Some(diagnosis) => {
                    format!("the wrong answer passes all checks up to {}", diagnosis.check)
                }
                None => "the wrong answer passes all checks".to_owned(),
            };
            (what, "add a check that detects the error, or change the diagnosis")
        }
        (Answer::Wrong(wrong), Some(failure)) if failure.id == Some(&wrong.diagnosis) => {
            return Ok(());
        }
        (Answer::Wrong(wrong), Some(failure)) => {
            let by = failure.id.unwrap_or("no diagnosis");
            let (name, actual) = (&failure.graded.name, failure.actual);
            (
                format!(
                    "expected the diagnosis `{}`, got `{by}`; {name}: {actual}",
                    wrong.diagnosis
                ),
                "change `check`, `words` or the order of the diagnoses in exercise.toml",
            )
        }
    };
    Err(claim.error(what, help))
}
