//! Writes Cargo packages for the programs of an exercise. The learner's packages are in the folder
//! `my-exercises`, and the packages of the starters, solutions and wrong answers are in the target
//! folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use toml::{Table, Value};

use crate::course::Course;
use crate::exercise::{Base, Exercise, WrongAnswer};
use crate::folders::{self, Files, display_path};

/// The variable that selects one of the answers in the program of [`write_answers`].
pub const ANSWER: &str = "WORKSHOP_ANSWER";

/// The name of a file that each workspace has in common with the workspace of the exercises.
const LOCK: &str = "Cargo.lock";

/// One program of an exercise.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    Starter,
    Solution,
    Wrong(&'a WrongAnswer),
}

impl Answer<'_> {
    /// The name of the answer's module.
    pub fn module(&self) -> String {
        match self {
            Self::Starter => "starter".to_owned(),
            Self::Solution => "solution".to_owned(),
            Self::Wrong(wrong) => format!("wrong_{}", wrong.id),
        }
    }

    /// Returns the file that contains the answer or the base of the answer's edits.
    pub fn file(&self, exercise: &Exercise) -> PathBuf {
        match self {
            Self::Starter => exercise.starter_file(),
            Self::Solution => exercise.solution_file(),
            Self::Wrong(WrongAnswer { id, base, edits, .. }) => match (edits.is_empty(), base) {
                (true, _) => exercise.folder.join(format!("wrong/{id}.rs")),
                (false, Base::Starter) => exercise.starter_file(),
                (false, Base::Solution) => exercise.solution_file(),
            },
        }
    }

    /// Returns the source code of the answer.
    pub fn source(&self, exercise: &Exercise) -> Result<String> {
        let mut source = read(&self.file(exercise))?.replace("\r\n", "\n");
        let Self::Wrong(WrongAnswer { edits, .. }) = self else { return Ok(source) };
        for [from, to] in edits {
            let count = source.matches(from.as_str()).count();
            ensure!(
                count == 1,
                "expected one occurrence of the text of each edit, got {count} of this \
                 text:\n  {from}"
            );
            source = source.replacen(from.as_str(), to, 1);
        }
        Ok(source)
    }
}

/// An exercise, and the source code of its answers by the names of their modules.
pub type AnswerSources<'a> = (&'a Exercise, BTreeMap<String, String>);

/// Returns the starter of an exercise from the time when the learner's file was created.
fn original_starter(course: &Course, exercise: &Exercise) -> PathBuf {
    course.work.join(".starters").join(&exercise.name).with_extension("rs")
}

/// Returns whether the learner's files are the unchanged starter of an exercise.
pub fn is_unchanged(course: &Course, exercise: &Exercise) -> bool {
    let work = folders::read(&course.source_folder(exercise));
    let starter = fs::read(original_starter(course, exercise));
    work.is_ok_and(|work| {
        starter.is_ok_and(|starter| {
            folders::are_same(&work, &Files::from([("main.rs".into(), starter)]))
        })
    })
}

/// Creates the learner's folder, or adds what is missing. If the kit has a new version of a starter
/// that the learner has not changed, replaces the starter. Other work is not changed.
pub fn prepare_learner(course: &Course) -> Result<()> {
    write_workspace(course, &course.work)?;
    // In earlier versions, the learner's files were in the folder of the exercises.
    move_to(&course.folder.join(".progress"), &course.work.join(".progress"))?;
    move_to(&course.folder.join(".copies"), &course.work.join(".copies"))?;
    for exercise in &course.exercises {
        let package = course.work.join(&exercise.name);
        let source = course.source_folder(exercise);
        move_to(&exercise.folder.join("src"), &source)?;
        if !source.exists() || is_unchanged(course, exercise) {
            restore_starter(course, exercise)?;
        }
        if !package.join("Cargo.toml").exists() {
            write(&package.join("Cargo.toml"), &manifest(exercise, None)?)?;
        }
        write_shared_files(exercise, &package)?;
    }
    Ok(())
}

/// Writes the starter of an exercise to the learner's file.
pub fn restore_starter(course: &Course, exercise: &Exercise) -> Result<()> {
    let starter = read(&exercise.starter_file())?;
    write(&course.main_file(exercise), &starter)?;
    write(&original_starter(course, exercise), &starter)
}

