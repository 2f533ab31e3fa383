//! From the repository to the book's source: starts with what the book contains, and follows links.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use super::links::{self, Link};
use super::markdown::{self, Edits};
use super::repo::{Kind, Repo};
use super::siblings::{self, Part};
use super::summary::{self, Entry};
use super::{code, exercises, mdbook, paths};
use crate::anchors;
use crate::fault::Fault;
use crate::page::{Block, Comment, Page as Source};

/// The book's source: files by their path in it.
#[derive(Debug)]
pub struct Book {
    /// What mdBook reads, SUMMARY.md included, and what is copied.
    pub files: BTreeMap<String, Vec<u8>>,
    /// How many of them are pages.
    pub pages: usize,
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

/// Who quotes what: titles and pages of lessons, by file and by anchor of the siblings.
#[derive(Default)]
struct Quotes {
    files: BTreeMap<String, BTreeSet<String>>,
    anchors: BTreeMap<String, BTreeSet<String>>,
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

    /// A Markdown text as the book wants it: links lead to pages, markers have done their work.
    fn rewritten(&mut self, path: &str, text: &str, title: &str) -> String {
        let mut edits = Edits::default();
        self.rewrite_markers(path, text, title, &mut edits);
        for range in markdown::inline_comments(text) {
            edits.replace(range, "");
        }
        for Link { range, to } in links::links(text) {
            let line = links::line_of(text, range.start);
            match self.way(path, line, &to) {
                Ok(Some(way)) => edits.replace(range, way),
                Ok(None) => {}
                Err(fault) => self.faults.push(fault),
            }
        }
        edits.apply(text)
    }

    /// Where a link leads in the book; none if it stays as it is.
    fn way(&mut self, path: &str, line: usize, to: &str) -> Result<Option<String>, Fault> {
        let place = self.place(path);
        if to.contains("://") || to.starts_with("mailto:") {
            return Ok(None);
        }
        let (file, id) = to.split_once('#').unwrap_or((to, ""));
        let full = match file {
            "" => Some(path.to_owned()),
            file => paths::resolve(paths::parent(path), file),
        };
        let Some((full, kind)) = full.and_then(|full| Some((full.clone(), self.repo.kind(&full)?)))
        else {
            return Err(Fault::new(
                path,
                line,
                format!("the link to {to} leads to nothing"),
                format!("name a file that is there, from {}", paths::join(paths::parent(path), "")),
            ));
        };
        self.want(&full);
        let target = self.place(&full);
        let is_line = id.strip_prefix('L').is_some_and(|n| n.starts_with(|c: char| c.is_numeric()));
        if id.is_empty() || is_line || kind == Kind::Asset {
            return Ok(Some(paths::relative(&place, &target)));
        }
        let (file, id) = (path.to_owned(), id.to_owned());
        let way = format!("{}#{id}", paths::relative(&place, &target));
        self.fragments.push(Fragment { file, line, page: target, id });
        Ok(Some(way))
    }

    fn rewrite_markers(&mut self, path: &str, text: &str, title: &str, edits: &mut Edits) {
        let blocks = Source::new(path, text).blocks;
        for (at, block) in blocks.iter().enumerate() {
            let Block::Comment(comment) = block else { continue };
            let (Comment { range, line, .. }, words) = (comment, words_of(comment));
            let start = range.start;
            edits.replace(range.clone(), "");
            let made = if let Some(quoted) = words.strip_prefix("code: ") {
                let Some(Block::Fence(fence)) = blocks.get(at + 1) else { continue };
                let made = self.quoted(path, *line, quoted, &fence.indent, title);
                made.map(|made| (start..fence.range.end, made))
            } else if let Some(words_of_it) = words.strip_prefix("siblings: ") {
                let end = blocks[at..].iter().find_map(|block| match block {
                    Block::Comment(end) if words_of(end) == "/siblings" => Some(end.range.end),
                    _ => None,
                });
                let Some(end) = end else {
                    let what = format!("<!-- {words} --> has no end");
                    let mend = "write <!-- /siblings --> below it";
                    self.faults.push(Fault::new(path, *line, what, mend));
                    continue;
                };
                let made = self.compared(path, *line, words_of_it, title);
                made.map(|made| (start..end, made))
            } else {
                continue;
            };
            match made {
                Ok((range, made)) => edits.replace(range, made),
                Err(fault) => self.faults.push(fault),
            }
        }
    }

