//! The repository, as the book sees it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::paths;
use crate::repo::MADE;

/// A file larger than this is linked to as it is; as a page it would only be slow.
const PAGE_BYTES_MAX: u64 = 100_000;
/// What a browser shows as it is.
const SHOWN_AS_IT_IS: [&str; 7] = ["svg", "webp", "png", "jpg", "gif", "html", "pdf"];

/// What a path of the repository is to the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Markdown file: a page.
    Markdown,
    /// A text: a page that shows it.
    Code,
    /// Anything else: copied.
    Asset,
    /// A folder: a page that lists it, or its README.
    Folder,
}

/// Reads the repository.
pub struct Repo {
    root: PathBuf,
}

impl Repo {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// What is at `path`; none if nothing is.
    pub fn kind(&self, path: &str) -> Option<Kind> {
        let full = self.root.join(path);
        let metadata = fs::metadata(&full).ok()?;
        if metadata.is_dir() {
            return Some(Kind::Folder);
        }
        if paths::ending(path) == "md" {
            return Some(Kind::Markdown);
        }
        let is_asset =
            SHOWN_AS_IT_IS.contains(&paths::ending(path)) || metadata.len() > PAGE_BYTES_MAX;
        let is_text = || fs::read(&full).is_ok_and(|bytes| std::str::from_utf8(&bytes).is_ok());
        Some(if !is_asset && is_text() { Kind::Code } else { Kind::Asset })
    }

    /// A text of the repository, its line ends as on Unix.
    pub fn text(&self, path: &str) -> io::Result<String> {
        Ok(fs::read_to_string(self.root.join(path))?.replace("\r\n", "\n"))
    }

    pub fn bytes(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.root.join(path))
    }

    /// What is in a folder, in the order of names, folders first; hidden and built things left out.
    pub fn children(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root.join(folder)) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let seen = names.filter(|name| !name.starts_with('.') && !MADE.contains(&&**name));
        let mut found: Vec<String> = seen.map(|name| paths::join(folder, &name)).collect();
        found.sort_by_cached_key(|path| (self.kind(path) != Some(Kind::Folder), path.clone()));
        found
    }
}
