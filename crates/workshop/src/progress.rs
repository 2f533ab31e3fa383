//! The progress of a learner, in a plain text file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow};

const FILE: &str = ".progress";

const EXPLANATION: &str = "\
# Your progress in the exercises, written by `workshop`. It is plain text: edit or delete it if you
# like. Each line names an exercise, then its notes: done, hints taken, solution seen.
";

/// The progress in all exercises.
#[derive(Debug, Default)]
pub struct Progress {
    path: PathBuf,
    notes: BTreeMap<String, Note>,
}

/// The progress in one exercise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// When all checks passed for the first time.
    pub done: Option<String>,
    /// The number of hints that were taken.
    pub hints: usize,
    pub has_seen_solution: bool,
}

impl Progress {
    /// Reads the progress. A missing file means that no exercise is done.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut notes = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let mut words = line.split_whitespace();
            let Some(name) = words.next().filter(|name| !name.starts_with('#')) else { continue };
            let note = Note::parse(words).with_context(|| {
                let (path, line_number) = (path.display(), index + 1);
                format!("{path}:{line_number}: invalid line \"{line}\"\nhelp: fix or delete it")
            })?;
            notes.insert(name.to_owned(), note);
        }
        Ok(Self { path, notes })
    }

    /// The progress in one exercise.
    pub fn note(&self, name: &str) -> Note {
        self.notes.get(name).cloned().unwrap_or_default()
    }

    /// Whether an exercise is done.
    pub fn is_done(&self, name: &str) -> bool {
        self.note(name).done.is_some()
    }

    /// Whether there is no progress yet.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// Records that an exercise is done.
    pub fn record_done(&mut self, name: &str) -> Result<()> {
        self.change(name, |note| note.done = note.done.take().or_else(|| Some(now())))
    }

    /// Changes the progress in an exercise, and writes the file.
    pub fn change(&mut self, name: &str, change: impl FnOnce(&mut Note)) -> Result<()> {
        change(self.notes.entry(name.to_owned()).or_default());
        let mut text = EXPLANATION.to_owned();
        for (name, note) in self.notes.iter().filter(|(_, note)| **note != Note::default()) {
            text.push_str(&format!("{name}{}\n", note.to_text()));
        }
        let path = self.path.display();
        fs::write(&self.path, text).map_err(|error| {
            anyhow!("cannot write `{path}`: {error}\nhelp: make the folder writable")
        })
    }
}

impl Note {
    fn parse<'w>(mut words: impl Iterator<Item = &'w str>) -> Option<Self> {
        let mut note = Self::default();
        while let Some(word) = words.next() {
            match word {
                "done" => note.done = Some(words.next()?.to_owned()),
                "hints" => note.hints = words.next()?.parse().ok()?,
                "solution" => note.has_seen_solution = true,
                _ => return None,
            }
        }
        Some(note)
    }

    fn to_text(&self) -> String {
        let done = self.done.as_ref().map(|time| format!(" done {time}"));
        let hints = (self.hints > 0).then(|| format!(" hints {}", self.hints));
        let solution = self.has_seen_solution.then(|| " solution".to_owned());
        [done, hints, solution].into_iter().flatten().collect()
    }
}

/// The current time in UTC, with a precision of one second.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
