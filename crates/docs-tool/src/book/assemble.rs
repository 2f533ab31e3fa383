//! From the repository to the book's source: starts with what the book contains, and follows links.

mod pages;
mod rewrite;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use super::claims::Claims;
use super::exercises;
use super::links;
use super::repo::{Kind, Repo};
use super::siblings;
use super::summary::{self, Entry};
use crate::fault::{Fault, did_you_mean};
use crate::page::Page as Source;
use crate::paths;

/// The book's source: files by their path in it.
#[derive(Debug)]
pub struct Book {
    /// What mdBook reads, SUMMARY.md included, and what is copied.
    pub files: BTreeMap<String, Vec<u8>>,
    /// How many of them are pages.
    pub pages: usize,
    /// Pages that search leaves out: solutions, and what is in other pages already.
    pub unsearched: Vec<String>,
    /// What is wrong in it, in the order of files and lines.
    pub faults: Vec<Fault>,
}

/// Makes the book's source from the repository at `root`.
///
/// Links that lead nowhere, and markers that name what is not there, are its faults.
#[must_use]
pub fn assemble(root: &Path) -> Book {
    let repo = Repo::new(root);
    let mut maker = Assembler::new(&repo);
    maker.claims = Claims::of(&crate::repo::Repo::at(root));
    for path in contents(&repo) {
        maker.want(&path);
    }
    maker.siblings_want();
    maker.read_all();
    maker.make_siblings();
    maker.make_code();
    maker.make_listings();
    maker.check_fragments();
    maker.finish()
}

/// A page of the book.
pub(super) struct Page {
    pub title: String,
    pub text: String,
    /// What a link can lead to in it.
    pub ids: Vec<String>,
}

/// A link's fragment, to be looked up when all pages are there.
struct Fragment {
    file: String,
    line: usize,
    page: String,
    id: String,
}

/// A page that quotes code.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Quoting {
    title: String,
    page: String,
}

/// Who quotes what, by file and by anchor of the siblings.
#[derive(Default)]
struct Quotes {
    files: BTreeMap<String, BTreeSet<Quoting>>,
    anchors: BTreeMap<String, BTreeSet<Quoting>>,
}

struct Assembler<'a> {
    repo: &'a Repo,
    waiting: VecDeque<String>,
    seen: BTreeSet<String>,
    pages: BTreeMap<String, Page>,
    assets: BTreeSet<String>,
    code: BTreeSet<String>,
    /// Folders that are listed whole, since a link leads to them.
    folders: BTreeSet<String>,
    quotes: Quotes,
    claims: Claims,
    fragments: Vec<Fragment>,
    faults: Vec<Fault>,
}

