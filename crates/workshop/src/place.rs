//! Where the exercises are, and how this program is called.

use std::path::{self, Path, PathBuf};
use std::{env, fs};

use crate::exercise::Exercise;
use crate::progress::Progress;

/// The folder with the exercises, and what is in it.
#[derive(Debug)]
pub struct Place {
    pub folder: PathBuf,
    pub exercises: Vec<Exercise>,
}

impl Place {
    /// Reads all exercises of a folder, or of this kit's own.
    ///
    /// # Errors
    ///
    /// When there is none, or one of them cannot be read.
    pub fn open(folder: Option<&PathBuf>) -> Result<Self, String> {
        let folder = folder.cloned().unwrap_or_else(own_folder);
        let folder = path::absolute(&folder).unwrap_or(folder);
        let unreadable = |error| {
            let folder = folder.display();
            format!("{folder}: {error}; mend: name the exercises' folder by --dir")
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
            return Err(format!("{}: there is no exercise in it", folder.display()));
        }
        Ok(Self { folder, exercises })
    }

    /// An exercise by what a learner calls it: `5`, `05`, `05-survive-errors`.
    ///
    /// # Errors
    ///
    /// When there is no such exercise.
    pub fn find(&self, called: &str) -> Result<&Exercise, String> {
        let called = called.trim_end_matches(['/', '\\']);
        let called = called.rsplit(['/', '\\']).next().unwrap_or(called);
        let is_it = |exercise: &&Exercise| {
            exercise.name == called || format!("{called:0>2}") == exercise.number
        };
        self.exercises.iter().find(is_it).ok_or_else(|| {
            let last = self.exercises.last().map_or("", |exercise| &exercise.number);
            format!(
                "there is no exercise \"{called}\"; mend: one of 01 to {last}. All of them:\n  {}",
                called_as("list")
            )
        })
    }

    /// The first exercise that is not done.
    pub fn next(&self, progress: &Progress) -> Option<&Exercise> {
        self.exercises.iter().find(|exercise| progress.note(&exercise.name).done.is_none())
    }

    /// The lessons beside the exercises.
    pub fn lessons(&self) -> PathBuf {
        self.folder.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// The kit that the lessons belong to.
    pub fn kit(&self) -> PathBuf {
        self.lessons().parent().map(Path::to_owned).unwrap_or_default()
    }
}

/// How a command of this program is spelled by whoever started it.
pub fn called_as(command: &str) -> String {
    let program = env::var("WORKSHOP_CALLED_AS");
    let program = program.unwrap_or_else(|_| "cargo run -q -p workshop --".to_owned());
    format!("{program} {command}").trim_end().to_owned()
}

/// A path as it is seen from here, if it is below.
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
