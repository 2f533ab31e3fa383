//! The folder of the exercises, and the spelling of this program's commands.

use std::path::{self, Path, PathBuf};
use std::{env, fs};

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
    ///
    /// # Errors
    ///
    /// Fails if there is no exercise, or if one of them cannot be read.
    pub fn open(folder: Option<&PathBuf>) -> Result<Self, String> {
        let folder = folder.cloned().unwrap_or_else(own_folder);
        let folder = path::absolute(&folder).unwrap_or(folder);
        let unreadable = |error| {
            let folder = folder.display();
            format!(
                "cannot read `{folder}`: {error}\nhelp: pass the folder of the exercises with --dir"
            )
        };
        let mut folders = Vec::new();
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let is_numbered = entry.file_name().to_string_lossy().starts_with(char::is_numeric);
            if is_numbered && entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
        folders.sort();
        let exercises = folders.iter().map(|folder| Exercise::read(folder));
        let exercises = exercises.collect::<Result<Vec<_>, _>>()?;
        if exercises.is_empty() {
            return Err(format!("`{}` contains no exercise", folder.display()));
        }
        Ok(Self { folder, exercises })
    }

    /// Finds an exercise by its number or folder: `5`, `05`, `05-survive-errors`.
    ///
    /// # Errors
    ///
    /// Fails if there is no such exercise.
    pub fn find(&self, called: &str) -> Result<&Exercise, String> {
        let called = called.trim_end_matches(['/', '\\']);
        let called = called.rsplit(['/', '\\']).next().unwrap_or(called);
        let is_it = |exercise: &&Exercise| {
            exercise.name == called || format!("{called:0>2}") == exercise.number
        };
        self.exercises.iter().find(is_it).ok_or_else(|| {
            let last = self.exercises.last().map_or("", |exercise| &exercise.number);
            format!(
                "there is no exercise `{called}`\nhelp: use 01 to {last}. To list them:\n  {}",
                called_as("list")
            )
        })
    }

    /// The first exercise that is not done.
    pub fn next(&self, progress: &Progress) -> Option<&Exercise> {
        self.exercises.iter().find(|exercise| progress.note(&exercise.name).done.is_none())
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
    let program = env::var("WORKSHOP_CALLED_AS");
    let program = program.unwrap_or_else(|_| "cargo run -q -p workshop --".to_owned());
    format!("{program} {command}").trim_end().to_owned()
}

/// A path, relative to the current folder if it is below that folder.
pub fn shown(path: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

fn own_folder() -> PathBuf {
    let here = Path::new("lessons/exercises");
    match here.is_dir() {
        true => here.to_owned(),
        false => {
            let kit = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
            kit.expect("this package is in crates/").join(here)
        }
    }
}
