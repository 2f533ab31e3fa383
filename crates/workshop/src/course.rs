//! The folders of the exercises and of the learner, and the commands that the learner enters for
//! this program.

use std::path::{self, Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, anyhow, ensure};

use crate::exercise::{Exercise, number_of};
use crate::progress::Progress;

/// The text that marks the line where the learner starts.
pub const YOUR_TURN: &str = "Your turn";

/// The exercises, and the folders of the exercises and of the learner.
#[derive(Debug)]
pub struct Course {
    /// The folder of the exercises.
    pub folder: PathBuf,
    /// The learner's folder.
    pub work: PathBuf,
    /// The exercises in the order of the lessons.
    pub exercises: Vec<Exercise>,
}

impl Course {
    /// Reads all exercises in a folder. The default is the folder of the exercises in the kit.
    pub fn open(folder: Option<PathBuf>) -> Result<Self> {
        let folder = path::absolute(folder.unwrap_or_else(default_folder))?;
        let shown = folder.display();
        let entries = fs::read_dir(&folder).map_err(|error| {
            anyhow!(
                "cannot read `{shown}`: {error}\nhelp: run this program in the folder of the kit, \
                 or pass the folder of the exercises as --dir"
            )
        })?;
        let mut exercises = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read `{shown}`"))?;
            let is_numbered = entry.file_name().to_string_lossy().starts_with(char::is_numeric);
            if is_numbered && entry.path().is_dir() {
                exercises.push(Exercise::read(&entry.path())?);
            }
        }
        ensure!(!exercises.is_empty(), "`{shown}` does not contain any exercises");
        exercises.sort_by_key(|exercise| (exercise.plan.lesson.clone(), exercise.number.clone()));
        let kit = folder.ancestors().nth(2).unwrap_or(&folder);
        Ok(Self { work: kit.join("my-exercises"), folder, exercises })
    }

    /// Finds an exercise by its number or its folder, for example by `5`, `05` or
    /// `05-survive-errors`.
    pub fn find(&self, name: &str) -> Result<&Exercise> {
        let name = name.trim_end_matches(['/', '\\']);
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        // Only the number is compared, because an earlier version may have used a different name
        // for the folder.
        let number = format!("{:0>2}", number_of(name));
        let is_named = |exercise: &&Exercise| exercise.number == number;
        self.exercises.iter().find(is_named).with_context(|| {
            let last = self.exercises.iter().map(|exercise| &exercise.number).max();
            let last = last.map_or("", |number| number);
            let list = called_as("list");
            format!(
                "there is no exercise `{name}`\nhelp: use a number from 01 to {last}; to list all \
                 exercises:\n  {list}"
            )
        })
    }

    /// Returns the first exercise that is not done and that follows the exercise that the learner
    /// did last. After the last exercise, the search continues with the first exercise. Returns
    /// `None` if all exercises are done.
    pub fn next(&self, progress: &Progress) -> Option<&Exercise> {
        let last =
            self.exercises.iter().filter_map(|one| Some((progress.note(&one.number).done?, one)));
        match last.max_by(|(one, _), (other, _)| one.cmp(other)) {
            Some((_, last)) => self.next_after(progress, last),
            None => self.exercises.first(),
        }
    }

    /// Returns the first other exercise that is not done and that follows `exercise`. After the
    /// last exercise, the search continues with the first exercise. Returns `None` if all other
    /// exercises are done.
    fn next_after(&self, progress: &Progress, exercise: &Exercise) -> Option<&Exercise> {
        let index = self.index(exercise);
        let others = self.exercises[index + 1..].iter().chain(&self.exercises[..index]);
        others.into_iter().find(|other| !progress.is_done(&other.number))
    }

    /// Returns the exercise that precedes `exercise`, or `None` if it is the first one.
    pub fn previous(&self, exercise: &Exercise) -> Option<&Exercise> {
        self.index(exercise).checked_sub(1).map(|index| &self.exercises[index])
    }

    /// Returns the exercise that follows `exercise`, or `None` if it is the last one.
    pub fn following(&self, exercise: &Exercise) -> Option<&Exercise> {
        self.exercises.get(self.index(exercise) + 1)
    }

    fn index(&self, exercise: &Exercise) -> usize {
        let is_same = |other: &Exercise| other.number == exercise.number;
        self.exercises.iter().position(is_same).expect("the exercise is in the list")
    }

    /// Describes how many exercises are done, such as `3 of 28 exercises`.
    pub fn done_line(&self, progress: &Progress) -> String {
        let done = self.exercises.iter().filter(|one| progress.is_done(&one.number)).count();
        format!("{done} of {} exercises", self.exercises.len())
    }

    /// Returns the folder of the lessons.
    pub fn lessons(&self) -> PathBuf {
        self.folder.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// Returns the folder of the learner's source files for an exercise.
    pub fn source_folder(&self, exercise: &Exercise) -> PathBuf {
        self.work.join(&exercise.name).join("src")
    }

    /// Returns the file that the learner edits.
    pub fn main_file(&self, exercise: &Exercise) -> PathBuf {
        self.source_folder(exercise).join("main.rs")
    }

    /// Returns the target folder of all builds of this program. An editor's builds use a different
    /// folder, so that neither build waits for the other.
    pub fn target(&self) -> PathBuf {
        self.folder.join("target/workshop")
    }

    /// Returns the root folder of the kit.
    pub fn kit(&self) -> PathBuf {
        self.lessons().parent().map(Path::to_owned).unwrap_or_default()
    }
}

/// Returns the text that the learner enters for a command of this program.
pub fn called_as(command: &str) -> String {
    let program = env::var("WORKSHOP_CALLED_AS")
        .unwrap_or_else(|_| harness::invocation("workshop", "cargo run -q -p workshop --"));
    format!("{program} {command}").trim_end().to_owned()
}

/// Returns the text that the learner enters for a command of this program and an exercise.
pub fn command_for(exercise: &Exercise, command: &str) -> String {
    called_as(&format!("{command} {}", exercise.number))
}

/// Returns the folder of the exercises in the kit that contains the current folder. If the current
/// folder is not in a kit, returns the folder in the kit from which this program was built.
fn default_folder() -> PathBuf {
    let exercises = Path::new("lessons/exercises");
    let here = env::current_dir().unwrap_or_default();
    let kit = here.ancestors().find(|folder| folder.join(exercises).is_dir());
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    kit.or(built_in).expect("this package is in crates/").join(exercises)
}