    /// The fence for a `code:` marker, and below it the way to its file.
    fn quoted(
        &mut self,
        path: &str,
        line: usize,
        quoted: &str,
        indent: &str,
        title: &str,
    ) -> Result<String, Fault> {
        let (file, anchor) = quoted.split_once('#').unwrap_or((quoted, ""));
        let code = self.part(path, line, file, anchor)?;
        self.want(file);
        let place = self.place(path);
        let lesson = lesson_link(title, &place);
        self.quotes.files.entry(file.to_owned()).or_default().insert(lesson);
        let way = paths::relative(&place, &self.place(file));
        let fragment = if anchor.is_empty() { String::new() } else { format!("#{anchor}") };
        let fence = markdown::fenced(&code, markdown::language(file), indent);
        Ok(format!(
            "{fence}\n{indent}<p class=\"hw-source\"><a href=\"{way}{fragment}\">{file}</a></p>\n"
        ))
    }

    /// The columns for a `siblings:` marker.
    fn compared(
        &mut self,
        path: &str,
        line: usize,
        words: &str,
        title: &str,
    ) -> Result<String, Fault> {
        let (files, anchor) = siblings::meant(words);
        let place = self.place(path);
        let lesson = lesson_link(title, &place);
        let mut parts = Vec::new();
        for (sibling, file) in files {
            let code = Some(self.part(path, line, &file, anchor)?);
            self.want(&file);
            self.quotes.files.entry(file.clone()).or_default().insert(lesson.clone());
            parts.push(Part { sibling, path: file, code });
        }
        let link = |file: &str| format!("{}#{anchor}", paths::relative(&place, &self.place(file)));
        let mut made = siblings::side_by_side(anchor, &parts, link);
        if !words.contains('#') {
            let own = paths::relative(&place, &sibling_page(anchor));
            made.push_str(&format!(
                "\n<p class=\"hw-source\"><a href=\"{own}\">{anchor}, on a page of its own</a></p>\n"
            ));
            self.quotes.anchors.entry(anchor.to_owned()).or_default().insert(lesson);
        }
        Ok(made)
    }

    /// What a marker quotes.
    fn part(&self, path: &str, line: usize, file: &str, anchor: &str) -> Result<String, Fault> {
        let Ok(text) = self.repo.text(file) else {
            let what = format!("there is no file {file}");
            return Err(Fault::new(path, line, what, "write its path from the root".to_owned()));
        };
        if anchor.is_empty() {
            return Ok(anchors::whole(&text).join("\n"));
        }
        let quoted = anchors::quote(&text, anchor).map(|lines| lines.join("\n"));
        quoted.map_err(|(what, mend)| Fault::new(path, line, format!("{file}: {what}"), mend))
    }

    fn make_siblings(&mut self) {
        let texts: Vec<String> = siblings::SIBLINGS
            .iter()
            .filter_map(|(sibling, _)| self.repo.text(&siblings::file(sibling)).ok())
            .collect();
        if texts.len() < siblings::SIBLINGS.len() {
            return;
        }
        let mut rows = String::new();
        for anchor in siblings::anchors_of_all(&texts) {
            rows.push_str(&self.make_sibling_page(&anchor, &texts));
        }
        let parts = code::parts(|path| self.repo.text(path).ok());
        let whole = "siblings/whole-files.md";
        let text = format!(
            "# The whole files, side by side\n\n{}",
            siblings::side_by_side("whole files", &parts, |file| paths::relative(
                whole,
                &self.place(file)
            ))
        );
        self.insert(whole, "The whole files", text);
        let text = format!(
            "# Side by side\n\nThe four siblings have the same functions under the same names, in \
             the same order. Each page shows one part of all four.\n\n\
             | part | functions | explained in |\n| --- | --- | --- |\n{rows}\n\
             [The whole files](whole-files.md) are in one page, too.\n"
        );
        self.insert("siblings/index.md", "Side by side", text);
    }

    /// Makes the page of one anchor, and its row in the table of all.
    fn make_sibling_page(&mut self, anchor: &str, texts: &[String]) -> String {
        let place = sibling_page(anchor);
        let parts: Vec<Part> = siblings::SIBLINGS
            .iter()
            .zip(texts)
            .map(|((sibling, _), text)| {
                let code = anchors::quote(text, anchor).ok().map(|lines| lines.join("\n"));
                Part { sibling, path: siblings::file(sibling), code }
            })
            .collect();
        let mut functions: Vec<&str> = Vec::new();
        for name in
            parts.iter().filter_map(|part| part.code.as_deref()).flat_map(siblings::functions)
        {
            if !functions.contains(&name) {
                functions.push(name);
            }
        }
        let functions = functions.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        let functions = functions.join(", ");
        let lessons = self.lessons(self.quotes.anchors.get(anchor), &place);
        let explained = match &*lessons {
            "" => String::new(),
            lessons => format!("Explained in {lessons}.\n\n"),
        };
        let named = if functions.is_empty() { String::new() } else { format!("{functions}.\n") };
        let link = |file: &str| format!("{}#{anchor}", paths::relative(&place, &self.place(file)));
        let columns = siblings::side_by_side(anchor, &parts, link);
        let text = format!("# {anchor}, side by side\n\n{named}{explained}\n{columns}");
        self.insert(&place, anchor, text);
        let lessons = self.lessons(self.quotes.anchors.get(anchor), "siblings/index.md");
        format!("| [{anchor}]({anchor}.md) | {functions} | {lessons} |\n")
    }

