//! Reads and compares folders of source files, such as a learner's work.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The content of each file in a folder and its subfolders. The keys are the paths relative to the
/// folder.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Reads all files in a folder and its subfolders.
pub fn read(folder: &Path) -> io::Result<Files> {
    let mut files = Files::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(folder.join(&below))? {
            let entry = entry?;
            let name = below.join(entry.file_name());
            match entry.file_type()?.is_dir() {
                true => folders.push(name),
                false => drop(files.insert(name, fs::read(entry.path())?)),
            }
        }
    }
    Ok(files)
}

/// Returns whether two folders contain the same files with the same content. Ignores differences
/// in line endings, which Git or an editor may change.
pub fn are_same(one: &Files, other: &Files) -> bool {
    fn text(file: &[u8]) -> impl Iterator<Item = &u8> {
        file.iter().filter(|byte| **byte != b'\r')
    }
    one.keys().eq(other.keys())
        && one.values().zip(other.values()).all(|(one, other)| text(one).eq(text(other)))
}
