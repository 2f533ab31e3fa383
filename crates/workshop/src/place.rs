//! The folder of the exercises, and the spelling of this program's commands.

use std::path::{self, Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, anyhow, ensure};

use crate::exercise::Exercise;
use crate::progress::Progress;

/// The folder of the exercises, and the exercises in it.
#[derive(Debug)]
pub struct Place {
    pub folder: PathBuf,
    pub exercises: Vec<Exercise>,
}

impl Place {
    /// Reads all exercises of a folder, by default of this kit's own.
    pub fn open(folder: Option<PathBuf>) -> Result<Self> {
        let folder = path::absolute(folder.unwrap_or_else(own_folder))?;
        let shown = folder.display();
        let entries = fs::read_dir(&folder).map_err(|error| {
            anyhow!(
                "cannot read `{shown}`: {error}\nhelp: run this program in the folder of the kit, or \
                 pass the folder of the exercises as --dir"
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
        ensure!(!exercises.is_empty(), "`{shown}` contains no exercise");
        exercises.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { folder, exercises })
    }

    /// Finds an exercise by its number or folder: `5`, `05`, `05-survive-errors`.
    pub fn find(&self, name: &str) -> Result<&Exercise> {
        let name = name.trim_end_matches(['/', '\\']);
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let is_named = |exercise: &&Exercise| {
            exercise.name == name || format!("{name:0>2}") == exercise.number
        };
        self.exercises.iter().find(is_named).with_context(|| {
            let last = self.exercises.last().map_or("", |exercise| &exercise.number);
            let list = called_as("list");
            format!(
                "there is no exercise `{name}`\nhelp: use 01 to {last}; to list them:\n  {list}"
            )
        })
    }

    /// The first exercise that is not done.
    pub fn next(&self, progress: &Progress) -> Option<&Exercise> {
        self.exercises.iter().find(|exercise| !progress.is_done(&exercise.name))
    }

    /// The folder of the lessons.
    pub fn lessons(&self) -> PathBuf {
        self.folder.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// The root folder of the kit.
    pub fn kit(&self) -> PathBuf {
        self.lessons().parent().map(Path::to_owned).unwrap_or_default()
    }
}

/// A command of this program, spelled as the user starts it.
pub fn called_as(command: &str) -> String {
    let program = env::var("WORKSHOP_CALLED_AS")
        .unwrap_or_else(|_| harness::invocation("workshop", "cargo run -q -p workshop --"));
    format!("{program} {command}").trim_end().to_owned()
}

/// A command of this program about an exercise.
pub fn command_for(exercise: &Exercise, command: &str) -> String {
    called_as(&format!("{command} {}", exercise.number))
}

/// A path, relative to the current folder if it is below that folder.
pub fn shown(path: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// The exercises of the kit that contains the current folder, or else of the kit that contains this
/// source file.
fn own_folder() -> PathBuf {
    let exercises = Path::new("lessons/exercises");
    let here = env::current_dir().unwrap_or_default();
    let kit = here.ancestors().find(|folder| folder.join(exercises).is_dir());
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    kit.or(built_in).expect("this package is in crates/").join(exercises)
}
