//! Collects the pages of the book, and the files of the repository that the book contains.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::paths;
use crate::repo::{Kind, Repo};

/// The folder of the exercises.
pub const EXERCISES: &str = "lessons/exercises";

/// A page of the book.
pub struct Page {
    pub title: String,
    pub text: String,
}

/// The content of a book during its assembly.
#[derive(Default)]
pub struct Site {
    pub repo: Repo,
    /// The pages of the book. The keys are the paths of the pages in the book.
    pub pages: BTreeMap<String, Page>,
    /// The paths of the files that the book contains unchanged.
    pub assets: BTreeSet<String>,
    /// The paths of the traces from which the pictures in the book are drawn.
    pub traces: BTreeSet<String>,
    /// The paths of the files that the book shows as code.
    pub code: BTreeSet<String>,
    /// The paths of the folders that the book lists completely.
    pub folders: BTreeSet<String>,
    /// The title and the place of each page that quotes a file or an anchor. A key is the path of a
    /// file, or `#` and the name of an anchor of the siblings.
    quotes: BTreeMap<String, BTreeSet<(String, String)>>,
    queue: VecDeque<String>,
    seen: BTreeSet<String>,
}

impl Site {
    pub fn of(repo: &Repo) -> Self {
        Self { repo: repo.clone(), ..Self::default() }
    }

    /// Adds a file or a folder of the repository to the book.
    pub fn add(&mut self, path: &str) {
        if self.seen.insert(path.to_owned()) {
            self.queue.push_back(path.to_owned());
        }
    }

    /// Returns the next added path, or `None` if this method has already returned all added paths.
    pub fn next(&mut self) -> Option<String> {
        self.queue.pop_front()
    }

    /// Registers the page at `place` as a page that quotes a file or an anchor.
    pub fn add_quote(&mut self, of: &str, title: &str, place: &str) {
        let pages = self.quotes.entry(of.to_owned()).or_default();
        pages.insert((title.to_owned(), place.to_owned()));
    }

    /// Returns links from the page at `place` to the pages that quote a file or an anchor.
    pub fn links_to_quotes(&self, of: &str, place: &str) -> String {
        let quotes = self.quotes.get(of).into_iter().flatten();
        let links =
            quotes.map(|(title, page)| format!("[{title}]({})", paths::relative(place, page)));
        links.collect::<Vec<_>>().join(", ")
    }

    pub fn insert(&mut self, place: &str, title: &str, text: String) {
        self.pages.insert(place.to_owned(), Page { title: title.to_owned(), text });
    }

    /// Returns the place of a file or a folder. The place is a path in the book.
    pub fn place(&self, path: &str) -> String {
        let folder = paths::parent(path);
        match (self.repo.kind(path), paths::name(path)) {
            (Some(Kind::Folder), _) => {
                match self.repo.kind(&paths::join(path, "README.md")).is_some() {
                    true => paths::join(path, "index.md"),
                    false => listing(path),
                }
            }
            (Some(Kind::Code), _) => match solved_exercise(path) {
                Some(exercise) => paths::join(exercise, "solution.md"),
                None => format!("code/{path}.md"),
            },
            (Some(Kind::Markdown), "README.md") => paths::join(folder, "index.md"),
            // The page of an exercise contains its hints.
            (Some(Kind::Markdown), "hints.md") if exercise(path).is_some() => {
                paths::join(folder, "index.md")
            }
            _ => path.to_owned(),
        }
    }

    /// Returns a link from the page at `place` to a file or a folder of the repository.
    pub fn link(&self, place: &str, path: &str) -> String {
        paths::relative(place, &self.place(path))
    }
}

/// Returns the place of the page that lists a folder.
pub fn listing(folder: &str) -> String {
    paths::join(&paths::join("code", folder), "index.md").replace("//", "/")
}

/// Returns the folder of the exercise that contains a file, or `None` if the file is not part of an
/// exercise.
pub fn exercise(path: &str) -> Option<&str> {
    let (slug, _) = path.strip_prefix(EXERCISES)?.strip_prefix('/')?.split_once('/')?;
    let has_number = slug.get(..2).is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    has_number.then(|| &path[..EXERCISES.len() + 1 + slug.len()])
}

/// Returns the folder of an exercise if the file is the solution of this exercise. Returns `None`
/// for all other files.
pub fn solved_exercise(path: &str) -> Option<&str> {
    exercise(path).filter(|folder| path[folder.len()..] == *"/solution/main.rs")
}
