//! The progress of a learner, in a plain text file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

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
    ///
    /// # Errors
    ///
    /// Fails if a line is invalid.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut notes = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let mut words = line.split_whitespace();
            let Some(name) = words.next().filter(|name| !name.starts_with('#')) else { continue };
            let note = Note::parse(words).ok_or_else(|| {
                format!(
                    "{}:{}: invalid line \"{line}\"\nhelp: fix or delete the line",
                    path.display(),
                    index + 1
                )
            })?;
            notes.insert(name.to_owned(), note);
        }
        Ok(Self { path, notes })
    }

    /// The progress in one exercise.
    pub fn note(&self, name: &str) -> Note {
        self.notes.get(name).cloned().unwrap_or_default()
    }

    /// Whether there is no progress yet.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// Records that an exercise is done.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn done(&mut self, name: &str) -> Result<(), String> {
        let note = self.notes.entry(name.to_owned()).or_default();
        note.done.get_or_insert_with(now);
        self.write()
    }

    /// Changes the progress in an exercise.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
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
            format!(
                "cannot write `{}`: {error}\nhelp: make the folder writable",
                self.path.display()
            )
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

/// The current time in UTC, with a precision of one second.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_progress_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut progress = Progress::read(folder.path()).unwrap();
        progress.change("01-first-bytes", |note| note.hints = 2).unwrap();
        progress.done("01-first-bytes").unwrap();
        let note = Progress::read(folder.path()).unwrap().note("01-first-bytes");
        assert_eq!(note, progress.note("01-first-bytes"));
        assert!(note.done.is_some() && note.hints == 2 && !note.has_seen_solution);
    }

    #[test]
    fn an_invalid_line_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "# words\n01-first-bytes dome\n").unwrap();
        let error = Progress::read(folder.path()).unwrap_err();
        assert!(error.contains(".progress:2: invalid line \"01-first-bytes dome\""), "{error}");
    }
}
