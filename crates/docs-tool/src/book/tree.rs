//! Files on disk: writes those that differ, removes those that are too many.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Makes `folder` hold exactly `files`; what is there already is not touched.
///
/// # Errors
///
/// When the folder cannot be written.
pub fn sync(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (path, bytes) in files {
        let full = folder.join(path);
        if fs::read(&full).is_ok_and(|known| known == *bytes) {
            continue;
        }
        if let Some(parent) = full.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(full, bytes)?;
    }
    remove_others(folder, "", files)
}

fn remove_others(folder: &Path, below: &str, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = crate::paths::join(below, &entry.file_name().to_string_lossy());
        let is_needed = files
            .range(path.clone()..)
            .next()
            .is_some_and(|(next, _)| *next == path || next.starts_with(&format!("{path}/")));
        let has_more = || files.keys().any(|known| known.starts_with(&format!("{path}/")));
        let is_folder = entry.file_type()?.is_dir();
        match (is_folder, is_needed || has_more()) {
            (true, true) => remove_others(&entry.path(), &path, files)?,
            (true, false) => fs::remove_dir_all(entry.path())?,
            (false, true) => {}
            (false, false) => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_exactly_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let files = |paths: &[&str]| -> BTreeMap<String, Vec<u8>> {
            paths.iter().map(|path| ((*path).to_owned(), path.as_bytes().to_vec())).collect()
        };
        sync(folder.path(), &files(&["a.md", "b/c.md", "d/e.md"])).unwrap();
        let kept = fs::metadata(folder.path().join("a.md")).unwrap().modified().unwrap();
        sync(folder.path(), &files(&["a.md", "b-x.md", "b/f.md"])).unwrap();
        assert!(!folder.path().join("d").exists());
        assert!(!folder.path().join("b/c.md").exists());
        assert_eq!(fs::read(folder.path().join("b/f.md")).unwrap(), b"b/f.md");
        let now = fs::metadata(folder.path().join("a.md")).unwrap().modified().unwrap();
        assert_eq!(kept, now);
    }
}
