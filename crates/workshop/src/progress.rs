//! What a learner has done, in a plain text file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const FILE: &str = ".progress";

const EXPLANATION: &str = "\
# What you have done in the exercises, kept by `workshop`. It is plain text: edit it, or delete it to
# begin anew. A line is the exercise, then what is known of it: done, hints taken, solution seen.
";

/// What is known of all exercises.
#[derive(Debug, Default)]
pub struct Progress {
    path: PathBuf,
    notes: BTreeMap<String, Note>,
}

/// What is known of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// When it was green first.
    pub done: Option<String>,
    /// How many hints were taken.
    pub hints: usize,
    pub has_seen_solution: bool,
}

impl Progress {
    /// Reads it; a missing file is nothing done.
    ///
    /// # Errors
    ///
    /// When a line cannot be understood.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut notes = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let mut words = line.split_whitespace();
            let Some(name) = words.next().filter(|name| !name.starts_with('#')) else { continue };
            let note = Note::parse(words).ok_or_else(|| {
                format!(
                    "{}:{}: \"{line}\" is not understood; mend or delete the line",
                    path.display(),
                    index + 1
                )
            })?;
            notes.insert(name.to_owned(), note);
        }
        Ok(Self { path, notes })
    }

    /// What is known of an exercise.
    pub fn note(&self, name: &str) -> Note {
        self.notes.get(name).cloned().unwrap_or_default()
    }

    /// Whether nothing was done yet.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// Notes that an exercise is green.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn done(&mut self, name: &str) -> Result<(), String> {
        let note = self.notes.entry(name.to_owned()).or_default();
        note.done.get_or_insert_with(now);
        self.write()
    }

    /// Changes what is known of an exercise.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn change(&mut self, name: &str, change: impl FnOnce(&mut Note)) -> Result<(), String> {
        change(self.notes.entry(name.to_owned()).or_default());
        self.write()
    }

    fn write(&self) -> Result<(), String> {
        let mut text = EXPLANATION.to_owned();
        for (name, note) in &self.notes {
            let words = note.words();
            if !words.is_empty() {
                text.push_str(&format!("{name} {words}\n"));
            }
        }
        fs::write(&self.path, text).map_err(|error| {
            format!("{}: {error}; mend: make the folder writable", self.path.display())
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

    fn words(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.done.as_ref().map(|when| format!("done {when}")));
        words.extend((self.hints > 0).then(|| format!("hints {}", self.hints)));
        words.extend(self.has_seen_solution.then(|| "solution".to_owned()));
        words.join(" ")
    }
}

/// The time, UTC, to the second.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut progress = Progress::read(folder.path()).unwrap();
        progress.change("01-first-bytes", |note| note.hints = 2).unwrap();
        progress.done("01-first-bytes").unwrap();
        let note = Progress::read(folder.path()).unwrap().note("01-first-bytes");
        assert_eq!(note, progress.note("01-first-bytes"));
        assert!(note.done.is_some() && note.hints == 2 && !note.has_seen_solution);
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "# words\n01-first-bytes dome\n").unwrap();
        let error = Progress::read(folder.path()).unwrap_err();
        assert!(error.contains(".progress:2: \"01-first-bytes dome\""), "{error}");
    }
}
