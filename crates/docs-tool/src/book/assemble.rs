//! Assembles the book from the lessons, exercises and docs, and from the files that these pages
//! link to.

use std::collections::BTreeMap;

use super::convert::convert;
use super::generated::{self, WHOLE_FILES};
use super::player;
use super::site::{self, EXERCISES, Site};
use super::summary::summary;
use crate::common::SIBLINGS;
use crate::fill::{Sources, fill};
use crate::links::Links;
use crate::page::Page;
use crate::page_error::PageError;
use crate::paths;
use crate::references::Known;
use crate::repo::{Kind, Repo};

/// The sources for mdBook.
pub struct Book {
    /// The content of each page and asset, and of `SUMMARY.md`. The keys are paths in the book.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The number of pages.
    pub pages: usize,
    /// The paths of the pages that the search omits: the solutions, and the page that repeats the
    /// whole files of the siblings.
    pub unsearched: Vec<String>,
    /// The errors in the pages, sorted by file and line.
    pub errors: Vec<PageError>,
}

pub fn assemble(repo: &Repo) -> Book {
    let mut assembler = Assembler {
        site: Site::of(repo),
        sources: Sources::for_book(repo),
        links: Links::of(repo),
        known: Known::of(repo),
        errors: Vec::new(),
    };
    for path in contents(repo) {
        assembler.site.add(&path);
    }
    for path in SIBLINGS.iter().flat_map(|(_, files)| *files) {
        assembler.site.add(path);
    }
    while let Some(path) = assembler.site.next() {
        if let Err(what) = assembler.add(&path) {
            assembler.errors.push(PageError::new(path, 1, what, "make the file readable"));
        }
    }
    let Assembler { mut site, mut errors, .. } = assembler;
    generated::sibling_pages(&mut site);
    generated::code_pages(&mut site);
    generated::listings(&mut site);
    errors.sort();
    errors.dedup();
    finish(site, errors)
}

/// Returns the paths of the pages that the book contains even if no other page links to them.
fn contents(repo: &Repo) -> Vec<String> {
    let mut paths = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for folder in ["lessons", "docs", EXERCISES] {
        paths.extend(repo.children(folder));
    }
    let tasks = repo.children(EXERCISES).into_iter().map(|path| paths::join(&path, "README.md"));
    paths.extend(tasks);
    paths.retain(|path| repo.kind(path) == Some(Kind::Markdown));
    paths
}

fn finish(site: Site, mut errors: Vec<PageError>) -> Book {
    let titles = site.pages.iter().map(|(path, page)| (path.as_str(), page.title.as_str()));
    let summary = summary(titles);
    let pages = site.pages.len();
    let is_unsearched = |path: &&String| path.ends_with("/solution.md") || *path == WHOLE_FILES;
    let unsearched = site.pages.keys().filter(is_unsearched).cloned().collect();
    let mut files: BTreeMap<String, Vec<u8>> =
        site.pages.into_iter().map(|(path, page)| (path, page.text.into_bytes())).collect();
    files.insert("SUMMARY.md".to_owned(), summary.into_bytes());
    for path in site.assets {
        if let Ok(bytes) = std::fs::read(site.repo.path(&path)) {
            files.insert(path, bytes);
        }
    }
    errors.extend(player::add(&site.repo, &site.traces, &mut files).err());
    Book { files, pages, unsearched, errors }
}

struct Assembler<'a> {
    site: Site,
    sources: Sources<'a>,
    links: Links<'a>,
    known: Known,
    errors: Vec<PageError>,
}

impl Assembler<'_> {
    fn add(&mut self, path: &str) -> Result<(), String> {
        let readme = |folder: &str| paths::join(folder, "README.md");
        match (self.site.repo.kind(path), site::exercise(path)) {
            (Some(Kind::Markdown), Some(folder)) if paths::name(path) == "hints.md" => {
                self.site.add(&readme(folder));
            }
            (Some(Kind::Markdown), Some(folder)) => self.add_exercise(path, folder)?,
            (Some(Kind::Markdown), None) => {
                let (title, text) = self.convert(path)?;
                self.site.insert(&self.site.place(path), &title, text);
            }
            (Some(Kind::Code), Some(folder)) if site::solved_exercise(path).is_some() => {
                let place = self.site.place(path);
                let title = Page::new("", self.site.repo.read(&readme(folder))?).title;
                let task = self.site.link(&place, &readme(folder));
                let text = self.site.repo.read(path)?;
                let page = generated::solution(&title, path, &text, &task);
                self.site.insert(&place, "Solution", page);
            }
            (Some(Kind::Code), _) => _ = self.site.code.insert(path.to_owned()),
            (Some(Kind::Asset), _) => _ = self.site.assets.insert(path.to_owned()),
            (Some(Kind::Folder), _) if self.site.repo.kind(&readme(path)).is_some() => {
                self.site.add(&readme(path));
            }
            (Some(Kind::Folder), _) => {
                self.site.folders.insert(path.to_owned());
                for child in self.site.repo.children(path) {
                    self.site.add(&child);
                }
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// Returns the title and the text that a page has in the book.
    fn convert(&mut self, path: &str) -> Result<(String, String), String> {
        let page = Page::new(path, self.site.repo.read(path)?);
        let filled = fill(&page, &mut self.sources);
        self.errors.extend(filled.errors);
        self.errors.extend(self.links.errors(&page));
        let page = Page::new(path, filled.text);
        let title = match path.strip_prefix("benches/records/") {
            // The pages of different records have the same titles, so the title in the book also
            // contains the folder of the record.
            Some(record) => {
                let title = page.title.split(',').next().unwrap_or_default();
                format!("{title}, {}", paths::parent(record))
            }
            None if page.title.is_empty() => path.to_owned(),
            None => page.title.clone(),
        };
        let text = convert(&mut self.site, &self.known, &page, &title);
        Ok((title, text))
    }

    /// Adds the page of an exercise. The page contains the hints of the exercise, and links to its
    /// code.
    fn add_exercise(&mut self, path: &str, folder: &str) -> Result<(), String> {
        let place = self.site.place(path);
        let (title, mut text) = self.convert(path)?;
        let hints = paths::join(folder, "hints.md");
        if self.site.repo.kind(&hints).is_some() {
            text.push_str(&generated::folded(&self.convert(&hints)?.1));
        }
        let mut links = Vec::new();
        for (name, file) in [("The starter", "starter/main.rs"), ("A solution", "solution/main.rs")]
        {
            let file = paths::join(folder, file);
            if self.site.repo.kind(&file).is_some() {
                self.site.add(&file);
                links.push(format!("[{name}]({})", self.site.link(&place, &file)));
            }
        }
        if !links.is_empty() {
            text.push_str(&format!("\n## The code\n\n{}\n", links.join(" · ")));
        }
        self.site.insert(&place, &title, text);
        Ok(())
    }
}
