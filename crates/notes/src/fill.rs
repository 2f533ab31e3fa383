//! Fills a page in, as its markers say.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::SIBLINGS;
use crate::anchors;
use crate::fault::Fault;
use crate::figures::Records;
use crate::markers::{Marker, Wrong, parse};
use crate::page::{Block, Comment, Fence, Page, fenced};
use crate::paths;
use crate::repo::Repo;
use crate::runs::{Came, Runs};
use crate::stage::Stage;

/// What the pages of one call have in common.
#[derive(Debug)]
pub struct Sources<'a> {
    /// Where code is.
    pub repo: &'a Repo,
    /// Where figures are.
    pub records: Records<'a>,
    /// Where commands run; without one they are left out.
    pub stage: Option<Stage>,
    /// Whether nothing is written: then what is never run again is not run.
    pub is_check: bool,
    /// Files and their anchors that pages have quoted.
    pub quoted: BTreeSet<(String, String)>,
}

impl<'a> Sources<'a> {
    /// Those of this repository, and no commands.
    #[must_use]
    pub fn of(repo: &'a Repo) -> Self {
        let records = Records::of(repo);
        Self { repo, records, stage: None, is_check: false, quoted: BTreeSet::new() }
    }

    /// A file, or an anchor of it.
    ///
    /// # Errors
    ///
    /// When there is none.
    fn code(&mut self, path: &str, anchor: Option<&str>) -> Result<Vec<String>, Wrong> {
        let text = self.repo.read(path).map_err(|why| {
            (why, "name a file by its path from the repository's root".to_owned())
        })?;
        let Some(anchor) = anchor else { return Ok(anchors::whole(&text)) };
        let quoted = anchors::quote(&text, anchor)
            .map_err(|(what, mend)| (format!("{what} in {path}"), mend))?;
        self.quoted.insert((path.to_owned(), anchor.to_owned()));
        Ok(quoted)
    }
}

/// A page that was filled in.
#[derive(Debug, Default)]
pub struct Filled {
    /// As it should be.
    pub text: String,
    /// What stood there and was not so.
    pub drifts: Vec<Fault>,
    /// What could not be filled in.
    pub faults: Vec<Fault>,
    /// Whether what came of a command is not as it is shown.
    pub has_other_output: bool,
    /// So many commands were run, or a server asked for its log.
    pub runs: usize,
    /// So many were not.
    pub left_out: usize,
    /// Programs that they would have called, and this machine does not have.
    pub missing: BTreeSet<&'static str>,
}

/// Fills in all that a page shows, and says which commands it runs.
#[must_use]
pub fn fill(page: &Page, sources: &mut Sources<'_>, progress: &mut dyn FnMut(&str)) -> Filled {
    let runs = Runs::on(page, sources.stage.take(), sources.is_check, progress);
    let mut filler = Filler { page, sources, runs, edits: Vec::new(), filled: Filled::default() };
    filler.filled.faults.extend(page.faults.iter().cloned());
    filler.blocks();
    filler.figures();
    let Filler { sources, mut runs, mut edits, mut filled, .. } = filler;
    if let Some(stage) = &mut runs.stage {
        stage.clear();
    }
    (filled.runs, filled.left_out) = (runs.runs, runs.left_out);
    filled.missing = runs.missing;
    sources.stage = runs.stage;
    edits.sort_by_key(|(range, _)| range.start);
    filled.text.clone_from(&page.text);
    for (range, new) in edits.iter().rev() {
        filled.text.replace_range(range.clone(), new);
    }
    filled
}

struct Filler<'p, 's, 'r, 'a> {
    page: &'p Page,
    sources: &'s mut Sources<'r>,
    runs: Runs<'a>,
    edits: Vec<(Range<usize>, String)>,
    filled: Filled,
}

