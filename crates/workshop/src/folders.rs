//! Reads and compares folders of source files, such as a learner's work.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::{env, process};

use anyhow::{Result, anyhow};

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

/// Returns a path for display. A path below the current folder is shown relative to that folder.
pub fn display_path(path: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// Replaces a file. Creates the folder of the file if the folder does not exist. If this function
/// fails or the program is killed, the file keeps its previous content.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}.new", process::id()));
    let written = (|| {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        let mut file = fs::File::create(&new)?;
        file.write_all(text.as_bytes())?;
        // Some file systems report a full disk only here.
        file.sync_all()?;
        fs::rename(&new, path)
    })();
    written.map_err(|error| {
        let _ = fs::remove_file(&new);
        let help = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free space on the disk",
            ErrorKind::FileTooLarge => "raise the limit of the file size (ulimit -f)",
            _ => "make the folder writable",
        };
        anyhow!(
            "cannot write `{}`: {error}\nhelp: {help}, and run the command again (the existing file \
             is unchanged)",
            display_path(path)
        )
    })
}
