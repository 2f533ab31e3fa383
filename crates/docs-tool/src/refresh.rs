//! All pages, one after the other.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};

use crate::anchors;
use crate::fault::Fault;
use crate::fill::{Sources, fill};
use crate::links::Links;
use crate::page::Page;
use crate::pictures;
use crate::references::Known;
use crate::repo::Repo;
use crate::stage::Stage;
use crate::{print, report};

/// Code that may have anchors.
const CODE: [&str; 7] = [".rs", ".mjs", ".js", ".toml", ".sh", ".py", ".md"];

const EXAMPLES: &str = "\
Examples:
  docs-tool fill                              fill in all lessons
  docs-tool fill lessons/04-backpressure.md   fill in one of them

In a lesson, a comment alone on its line is a marker for the text below it:

  <!-- code: crates/serve-std/src/lib.rs#copy -->   code between anchors
  <!-- siblings: copy -->  <!-- /siblings -->       the same of all siblings
  A word, then <!-- figure: peers large gb_per_s tokio / node -->3.1<!-- /figure -->

CONTRIBUTING.md describes all markers.";

/// Fill the lessons with code, output and values
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct FillArgs {
    /// Write nothing; the same as `docs-tool check`
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    pages: CheckArgs,
}

/// Report which generated texts and pictures are out of date
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Pages to process [default: all lessons, docs/*.md, README.md]
    #[arg(value_name = "PAGE")]
    pages: Vec<PathBuf>,
    /// Omit the commands: process only code, values, references and links
    #[arg(long)]
    no_run: bool,
}

impl FillArgs {
    pub fn run(self, repo: &Repo) -> anyhow::Result<bool> {
        self.pages.process(repo, self.check)
    }
}

impl CheckArgs {
    pub fn run(self, repo: &Repo) -> anyhow::Result<bool> {
        self.process(repo, true)
    }

    fn process(self, repo: &Repo, is_check: bool) -> anyhow::Result<bool> {
        let files = self.pages.iter().map(|file| page(repo, file)).collect::<Result<_, _>>()?;
        let options = Options { files, is_check, no_run: self.no_run };
        let mut outcome = refresh(repo, &options, &mut |line| report(line));
        if is_check && options.files.is_empty() {
            outcome.faults.extend(pictures::faults(repo, &[])?);
        }
        print(summary(&options, &outcome).trim_end());
        Ok(outcome.faults.is_empty())
    }
}

/// Returns the path of a page from the root of the repository.
fn page(repo: &Repo, file: &Path) -> anyhow::Result<String> {
    let shown = file.display();
    if file.extension() != Some(OsStr::new("md")) {
        bail!("`{shown}` is not a Markdown file\nhelp: name a page that ends in .md");
    }
    let candidates = [file.to_owned(), repo.root().join(file)];
    let found = candidates.iter().find(|candidate| candidate.is_file());
    let found = found
        .ok_or_else(|| anyhow!("there is no `{shown}`\nhelp: `ls lessons` lists the pages"))?;
    repo.path_of(found).ok_or_else(|| anyhow!("`{shown}` is not in the repository"))
}

fn summary(options: &Options, outcome: &Outcome) -> String {
    let Outcome { pages, written, faults, runs, left_out, missing } = outcome;
    let mut out = String::new();
    for fault in faults {
        out.push_str(&format!("{fault}\n"));
    }
    for file in written {
        out.push_str(&format!("{file}: written\n"));
    }
    if *left_out > 0 {
        let missing: Vec<&str> = missing.iter().copied().collect();
        let why = match () {
            () if !Stage::IS_AVAILABLE => ": they run only on Linux".to_owned(),
            () if !missing.is_empty() => format!(": {} is not installed", missing.join(", ")),
            () => String::new(),
        };
        out.push_str(&format!("skipped {}{why}\n", counted(*left_out, "command")));
    }
    out.push_str(&format!("{}, {}", counted(*pages, "page"), counted(*runs, "run")));
    if !options.is_check {
        out.push_str(&format!(", {} written", written.len()));
    }
    match faults.len() {
        0 => out + ": everything is up to date\n",
        count => out + &format!(": {}\n", counted(count, "error")),
    }
}

fn counted(count: usize, of: &str) -> String {
    format!("{count} {of}{}", if count == 1 { "" } else { "s" })
}

/// The options of one call.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The paths of the pages, from the root of the repository. If empty, all pages.
    pub files: Vec<String>,
    /// Whether nothing is written, and outdated text is an error.
    pub is_check: bool,
    /// Whether the commands in the pages are omitted.
    pub no_run: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// So many pages were gone through.
    pub pages: usize,
    /// These were filled in anew.
    pub written: Vec<String>,
    /// What is wrong, in order.
    pub faults: Vec<Fault>,
    /// So many commands were run, and logs asked for.
    pub runs: usize,
    /// So many were not.
    pub left_out: usize,
    /// Programs that they would have called, and this machine does not have.
    pub missing: BTreeSet<&'static str>,
}

/// Fills in the pages that the options name, or checks them.
pub fn refresh(repo: &Repo, options: &Options, progress: &mut dyn FnMut(&str)) -> Outcome {
    let mut outcome = Outcome::default();
    let mut sources = Sources { is_check: options.is_check, ..Sources::of(repo) };
    if Stage::IS_AVAILABLE && !options.no_run {
        sources.stage = Some(Stage::at(repo.root()));
    }
    let mut links = Links::within(repo);
    let known = Known::of(repo);
    let is_all = options.files.is_empty();
    let pages = if is_all { lessons(repo) } else { options.files.clone() };
    for file in &pages {
        progress(file);
        let text = match repo.read(file) {
            Ok(text) => text,
            Err(why) => {
                outcome.faults.push(Fault::new(file.as_str(), 1, why, "name a page that is there"));
                continue;
            }
        };
        outcome.pages += 1;
        let page = Page::new(file.as_str(), text);
        let mut filled = fill(&page, &mut sources, progress);
        if options.is_check && filled.has_other_output {
            // Real programs race, on a busy machine more than on others; what is wrong stays so.
            progress(&format!("{file}, once more"));
            let again = fill(&page, &mut sources, progress);
            if !again.has_other_output {
                filled = again;
            }
        }
        outcome.runs += filled.runs;
        outcome.left_out += filled.left_out;
        outcome.missing.extend(filled.missing);
        outcome.faults.extend(filled.faults);
        outcome.faults.extend(known.faults(&page));
        outcome.faults.extend(links.faults(&page));
        if options.is_check {
            outcome.faults.extend(filled.drifts);
        } else if filled.text != page.text {
            match repo.replace(file, &filled.text) {
                Ok(()) => outcome.written.push(file.clone()),
                Err(error) => {
                    let what = format!("{file} cannot be written: {error}");
                    outcome.faults.push(Fault::new(file.as_str(), 1, what, "let it be written"));
                }
            }
        }
    }
    if is_all && options.is_check {
        outcome.faults.extend(unquoted(repo, &sources));
        for file in others(repo, &pages) {
            let page = Page::new(file.as_str(), repo.read(&file).unwrap_or_default());
            outcome.faults.extend(links.faults(&page));
        }
    }
    outcome.faults.sort();
    outcome
}

/// Returns the lessons, the pages in `docs` and the README.
#[must_use]
pub fn lessons(repo: &Repo) -> Vec<String> {
    let below = repo.files_below("lessons", &[".md"]);
    let mut pages: Vec<String> =
        below.into_iter().filter(|file| file.matches('/').count() == 1).collect();
    pages.extend(repo.files_below("docs", &[".md"]));
    pages.extend(Some("README.md".to_owned()).filter(|file| repo.path(file).is_file()));
    pages
}

/// Pages of which only the links are looked at.
fn others(repo: &Repo, pages: &[String]) -> Vec<String> {
    let mut others: Vec<String> = Vec::new();
    for folder in ["docs", "lessons"] {
        others.extend(repo.files_below(folder, &[".md"]));
    }
    for file in ["README.md", "CONTRIBUTING.md"] {
        if repo.path(file).is_file() {
            others.push(file.to_owned());
        }
    }
    others.retain(|file| !pages.contains(file));
    others
}

/// Anchors that no page quotes.
fn unquoted(repo: &Repo, sources: &Sources<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let files = ["crates", "lessons"].iter().flat_map(|folder| repo.files_below(folder, &CODE));
    for file in files {
        let text = repo.read(&file).unwrap_or_default();
        for (line, name) in anchors::names(&text) {
            if !sources.quoted.contains(&(file.clone(), name.to_owned())) {
                let what = format!("no lesson quotes the anchor `{name}`");
                let help = format!("quote it (`<!-- code: {file}#{name} -->`), or take it away");
                faults.push(Fault::new(file.as_str(), line, what, help));
            }
        }
    }
    faults
}
