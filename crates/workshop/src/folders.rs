//! Copying whole folders: a learner's work, and the starter that it began with.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Copies a folder's files, those in its folders too, into another, which is made if it is missing.
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

/// Makes a folder hold what another holds, and nothing else.
pub fn replace(with: &Path, folder: &Path) -> io::Result<()> {
    // First the new: if that fails, nothing is gone that was not to be written over.
    copy(with, folder)?;
    let wanted = files(with)?;
    for file in files(folder)?.iter().filter(|file| !wanted.contains(file)) {
        fs::remove_file(folder.join(file))?;
    }
    Ok(())
}

/// Whether two folders hold the same files with the same content.
pub fn are_same(one: &Path, other: &Path) -> io::Result<bool> {
    let names = files(one)?;
    if names != files(other)? {
        return Ok(false);
    }
    for name in names {
        // Git may have written other line ends than the editor.
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

/// The files of a folder, relative to it, in order.
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
    fn a_copy_is_the_same_until_it_is_changed() {
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