/// Moves a file or a folder, unless the source is missing or the destination exists.
fn move_to(from: &Path, to: &Path) -> Result<()> {
    if !from.exists() || to.exists() {
        return Ok(());
    }
    let moved = fs::create_dir_all(to.parent().unwrap_or(to)).and_then(|()| fs::rename(from, to));
    moved.with_context(|| format!("cannot move `{}` to `{}`", display_path(from), display_path(to)))
}

/// Writes a package for each exercise. The package's program contains the answers of the exercise
/// as modules, because linking one program is much faster than linking one per answer. Returns the
/// folder of the workspace.
pub fn write_answers(course: &Course, answers: &[AnswerSources<'_>]) -> Result<PathBuf> {
    let folder = course.target().join("answers");
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        let is_known = |exercise: &Exercise| entry.file_name() == exercise.name.as_str();
        // Cargo would build the package of an exercise that no longer exists.
        if entry.path().is_dir() && !course.exercises.iter().any(is_known) {
            fs::remove_dir_all(entry.path())
                .with_context(|| format!("cannot remove `{}`", entry.path().display()))?;
        }
    }
    write_workspace(course, &folder)?;
    for (exercise, sources) in answers {
        let package = folder.join(&exercise.name);
        write(&package.join("Cargo.toml"), &manifest(exercise, Some(&answers_program(exercise)))?)?;
        write_shared_files(exercise, &package)?;
        let mut main = "// Runs the answer that the environment selects.\n".to_owned();
        let mut arms = String::new();
        for (module, source) in sources {
            write(&package.join(format!("src/{module}.rs")), &with_public_main(source))?;
            main += &format!("mod {module};\n");
            arms += &format!("        Ok(\"{module}\") => {module}::main().report(),\n");
        }
        main += &format!(
            "\nfn main() -> std::process::ExitCode {{\n    use std::process::Termination as _;\n    \
             match std::env::var(\"{ANSWER}\").as_deref() {{\n{arms}        \
             _ => std::process::ExitCode::FAILURE,\n    }}\n}}\n"
        );
        write(&package.join("src/main.rs"), &main)?;
    }
    Ok(folder)
}

/// The name of the program that contains all answers of an exercise.
pub fn answers_program(exercise: &Exercise) -> String {
    format!("answers-{}", exercise.number)
}

fn with_public_main(source: &str) -> String {
    match source.contains("async fn main(") {
        true => source.replacen("async fn main(", "pub async fn main(", 1),
        false => source.replacen("fn main(", "pub fn main(", 1),
    }
}

/// Copies the source files in the exercise's folder, which all programs of the exercise share.
fn write_shared_files(exercise: &Exercise, package: &Path) -> Result<()> {
    for entry in fs::read_dir(&exercise.folder)?.flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "rs") {
            write(&package.join(entry.file_name()), &read(&entry.path())?)?;
        }
    }
    Ok(())
}

/// Writes the manifest and the lock file of a workspace for packages of the exercises.
fn write_workspace(course: &Course, folder: &Path) -> Result<()> {
    let manifest = read(&course.folder.join("Cargo.toml"))?;
    write(&folder.join("Cargo.toml"), &manifest)?;
    // Cargo adds new packages to an existing lock file.
    let lock = course.folder.join(LOCK);
    match lock.exists() && !folder.join(LOCK).exists() {
        true => write(&folder.join(LOCK), &read(&lock)?),
        false => Ok(()),
    }
}

/// Returns the manifest of a package with the dependencies of an exercise. If there is no name for
/// the program, the program has the name of the package.
fn manifest(exercise: &Exercise, program: Option<&str>) -> Result<String> {
    let path = exercise.folder.join("Cargo.toml");
    let invalid = || format!("invalid `{}`", path.display());
    let mut manifest: Table = toml::from_str(&read(&path)?).with_context(invalid)?;
    manifest.retain(|key, _| key != "bin" && key != "example");
    if let Some(Value::Table(package)) = manifest.get_mut("package") {
        package.retain(|key, _| key != "autobins" && key != "autoexamples");
    }
    if let Some(name) = program {
        let target = [("name", name), ("path", "src/main.rs")];
        let target = target.map(|(key, value)| (key.to_owned(), Value::from(value)));
        manifest.insert("bin".to_owned(), vec![Table::from_iter(target)].into());
    }
    toml::to_string(&manifest).with_context(invalid)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", display_path(path)))
}

/// Writes a file if its content differs, so that Cargo does not build an unchanged file again.
fn write(path: &Path, text: &str) -> Result<()> {
    match fs::read_to_string(path).is_ok_and(|current| current == text) {
        true => Ok(()),
        false => folders::write(path, text),
    }
}
