//! The command `fill`, which fills in pages, and the command `check`, which reports content that is
//! out of date.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};

use crate::anchors;
use crate::common::{counted, print, report};
use crate::fill::{Sources, fill, sibling_files};
use crate::links::Links;
use crate::page::Page;
use crate::page_error::PageError;
use crate::pictures;
use crate::reading_time;
use crate::references::Known;
use crate::repo::Repo;
use crate::stage::Stage;

/// The files that can have anchors.
const CODE: [&str; 7] = [".rs", ".mjs", ".js", ".toml", ".sh", ".py", ".md"];

const EXAMPLES: &str = "\
Examples:
  docs-tool fill                              fill in all lessons
  docs-tool fill lessons/04-backpressure.md   fill in one lesson

In a lesson, a comment alone on its line is a marker for the text below it:

  <!-- code: crates/serve-std/src/lib.rs#copy -->   code between anchors
  <!-- siblings: copy -->  <!-- /siblings -->       code of all siblings
  A word, then <!-- figure: race/large/tokio/gb_per_s -->3.1<!-- /figure -->

CONTRIBUTING.md describes all markers.";

/// Fill in the code, output and values of the lessons
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct FillArgs {
    /// Report content that is out of date, and write nothing
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    pages: CheckArgs,
}

/// Report the generated texts and pictures that are out of date
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Pages to process [default: all lessons, docs/*.md, README.md]
    #[arg(value_name = "PAGE")]
    pages: Vec<PathBuf>,
    /// Skip the commands, and process only code, values, references and links
    #[arg(long)]
    no_run: bool,
}

impl FillArgs {
    pub fn run(self, repo: &Repo) -> anyhow::Result<bool> {
        self.pages.run(repo, self.check)
    }
}

impl CheckArgs {
    /// Checks the pages if `is_check` is true, or else fills them in. Returns whether there are no
    /// errors.
    pub fn run(self, repo: &Repo, is_check: bool) -> anyhow::Result<bool> {
        let files: Vec<String> =
            self.pages.iter().map(|file| page(repo, file)).collect::<Result<_, _>>()?;
        let stage = (Stage::IS_AVAILABLE && !self.no_run).then(|| Stage::at(repo.root()));
        let mut refresh = Refresh {
            repo,
            is_check,
            sources: Sources::of(repo, stage),
            links: Links::of(repo),
            known: Known::of(repo),
            pages: 0,
            written: 0,
            errors: Vec::new(),
        };
        refresh.all(&files)?;
        Ok(refresh.summarize())
    }
}

/// Returns the path of a page from the root of the repository.
fn page(repo: &Repo, file: &Path) -> anyhow::Result<String> {
    let shown = file.display();
    if file.extension() != Some(OsStr::new("md")) {
        bail!("`{shown}` is not a Markdown file\nhelp: name a file that ends in `.md`");
    }
    let candidates = [file.to_owned(), repo.root().join(file)];
    let found = candidates.iter().find(|candidate| candidate.is_file());
    let found = found.ok_or_else(|| {
        anyhow!("there is no file `{shown}`\nhelp: run `ls lessons` to list the lessons")
    })?;
    repo.path_of(found).ok_or_else(|| anyhow!("`{shown}` is not in the repository"))
}

/// The state of one run of `fill` or `check`.
struct Refresh<'a> {
    repo: &'a Repo,
    is_check: bool,
    sources: Sources<'a>,
    links: Links<'a>,
    known: Known,
    pages: usize,
    written: usize,
    errors: Vec<PageError>,
}

impl Refresh<'_> {
    /// Processes the pages in `files`, or all pages if `files` is empty.
    fn all(&mut self, files: &[String]) -> anyhow::Result<()> {
        let lessons = lessons(self.repo);
        let is_all = files.is_empty();
        for file in if is_all { &lessons } else { files } {
            report(file);
            let text = self.repo.read(file).map_err(anyhow::Error::msg)?;
            self.page(&Page::new(file.as_str(), text))?;
        }
        if is_all && self.is_check {
            self.check_anchors();
            for file in others(self.repo, &lessons) {
                let page = Page::new(file.as_str(), self.repo.read(&file).unwrap_or_default());
                self.errors.extend(self.links.errors(&page));
            }
            self.errors.extend(pictures::errors(self.repo, &[])?);
        }
        Ok(())
    }

    fn page(&mut self, page: &Page) -> anyhow::Result<()> {
        let mut filled = fill(page, &mut self.sources);
        if self.is_check && filled.has_other_output {
            // Run the commands a second time, because concurrent programs do not always print their
            // lines in the same order.
            report(format_args!("{}, second run", page.file));
            let again = fill(page, &mut self.sources);
            if !again.has_other_output {
                filled = again;
            }
        }
        self.pages += 1;
        self.errors.extend(filled.errors);
        self.errors.extend(self.known.errors(page));
        self.errors.extend(self.links.errors(page));
        if self.is_check {
            self.errors.extend(filled.drifts);
            self.errors.extend(reading_time::errors(self.repo, page));
        } else if filled.text != page.text {
            let written = self.repo.replace(&page.file, &filled.text);
            written.with_context(|| format!("cannot write `{}`", page.file))?;
            print(format_args!("{}: written", page.file));
            self.written += 1;
        }
        Ok(())
    }

    /// Reports anchors that no page quotes.
    fn check_anchors(&mut self) {
        let siblings: Vec<String> = sibling_files(None).into_iter().map(|(_, path)| path).collect();
        let folders = ["crates", "lessons"].iter();
        for file in folders.flat_map(|folder| self.repo.files_below(folder, &CODE)) {
            let text = self.repo.read(&file).unwrap_or_default();
            for (line, name) in anchors::names(&text) {
                let is_quoted =
                    |file: &String| self.sources.quoted.contains(&(file.clone(), name.to_owned()));
                // If a lesson quotes an anchor of one sibling, the book shows the anchor with
                // the same name in every sibling.
                let is_in_book = siblings.contains(&file) && siblings.iter().any(is_quoted);
                if !is_in_book && !is_quoted(&file) {
                    let what = format!("no lesson quotes the anchor `{name}`");
                    let help =
                        format!("quote the anchor (`<!-- code: {file}#{name} -->`), or remove it");
                    self.errors.push(PageError::new(file.as_str(), line, what, help));
                }
            }
        }
    }

    /// Prints the errors and a summary. Returns whether there are no errors.
    fn summarize(mut self) -> bool {
        self.errors.sort();
        self.errors.iter().for_each(print);
        let runs = &self.sources.runs;
        if runs.skipped > 0 {
            let missing: Vec<&str> = runs.missing.iter().copied().collect();
            let why = match () {
                () if !Stage::IS_AVAILABLE => ": commands run only on Linux".to_owned(),
                () if !missing.is_empty() => format!(": {} is not installed", missing.join(", ")),
                () => String::new(),
            };
            print(format_args!("skipped {}{why}", counted(runs.skipped, "command")));
        }
        let mut total = format!("{}, {}", counted(self.pages, "page"), counted(runs.runs, "run"));
        if !self.is_check {
            total.push_str(&format!(", {} written", self.written));
        }
        match self.errors.len() {
            0 => print(format_args!("{total}: everything is up to date")),
            count => print(format_args!("{total}: {}", counted(count, "error"))),
        }
        self.errors.is_empty()
    }
}

/// Returns the lessons, the pages in `docs` and the README.
fn lessons(repo: &Repo) -> Vec<String> {
    let lessons = repo.children("lessons").into_iter().filter(|path| path.ends_with(".md"));
    let readme = Some("README.md".to_owned()).filter(|file| repo.path(file).is_file());
    lessons.chain(repo.files_below("docs", &[".md"])).chain(readme).collect()
}

/// Returns the other pages. In these pages, only the links are checked.
fn others(repo: &Repo, lessons: &[String]) -> Vec<String> {
    let below = ["lessons", "benches/records"].map(|folder| repo.files_below(folder, &[".md"]));
    let is_other = |file: &String| !lessons.contains(file) && repo.path(file).is_file();
    let others = below.into_iter().flatten().chain(Some("CONTRIBUTING.md".to_owned()));
    others.filter(is_other).collect()
}
