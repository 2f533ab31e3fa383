//! Copies and compares whole folders: a learner's work and the starter.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Copies all files of a folder, recursively, into another folder, which is created if necessary.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for file in files(from)? {
        let target = to.join(&file);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(from.join(&file), target)?;
    }
    Ok(())
}

/// Replaces the content of `folder` by the content of `with`.
pub fn replace(with: &Path, folder: &Path) -> io::Result<()> {
    // Copy first: if copying fails, no other file has been removed.
    copy(with, folder)?;
    let expected = files(with)?;
    for file in files(folder)?.iter().filter(|file| !expected.contains(file)) {
        fs::remove_file(folder.join(file))?;
    }
    Ok(())
}

/// Whether two folders contain the same files with the same content.
pub fn are_same(one: &Path, other: &Path) -> io::Result<bool> {
    let names = files(one)?;
    if names != files(other)? {
        return Ok(false);
    }
    for name in names {
        // Git and the editor may use different line endings.
        let text = |folder: &Path| Ok::<_, io::Error>(without_cr(fs::read(folder.join(&name))?));
        if text(one)? != text(other)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn without_cr(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.retain(|byte| *byte != b'\r');
    bytes
}

/// Returns the sorted paths of all files below a folder, relative to it.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(folder.join(&below))? {
            let entry = entry?;
            let name = below.join(entry.file_name());
            match entry.file_type()?.is_dir() {
                true => folders.push(name),
                false => found.push(name),
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_same_compares_content_but_not_line_endings() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::create_dir_all(one.join("deeper")).unwrap();
        fs::write(one.join("main.rs"), "fn main() {}\n").unwrap();
        fs::write(one.join("deeper/more.rs"), "").unwrap();
        copy(&one, &other).unwrap();
        assert!(are_same(&one, &other).unwrap());
        fs::write(other.join("main.rs"), "fn main() {}\r\n").unwrap();
        assert!(are_same(&one, &other).unwrap());
        fs::write(other.join("main.rs"), "fn main() { }\n").unwrap();
        assert!(!are_same(&one, &other).unwrap());
    }
}
