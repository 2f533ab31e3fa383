//! The command `check`, which builds and grades an exercise and explains the verdicts.

use std::mem;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail, ensure};
use conformance::Target;
use harness::TempFolder;

use crate::cargo::{self, BuildOutput, Messages};
use crate::course::Course;
use crate::exercise::Exercise;
use crate::folders;
use crate::grade::{self, Extent, Job, Subject};
use crate::lock;
use crate::output;
use crate::progress::Progress;
use crate::report::{self, Format, Report, Snapshot};

/// The maximum time that a client waits for the next byte. A short time is sufficient, because the
/// server runs on this computer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The additional time that a server gets after each of its timeouts.
const SLACK: Duration = Duration::from_secs(2);

/// The duration of the long pauses of a client.
const LONG_WAIT: Duration = Duration::from_millis(6500);

/// The time limit for a learner's program to start listening.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum length of a file that the learner's program writes. A server with a bug must not
/// fill the disk.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Checks a server for one exercise. The server is the learner's program, or the program that
/// `command` starts. Returns whether all checks passed.
pub fn check(
    course: &Course,
    exercise: &Exercise,
    command: Option<&str>,
    format: Format,
) -> Result<bool> {
    let _lock = lock::acquire(course, |message| format.report_status(message))?;
    // The learner's program runs in a temporary folder. Dropping the folder removes all files that the
    // program created.
    let folder = TempFolder::new().context(
        "cannot create a temporary folder\nhelp: free space on the disk, or set TMPDIR to a folder \
         that is writable",
    )?;
    let mut warnings = Vec::new();
    let mut subject = match command {
        Some(command) => foreign_subject(exercise, command)?,
        None => {
            if format == Format::Snapshots {
                format.report_status("building … (a first build takes up to a minute)");
            }
            let Some(mut built) = build(course, exercise, format)? else { return Ok(false) };
            // The compiler's summary has no file.
            warnings = mem::take(&mut built.messages);
            warnings.retain(|message| !message.file.as_os_str().is_empty());
            let source = folders::read(&course.source_folder(exercise))?;
            let program = built.program(&exercise.package())?;
            let target = target(exercise, program, Some(folder.path()))?;
            Subject { target, source: Some(source), starter: None }
        }
    };
    if let Some(name) = exercise.starter_program() {
        let arguments = ["-p", &exercise.package(), "--bin", &name];
        let built = cargo::build(course, &course.folder, &arguments, Messages::Keep)?;
        subject.starter = Some(target(exercise, built.program(&name)?, None)?);
    }
    let report = Report::new(course, exercise, format, command.is_none(), warnings);
    report.start();
    let job = Job { exercise, subject, checks: &exercise.checks };
    let graded =
        grade::grade(&[job], Extent::UntilExplained, &|all, name| report.update(all, name))
            .remove(0);
    let mut progress = Progress::read(&course.work)?;
    let Some(failure) = grade::explain(exercise, &graded) else {
        let recorded = progress.record_done(&exercise.number, command.is_some());
        report.finish(&graded, Some(&progress));
        return recorded.map(|()| true);
    };
    report.finish(&graded, None);
    if command.is_none() {
        let failed = Some(failure.graded.name.clone());
        progress.change(&exercise.number, |note| note.failed = failed)?;
    }
    Ok(false)
}

/// Builds the learner's program. If it does not compile, prints the next steps and returns `None`.
/// Fails if Cargo fails for a reason other than a compiler error.
pub fn build(course: &Course, exercise: &Exercise, format: Format) -> Result<Option<BuildOutput>> {
    let messages = match format {
        Format::Lines => Messages::Print,
        Format::Snapshots => Messages::Keep,
    };
    if !course.target().exists() {
        format.report_status("The first build takes a while. Later builds take a second or two.");
    }
    let built = cargo::build(course, &course.work, &["-p", &exercise.package()], messages)?;
    if let Some(error) = built.unable() {
        return Err(error);
    }
    if built.is_complete {
        return Ok(Some(built));
    }
    if format == Format::Snapshots {
        let first = built.messages.iter().find(|one| one.is_error);
        let brief = first.map(|first| first.text.clone()).unwrap_or_default();
        let all = built.messages.iter().map(|one| one.text.as_str()).collect();
        Snapshot { status: "your server does not compile yet".to_owned(), brief, all }.send();
        return Ok(None);
    }
    output::line("");
    output::failure("Your server does not compile yet.");
    output::text(
        "Start with the first compiler error above. It is often the cause of the other errors.",
    );
    output::line("");
    report::print_next_steps(course, exercise);
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
    set_limits(&mut server, exercise);
    Ok(Subject { target: server, source: None, starter: None })
}

/// Returns the placeholders in the arguments of an exercise.
fn placeholders(arguments: &str) -> impl Iterator<Item = &str> {
    arguments.split_whitespace().filter(|word| word.starts_with('{'))
}

/// Returns the server that `program` starts with the arguments of an exercise. On Unix, a shell
/// limits the length of the files that the server writes, and starts the server in `folder`.
pub fn target(exercise: &Exercise, program: &Path, folder: Option<&Path>) -> Result<Target> {
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).context(
            "the path of the kit is not valid Unicode\nhelp: move the kit to a different folder",
        )
    };
    let mut words = Vec::new();
    if cfg!(unix) {
        // The unit of `ulimit -f` is 512 bytes.
        let limit = FILE_BYTES_MAX / 512;
        let script = format!("ulimit -f {limit}; cd \"$0\" && exec \"$@\"");
        let folder = folder.map_or(Ok(".".to_owned()), text)?;
        words.extend(["sh".to_owned(), "-c".to_owned(), script, folder]);
    }
    words.push(text(program)?);
    words.extend(exercise.plan.arguments.split_whitespace().map(str::to_owned));
    let mut target = Target::of_command(&words).map_err(Error::msg)?;
    set_limits(&mut target, exercise);
    target.start_timeout = START_TIMEOUT;
    Ok(target)
}

fn set_limits(target: &mut Target, exercise: &Exercise) {
    target.silence_timeout = TIMEOUT;
    target.slack = SLACK;
    target.long_wait = LONG_WAIT;
    target.connection_limit_max = exercise.plan.limit_max.unwrap_or(usize::MAX);
}
