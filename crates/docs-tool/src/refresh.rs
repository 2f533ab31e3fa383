//! All pages, one after the other.

use std::collections::BTreeSet;

use crate::anchors;
use crate::fault::Fault;
use crate::fill::{Sources, fill};
use crate::links::Links;
use crate::page::Page;
use crate::references::Known;
use crate::repo::Repo;
#[cfg(target_os = "linux")]
use crate::stage::Stage;

/// Code that may have anchors.
const CODE: [&str; 7] = [".rs", ".mjs", ".js", ".toml", ".sh", ".py", ".md"];

/// The options of one call.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The paths of the pages, from the root of the repository. If empty, all pages are filled in.
    pub files: Vec<String>,
    /// Whether the pages are only checked: nothing is written, and outdated text is an error.
    pub is_check: bool,
    /// Whether the commands in the pages are left out.
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
    #[cfg(target_os = "linux")]
    if !options.no_run {
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

/// The lessons, and what instructors read.
#[must_use]
pub fn lessons(repo: &Repo) -> Vec<String> {
    let below = repo.files_below("lessons", &[".md"]);
    let mut pages: Vec<String> =
        below.into_iter().filter(|file| file.matches('/').count() == 1).collect();
    let instructors = "docs/INSTRUCTOR.md";
    if repo.path(instructors).is_file() {
        pages.push(instructors.to_owned());
    }
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