    fn make_code(&mut self) {
        for path in self.code.clone() {
            let Some(text) = self.text(&path) else { continue };
            let place = self.place(&path);
            let lessons = match &*self.lessons(self.quotes.files.get(&path), &place) {
                "" => String::new(),
                lessons => format!("Quoted in {lessons}.\n\n"),
            };
            let is_sibling =
                siblings::SIBLINGS.iter().any(|(name, _)| siblings::file(name) == path);
            let task = exercises::exercise_of(&path).map(|folder| {
                let task = self.place(&paths::join(folder, "README.md"));
                format!("[Back to the task]({})\n\n", paths::relative(&place, &task))
            });
            let above = task.unwrap_or_default() + &lessons;
            let ids = code::ids(&text);
            let made = code::page(&path, &text, &above, |anchor| {
                is_sibling.then(|| paths::relative(&place, &sibling_page(anchor)))
            });
            let (title, text) = (paths::name(&path).to_owned(), mdbook::not_printed(&made));
            let page = Page { title, text, ids };
            self.pages.insert(place, page);
        }
    }

    /// The folders of all code: whole if a link leads there, otherwise with what the book has of it.
    fn make_listings(&mut self) {
        let mut folders = self.folders.clone();
        for path in self.code.iter().chain(&self.folders) {
            let mut folder = path.as_str();
            while !folder.is_empty() {
                folder = paths::parent(folder);
                folders.insert(folder.to_owned());
            }
        }
        for folder in folders.iter().rev() {
            let place = listing_page(folder);
            let mut children = Vec::new();
            for child in self.repo.children(folder) {
                let target = match self.repo.kind(&child) {
                    Some(Kind::Folder) if folders.contains(&child) => listing_page(&child),
                    _ => self.place(&child),
                };
                if self.pages.contains_key(&target) || self.assets.contains(&target) {
                    children.push((child, paths::relative(&place, &target)));
                }
            }
            let title = if folder.is_empty() { "All files" } else { paths::name(folder) };
            self.insert(&place, title, mdbook::not_printed(&code::listing(folder, &children)));
        }
    }

    fn check_fragments(&mut self) {
        for Fragment { file, line, page, id } in &self.fragments {
            let known = self.pages.get(page).map(|page| &page.ids);
            if known.is_some_and(|known| !known.contains(id)) {
                let what = format!("the link's part #{id} is not in its page");
                let near = known.into_iter().flatten().cloned().collect::<Vec<_>>().join(", #");
                let mend = format!("take one of #{near}");
                self.faults.push(Fault::new(file, *line, what, mend));
            }
        }
        self.faults.sort_by_key(|fault| (fault.file.clone(), fault.line));
        self.faults.dedup();
    }

    fn finish(self) -> Book {
        let entries = self.pages.iter().map(|(path, page)| Entry { path, title: &page.title });
        let summary = summary::summary(&entries.collect::<Vec<_>>());
        let pages = self.pages.len();
        let mut files: BTreeMap<String, Vec<u8>> =
            self.pages.into_iter().map(|(path, page)| (path, page.text.into_bytes())).collect();
        files.insert("SUMMARY.md".to_owned(), summary.into_bytes());
        for path in &self.assets {
            if let Ok(bytes) = self.repo.bytes(path) {
                files.insert(path.clone(), bytes);
            }
        }
        Book { files, pages, faults: self.faults }
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

    /// Links to lessons, from the page `place`; each was kept as `title\nplace`.
    fn lessons(&self, lessons: Option<&BTreeSet<String>>, place: &str) -> String {
        let links = lessons.into_iter().flatten().filter_map(|lesson| {
            let (title, page) = lesson.split_once('\n')?;
            Some(format!("[{title}]({})", paths::relative(place, page)))
        });
        links.collect::<Vec<_>>().join(", ")
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

fn sibling_page(anchor: &str) -> String {
    format!("siblings/{anchor}.md")
}

/// What a comment says.
fn words_of(comment: &Comment) -> &str {
    comment.text.trim_start_matches("<!--").trim_end_matches("-->").trim()
}

fn lesson_link(title: &str, place: &str) -> String {
    format!("{title}\n{place}")
}
