//! The progress of a learner, in a plain text file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::exercise::number_of;
use crate::folders;

const FILE: &str = ".progress";

const HEADER: &str = "\
# Your progress in the exercises, written by `workshop`. You can edit or delete this file. Each line
# contains the number of an exercise, `done` and the time, `command` if the passing server was
# started with --cmd, `hints` and the number of hints, `solution` if you have seen the solution, and
# `failed` and the name of the last failed check.
";

/// The progress in all exercises, by the numbers of the exercises.
#[derive(Debug, Default)]
pub struct Progress {
    path: PathBuf,
    notes: BTreeMap<String, Note>,
}

/// The progress in one exercise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// The time in UTC at which all checks passed for the first time, or `None` if they have never
    /// passed.
    pub done: Option<String>,
    /// Indicates whether only a server that `--cmd` started has passed, and not the learner's Rust
    /// program.
    pub is_command: bool,
    /// The number of hints that the learner has taken.
    pub hints: usize,
    pub has_seen_solution: bool,
    /// The name of the check or measurement whose failure the last verdict explained, or `None` if
    /// the learner's program passed or was not checked.
    pub failed: Option<String>,
}

impl Progress {
    /// Reads the progress from a file. If the file is missing, no exercise is done.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut notes: BTreeMap<String, Note> = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let mut words = line.split_whitespace();
            let Some(name) = words.next().filter(|name| !name.starts_with('#')) else { continue };
            // In earlier versions, a line began with the name of the exercise's folder.
            let note = notes.entry(number_of(name).to_owned()).or_default();
            note.read(words).with_context(|| {
                let (path, line_number) = (path.display(), index + 1);
                format!(
                    "{path}:{line_number}: invalid line \"{line}\"\nhelp: fix or delete the \
                         line"
                )
            })?;
        }
        Ok(Self { path, notes })
    }

    /// Returns the progress in one exercise.
    pub fn note(&self, number: &str) -> Note {
        self.notes.get(number).cloned().unwrap_or_default()
    }

    /// Returns whether an exercise is done.
    pub fn is_done(&self, number: &str) -> bool {
        self.note(number).done.is_some()
    }

    /// Returns whether there is no progress yet.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// Records that an exercise is done, by the learner's Rust program or by a server that `--cmd`
    /// started.
    pub fn record_done(&mut self, number: &str, is_command: bool) -> Result<()> {
        self.change(number, |note| {
            note.is_command = is_command && (note.is_command || note.done.is_none());
            note.done = note.done.take().or_else(|| Some(now()));
            if !is_command {
                note.failed = None;
            }
        })
    }

    /// Changes the progress in an exercise and writes the file.
    pub fn change(&mut self, number: &str, change: impl FnOnce(&mut Note)) -> Result<()> {
        change(self.notes.entry(number.to_owned()).or_default());
        let mut text = HEADER.to_owned();
        for (number, note) in self.notes.iter().filter(|(_, note)| **note != Note::default()) {
            text.push_str(&format!("{number}{}\n", note.to_text()));
        }
        folders::write(&self.path, &text)
    }
}

impl Note {
    /// Adds the words of one line to the note. Returns `None` if a word is invalid.
    fn read<'w>(&mut self, mut words: impl Iterator<Item = &'w str>) -> Option<()> {
        while let Some(word) = words.next() {
            match word {
                "done" => self.done = Some(words.next()?.to_owned()),
                "hints" => self.hints = self.hints.max(words.next()?.parse().ok()?),
                "command" => self.is_command = true,
                "solution" => self.has_seen_solution = true,
                "failed" => self.failed = Some(words.next()?.to_owned()),
                _ => return None,
            }
        }
        Some(())
    }

    fn to_text(&self) -> String {
        let done = self.done.as_ref().map(|time| format!(" done {time}"));
        let command = self.is_command.then(|| " command".to_owned());
        let hints = (self.hints > 0).then(|| format!(" hints {}", self.hints));
        let solution = self.has_seen_solution.then(|| " solution".to_owned());
        let failed = self.failed.as_ref().map(|name| format!(" failed {name}"));
        [done, command, hints, solution, failed].into_iter().flatten().collect()
    }
}

/// Returns the current time in UTC, with a precision of one second (RFC 3339).
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