impl Filler<'_, '_, '_, '_> {
    fn blocks(&mut self) {
        let page = self.page;
        let mut blocks = page.blocks.iter().peekable();
        while let Some(block) = blocks.next() {
            let comment = match block {
                Block::Comment(comment) => comment,
                Block::Fence(fence) => {
                    self.ungoverned(fence);
                    continue;
                }
            };
            let marker = match parse(&comment.text) {
                Ok(None) => continue,
                Ok(Some(marker)) => marker,
                Err(wrong) => {
                    self.fault(comment.line, wrong);
                    // What follows is meant to be its own.
                    blocks.next_if(|block| matches!(block, Block::Fence(_)));
                    continue;
                }
            };
            match marker {
                Marker::Siblings { pattern, anchor } => {
                    let end = blocks.by_ref().find_map(siblings_end);
                    self.siblings(comment, end, pattern.as_deref(), anchor.as_deref());
                }
                Marker::SiblingsEnd => {
                    let mend = "put `<!-- siblings: ANCHOR -->` above it";
                    let what = "`/siblings` ends what has not begun";
                    self.fault(comment.line, (what.to_owned(), mend.to_owned()));
                }
                Marker::Stop => {
                    if let Err(wrong) = self.runs.stop() {
                        self.fault(comment.line, wrong);
                    }
                }
                marker => match blocks.peek() {
                    Some(Block::Fence(fence)) if self.is_meant(comment, &marker, fence) => {
                        blocks.next();
                        self.governed(comment, &marker, fence);
                    }
                    _ => {
                        let what = format!("no fence follows the marker {}", comment.text);
                        let mend = "put an empty one, ``` and ```, right below it";
                        self.fault(comment.line, (what, mend.to_owned()));
                    }
                },
            }
        }
    }

    fn governed(&mut self, comment: &Comment, marker: &Marker, fence: &Fence) {
        match marker {
            Marker::Code { path, anchor } => self.code(comment, fence, path, anchor.as_deref()),
            Marker::Run(options) => {
                let came = self.runs.run(fence, options);
                self.came(fence, "console", came);
            }
            Marker::Serve(options) => {
                let came = self.runs.serve(fence, options);
                self.came(fence, "console", came);
            }
            Marker::Log(options) => {
                let came = self.runs.log(fence, options);
                self.came(fence, "text", came);
            }
            Marker::Siblings { .. } | Marker::SiblingsEnd | Marker::Stop => {}
        }
    }

    /// Whether a marker governs a fence: right below it, in a language that it can have.
    fn is_meant(&self, comment: &Comment, marker: &Marker, fence: &Fence) -> bool {
        let between = &self.page.text[comment.range.end..fence.range.start];
        let is_right_below = between.trim().is_empty() && between.matches('\n').count() <= 2;
        let languages: &[&str] = match marker {
            Marker::Run(_) | Marker::Serve(_) => &["", "console"],
            Marker::Log(_) => &["", "text"],
            _ => return is_right_below,
        };
        is_right_below && (fence.shown.is_empty() || languages.contains(&fence.language()))
    }

    /// A fence that no marker governs says what nobody has checked.
    fn ungoverned(&mut self, fence: &Fence) {
        let is_checked = matches!(fence.language(), "rust" | "rs" | "console");
        let is_exempt = fence.info.split([' ', ',']).any(|word| word == "ignore");
        if is_checked && !is_exempt {
            let language = fence.language();
            self.fault(fence.line, (
                format!("nothing says where this {language} comes from"),
                "put a marker above it (`code`, `run`), or, if it cannot be checked, `ignore` behind \
                 its language"
                    .to_owned(),
            ));
        }
    }

    fn code(&mut self, comment: &Comment, fence: &Fence, path: &str, anchor: Option<&str>) {
        match self.sources.code(path, anchor) {
            Ok(lines) => {
                let from = anchor.map_or(path.to_owned(), |anchor| format!("{path}#{anchor}"));
                self.put(fence, paths::language(path), &lines, &from);
            }
            Err(wrong) => self.fault(comment.line, wrong),
        }
    }

    /// Puts lines into a fence, if they are not there.
    fn put(&mut self, fence: &Fence, language: &str, lines: &[String], from: &str) {
        // What an author wrote behind the language stays.
        let info = if fence.language() == language { &fence.info } else { language };
        let new = fence.filled(info, lines);
        if self.page.text[fence.range.clone()] == new {
            return;
        }
        let (at, what) = first_difference(&fence.shown, lines);
        self.drift(fence.line + at, &format!("{what} in {from}"));
        self.edits.push((fence.range.clone(), new));
    }

    /// Puts in what came of a fence's commands.
    fn came(&mut self, fence: &Fence, language: &str, came: Came) {
        self.filled.has_other_output |= !came.drifts.is_empty() || !came.faults.is_empty();
        for (at, what) in &came.drifts {
            self.drift(fence.line + at, what);
        }
        for (at, wrong) in came.faults {
            self.fault(fence.line + at, wrong);
        }
        if came.lines != fence.shown || fence.language() != language {
            if came.drifts.is_empty() {
                self.drift(fence.line, &format!("the fence's language is not `{language}`"));
            }
            self.edits.push((fence.range.clone(), fence.filled(language, &came.lines)));
        }
    }