impl<'a> Assembler<'a> {
    fn new(repo: &'a Repo) -> Self {
        Self {
            repo,
            waiting: VecDeque::new(),
            seen: BTreeSet::new(),
            pages: BTreeMap::new(),
            assets: BTreeSet::new(),
            code: BTreeSet::new(),
            folders: BTreeSet::new(),
            quotes: Quotes::default(),
            claims: Claims::default(),
            fragments: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn want(&mut self, path: &str) {
        if self.seen.insert(path.to_owned()) {
            self.waiting.push_back(path.to_owned());
        }
    }

    fn siblings_want(&mut self) {
        for (sibling, _) in siblings::SIBLINGS {
            self.want(&siblings::file(sibling));
        }
    }

    fn read_all(&mut self) {
        while let Some(path) = self.waiting.pop_front() {
            match self.repo.kind(&path) {
                Some(Kind::Markdown) => self.make_markdown(&path),
                Some(Kind::Code) => {
                    if let Some(folder) = exercises::solved_by(&path) {
                        self.make_solution(&path, folder);
                    } else {
                        self.code.insert(path);
                    }
                }
                Some(Kind::Asset) => _ = self.assets.insert(path),
                Some(Kind::Folder) => self.open_folder(&path),
                None => {}
            }
        }
    }

    fn open_folder(&mut self, path: &str) {
        let readme = paths::join(path, "README.md");
        if self.repo.kind(&readme).is_some() {
            return self.want(&readme);
        }
        self.folders.insert(path.to_owned());
        for child in self.repo.children(path) {
            self.want(&child);
        }
    }

    fn make_markdown(&mut self, path: &str) {
        if exercises::exercise_of(path).is_some() && paths::name(path) == "hints.md" {
            return self.want(&paths::join(paths::parent(path), "README.md"));
        }
        let Some(text) = self.text(path) else { return };
        let title = links::title(&text).unwrap_or_else(|| path.to_owned());
        // Records are told apart by their folders, not by what they are.
        let title = match path.strip_prefix("benches/records/") {
            Some(record) => {
                format!("{}, {}", title.split(',').next().unwrap_or(""), paths::parent(record))
            }
            None => title,
        };
        let place = self.place(path);
        let mut ids = Source::new(path, text.as_str()).headings;
        let mut made = self.rewritten(path, &text, &title);
        if let Some(folder) = exercises::exercise_of(path) {
            ids.push("hints".to_owned());
            made.push_str(&self.rest_of_exercise(folder, &place));
        }
        self.pages.insert(place, Page { title, text: made, ids });
    }

    /// What follows an exercise's task: hints, and the ways to the starter and the solution.
    fn rest_of_exercise(&mut self, folder: &str, place: &str) -> String {
        let mut made = String::new();
        let hints = paths::join(folder, "hints.md");
        if self.repo.kind(&hints).is_some() {
            if let Some(text) = self.text(&hints) {
                made.push_str(&exercises::folded(&self.rewritten(&hints, &text, "Hints")));
            }
        }
        let ways = [("The starter", "src/main.rs"), ("A solution", "solution/main.rs")];
        let mut lines = Vec::new();
        for (name, file) in ways {
            let file = paths::join(folder, file);
            if self.repo.kind(&file).is_some() {
                self.want(&file);
                lines.push(format!("[{name}]({})", paths::relative(place, &self.place(&file))));
            }
        }
        if !lines.is_empty() {
            made.push_str(&format!("\n## The code\n\n{}\n", lines.join(" · ")));
        }
        made
    }

    fn make_solution(&mut self, path: &str, folder: &str) {
        let Some(text) = self.text(path) else { return };
        let readme = paths::join(folder, "README.md");
        let title = self.text(&readme).and_then(|text| links::title(&text));
        let title = title.unwrap_or_else(|| paths::name(folder).to_owned());
        let task = paths::relative(&self.place(path), &self.place(&readme));
        let text = exercises::solution(&title, path, &text, &task);
        let page = Page { title: "Solution".to_owned(), text, ids: Vec::new() };
        self.pages.insert(self.place(path), page);
    }

    fn check_fragments(&mut self) {
        for Fragment { file, line, page, id } in &self.fragments {
            let known = self.pages.get(page).map(|page| &page.ids);
            if known.is_some_and(|known| !known.contains(id)) {
                let what = format!("the link's part #{id} is not in its page");
                let known = known.into_iter().flatten().map(String::as_str);
                let help = match did_you_mean(id, known.clone()) {
                    Some(near) => format!("did you mean #{near}?"),
                    None => format!("take one of #{}", known.collect::<Vec<_>>().join(", #")),
                };
                self.faults.push(Fault::new(file, *line, what, help));
            }
        }
        self.faults.sort_by_key(|fault| (fault.file.clone(), fault.line));
        self.faults.dedup();
    }

    fn finish(self) -> Book {
        let entries = self.pages.iter().map(|(path, page)| Entry { path, title: &page.title });
        let summary = summary::summary(&entries.collect::<Vec<_>>());
        let pages = self.pages.len();
        // What is in these is in pages of its own, too, or should not be found.
        let is_unsearched =
            |path: &&String| path.ends_with("/solution.md") || *path == pages::WHOLE_FILES;
        let unsearched = self.pages.keys().filter(is_unsearched).cloned().collect();
        let mut files: BTreeMap<String, Vec<u8>> =
            self.pages.into_iter().map(|(path, page)| (path, page.text.into_bytes())).collect();
        files.insert("SUMMARY.md".to_owned(), summary.into_bytes());
        for path in &self.assets {
            if let Ok(bytes) = self.repo.bytes(path) {
                files.insert(path.clone(), bytes);
            }
        }
        Book { files, pages, unsearched, faults: self.faults }
    }

    fn insert(&mut self, place: &str, title: &str, text: String) {
        let page = Page { title: title.to_owned(), text, ids: Vec::new() };
        self.pages.insert(place.to_owned(), page);
    }

    fn text(&mut self, path: &str) -> Option<String> {
        match self.repo.text(path) {
            Ok(text) => Some(text),
            Err(error) => {
                let what = format!("cannot be read: {error}");
                self.faults.push(Fault::new(path, 1, what, "make it readable".to_owned()));
                None
            }
        }
    }

    /// Where in the book a path of the repository is.
    fn place(&self, path: &str) -> String {
        match self.repo.kind(path) {
            Some(Kind::Folder) => {
                let readme = paths::join(path, "README.md");
                match self.repo.kind(&readme) {
                    Some(_) => paths::join(path, "index.md"),
                    None => listing_page(path),
                }
            }
            Some(Kind::Code) => match exercises::solved_by(path) {
                Some(folder) => paths::join(folder, "solution.md"),
                None => format!("code/{path}.md"),
            },
            Some(Kind::Markdown) if paths::name(path) == "README.md" => {
                paths::join(paths::parent(path), "index.md")
            }
            Some(Kind::Markdown) => match exercises::exercise_of(path) {
                Some(folder) if paths::name(path) == "hints.md" => paths::join(folder, "index.md"),
                _ => path.to_owned(),
            },
            Some(Kind::Asset) | None => path.to_owned(),
        }
    }
}

/// What the book contains; the rest comes by links.
fn contents(repo: &Repo) -> Vec<String> {
    let mut found = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for folder in ["lessons", "docs"] {
        found.extend(repo.children(folder).into_iter().filter(|path| paths::ending(path) == "md"));
    }
    let exercises = repo.children(exercises::FOLDER).into_iter();
    let tasks = exercises
        .map(|path| if path.ends_with(".md") { path } else { paths::join(&path, "README.md") });
    found.extend(tasks);
    found.retain(|path| repo.kind(path) == Some(Kind::Markdown));
    found
}

fn listing_page(folder: &str) -> String {
    paths::join(&paths::join("code", folder), "index.md").replace("//", "/")
}
