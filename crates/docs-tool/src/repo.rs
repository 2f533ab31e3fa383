//! Reads and writes the files of the repository.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{env, fs, str};

use tempfile::NamedTempFile;

use crate::paths;

/// The names of the folders that contain generated files.
const GENERATED: [&str; 3] = ["target", "node_modules", "scratch"];

/// The maximum size of a file that the book shows on a page. The book copies larger files.
const PAGE_BYTES_MAX: u64 = 100_000;

/// The filename extensions of the files that a browser can show.
const SHOWN_BY_BROWSERS: [&str; 7] = ["svg", "webp", "png", "jpg", "gif", "html", "pdf"];

/// The kind of a file or a folder. The book shows each kind in a different way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Markdown file, which the book converts.
    Markdown,
    /// A text file, which the book shows on a page.
    Code,
    /// Any other file, which the book copies.
    Asset,
    /// A folder, which the book lists on a page.
    Folder,
}

/// The repository. All paths start at the root of the repository and have `/` between their parts.
#[derive(Clone, Debug, Default)]
pub struct Repo {
    root: PathBuf,
}

impl Repo {
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns the repository that contains the current directory. If the current directory is not
    /// in a repository, returns the repository that contains this source file.
    pub fn found() -> Self {
        let is_root = |folder: &&Path| folder.join("crates/docs-tool/Cargo.toml").is_file();
        let here = env::current_dir().unwrap_or_default();
        let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
        let root = here.ancestors().find(is_root).or(built_in).unwrap_or(&here);
        Self::at(root)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn path(&self, from_root: &str) -> PathBuf {
        self.root.join(from_root)
    }

    /// Returns the text of a file, with `\n` at the end of every line.
    ///
    /// # Errors
    ///
    /// Returns a message if the file cannot be read.
    pub fn read(&self, from_root: &str) -> Result<String, String> {
        let text = fs::read_to_string(self.path(from_root));
        let text = text.map_err(|error| format!("cannot read `{from_root}`: {error}"))?;
        Ok(text.replace("\r\n", "\n"))
    }

    /// Replaces the whole file in one step, so that an interrupted call does not leave an
    /// incomplete file.
    pub fn replace(&self, from_root: &str, text: &str) -> io::Result<()> {
        let path = self.path(from_root);
        let mut beside = NamedTempFile::new_in(path.parent().unwrap_or(&self.root))?;
        beside.write_all(text.as_bytes())?;
        // By default, only the owner of a temporary file can read it. The new file needs the
        // permissions of the old file.
        if let Ok(old) = fs::metadata(&path) {
            beside.as_file().set_permissions(old.permissions())?;
        }
        beside.persist(path)?;
        Ok(())
    }

    /// Returns the path from the root of the repository to a file, or `None` if the file is outside
    /// the repository.
    pub fn path_of(&self, path: &Path) -> Option<String> {
        let path = path.canonicalize().ok()?;
        let inside = path.strip_prefix(self.root.canonicalize().ok()?).ok()?;
        Some(inside.to_string_lossy().replace('\\', "/"))
    }

    /// Returns the kind of a file or a folder, or `None` if the path does not exist.
    pub fn kind(&self, path: &str) -> Option<Kind> {
        let metadata = fs::metadata(self.path(path)).ok()?;
        let is_shown = || SHOWN_BY_BROWSERS.contains(&paths::ending(path));
        let is_text = || fs::read(self.path(path)).is_ok_and(|it| str::from_utf8(&it).is_ok());
        Some(match paths::ending(path) {
            _ if metadata.is_dir() => Kind::Folder,
            "md" => Kind::Markdown,
            _ if is_shown() || metadata.len() > PAGE_BYTES_MAX || !is_text() => Kind::Asset,
            _ => Kind::Code,
        })
    }

    /// Returns the paths of the folders in a folder, then the paths of the files. Omits hidden
    /// paths and the folders of generated files.
    pub fn children(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let names = names.filter(|name| !name.starts_with('.') && !GENERATED.contains(&&**name));
        let mut paths: Vec<String> = names.map(|name| paths::join(folder, &name)).collect();
        paths.sort_by_cached_key(|path| (!self.path(path).is_dir(), path.clone()));
        paths
    }

    /// Returns the paths of the files in a folder and its subfolders. Includes only files whose
    /// names have one of these endings.
    pub fn files_below(&self, folder: &str, endings: &[&str]) -> BTreeSet<String> {
        let mut files = BTreeSet::new();
        for path in self.children(folder) {
            if self.path(&path).is_dir() {
                files.extend(self.files_below(&path, endings));
            } else if endings.iter().any(|ending| path.ends_with(ending)) {
                files.insert(path);
            }
        }
        files
    }
}