    fn siblings(
        &mut self,
        begin: &Comment,
        end: Option<&Comment>,
        pattern: Option<&str>,
        anchor: Option<&str>,
    ) {
        let Some(end) = end else {
            let mend = "put `<!-- /siblings -->` on a line of its own below it";
            let what = "the marker `siblings` has no end";
            return self.fault(begin.line, (what.to_owned(), mend.to_owned()));
        };
        let mut new = String::from("\n\n");
        for (name, folder) in SIBLINGS {
            let path = match pattern {
                Some(pattern) => pattern.replace("{}", &name.replace('-', "_")),
                None => format!("{folder}/src/lib.rs"),
            };
            match self.sources.code(&path, anchor) {
                Ok(lines) => {
                    let to = paths::relative(&self.page.file, &path);
                    let code = fenced("", paths::language(&path), &lines);
                    new.push_str(&format!("**{name}** ([`{path}`]({to}))\n\n{code}\n\n"));
                }
                Err(wrong) => return self.fault(begin.line, wrong),
            }
        }
        let range = begin.range.end..end.range.start;
        let shown = &self.page.text[range.clone()];
        if shown != new {
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
            let (at, what) = match shown.trim() {
                "" => (1, "nothing is shown of what stands".to_owned()),
                _ => first_difference(&lines(shown), &lines(&new)),
            };
            self.drift(begin.line + at - 1, &format!("{what} in the siblings"));
            self.edits.push((range, new));
        }
    }

    fn figures(&mut self) {
        for figure in &self.page.figures {
            match self.sources.records.figure(&figure.query) {
                Ok(value) => {
                    let shown = &self.page.text[figure.range.clone()];
                    if shown != value {
                        let query = &figure.query;
                        let what = format!("`{query}` is {value} in the record, not `{shown}`");
                        self.drift(figure.line, &what);
                        self.edits.push((figure.range.clone(), value));
                    }
                }
                Err(wrong) => self.fault(figure.line, wrong),
            }
        }
    }

    fn drift(&mut self, line: usize, what: &str) {
        let file = &self.page.file;
        let mend = format!(
            "see whether what the text says still holds, then `cargo run -p notes -- {file}` fills it"
        );
        self.filled.drifts.push(Fault::new(file.as_str(), line, what, mend));
    }

    fn fault(&mut self, line: usize, (what, mend): Wrong) {
        self.filled.faults.push(Fault::new(self.page.file.as_str(), line, what, mend));
    }
}

/// The comment that ends the siblings, if this block is it.
fn siblings_end(block: &Block) -> Option<&Comment> {
    match block {
        Block::Comment(comment) => {
            matches!(parse(&comment.text), Ok(Some(Marker::SiblingsEnd))).then_some(comment)
        }
        Block::Fence(_) => None,
    }
}

/// How many lines below the fence's beginning two texts differ first, and in what.
fn first_difference(shown: &[String], came: &[String]) -> (usize, String) {
    if shown.is_empty() && !came.is_empty() {
        return (0, format!("nothing is shown of {} lines", came.len()));
    }
    let same = shown.iter().zip(came).take_while(|(shown, came)| shown == came).count();
    let what = match (shown.get(same), came.get(same)) {
        (Some(shown), Some(came)) => format!("it shows `{shown}`, but `{came}` stands"),
        (Some(shown), None) => format!("it shows `{shown}`, which does not stand"),
        (None, Some(came)) => format!("it does not show `{came}`, which stands"),
        (None, None) => "the fence is not as it should be for what stands".to_owned(),
    };
    (same + 1, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_told_with_its_line() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (at, what) = first_difference(&lines("a b c"), &lines("a x c"));
        assert_eq!((at, what.as_str()), (2, "it shows `b`, but `x` stands"));
        assert_eq!(first_difference(&lines("a b"), &lines("a")).0, 2);
        assert_eq!(first_difference(&lines("a"), &lines("a b")).0, 2);
        assert_eq!(first_difference(&[], &lines("a b")), (0, "nothing is shown of 2 lines".into()));
    }
}
