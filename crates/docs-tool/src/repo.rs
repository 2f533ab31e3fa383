//! The repository: its root, and the files in it.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

use tempfile::NamedTempFile;

/// Folders that nobody reads: what programs make, and what git keeps.
pub(crate) const MADE: [&str; 3] = ["target", "node_modules", ".git"];

/// Where lessons, code and records are.
#[derive(Clone, Debug)]
pub struct Repo {
    root: PathBuf,
}

impl Repo {
    /// With this root.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The one that the current directory is in; else the one that this program was built in.
    #[must_use]
    pub fn found() -> Self {
        let is_root = |folder: &&Path| folder.join("crates/docs-tool/Cargo.toml").is_file();
        let here = env::current_dir().unwrap_or_default();
        let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
        let root = here.ancestors().find(is_root).or(built_in).unwrap_or(&here);
        Self::at(root)
    }

    /// Its root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path in it, given from its root.
    #[must_use]
    pub fn path(&self, from_root: &str) -> PathBuf {
        self.root.join(from_root)
    }

    /// A file's text, with `\n` at every line's end.
    ///
    /// # Errors
    ///
    /// What the system says, in words.
    pub fn read(&self, from_root: &str) -> Result<String, String> {
        let text = fs::read_to_string(self.path(from_root));
        let text = text.map_err(|error| format!("{from_root} cannot be read: {error}"))?;
        Ok(text.replace("\r\n", "\n"))
    }

    /// Puts a text in a file's place, whole or not at all.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn replace(&self, from_root: &str, text: &str) -> io::Result<()> {
        let path = self.path(from_root);
        let mut beside = NamedTempFile::new_in(path.parent().unwrap_or(&self.root))?;
        beside.write_all(text.as_bytes())?;
        // A temporary file is its maker's alone; this one is to be as the one it replaces.
        if let Ok(old) = fs::metadata(&path) {
            beside.as_file().set_permissions(old.permissions())?;
        }
        beside.persist(path)?;
        Ok(())
    }

    /// A path from the root, with `/`; none of what is outside.
    #[must_use]
    pub fn path_of(&self, path: &Path) -> Option<String> {
        let path = path.canonicalize().ok()?;
        let inside = path.strip_prefix(self.root.canonicalize().ok()?).ok()?;
        Some(inside.to_string_lossy().replace('\\', "/"))
    }

    /// All files below a folder whose names end so, in order; what programs make is left out.
    #[must_use]
    pub fn files_below(&self, folder: &str, endings: &[&str]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        self.gather(folder, endings, &mut found);
        found
    }

    fn gather(&self, folder: &str, endings: &[&str], found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(self.path(folder)).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if entry.path().is_dir() {
                if !MADE.contains(&name.as_str()) {
                    self.gather(&path, endings, found);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.insert(path);
            }
        }
    }
}
