//! Fills a page in, as its markers say.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::SIBLINGS;
use crate::anchors;
use crate::fault::Fault;
use crate::figures::Records;
use crate::markers::{Error, Marker, parse};
use crate::page::{Block, Comment, Fence, Page, fenced};
use crate::paths;
use crate::repo::Repo;
use crate::runs::{Output, Runs};
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
    fn code(&mut self, path: &str, anchor: Option<&str>) -> Result<Vec<String>, Error> {
        let text = self.repo.read(path).map_err(|why| {
            (why, "name a file by its path from the repository's root".to_owned())
        })?;
        let Some(anchor) = anchor else { return Ok(anchors::whole(&text)) };
        let quoted = anchors::quote(&text, anchor)
            .map_err(|(what, help)| (format!("{what} in {path}"), help))?;
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
    /// Whether the output of a command differs from the shown output.
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
                Err(error) => {
                    self.fault(comment.line, error);
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
                    let help = "put `<!-- siblings: ANCHOR -->` above it";
                    let what = "`/siblings` ends what has not begun";
                    self.fault(comment.line, (what.to_owned(), help.to_owned()));
                }
                Marker::Stop => {
                    if let Err(error) = self.runs.stop() {
                        self.fault(comment.line, error);
                    }
                }
                marker => match blocks.peek() {
                    Some(Block::Fence(fence)) if self.is_meant(comment, &marker, fence) => {
                        blocks.next();
                        self.governed(comment, &marker, fence);
                    }
                    _ => {
                        let what = format!("no fence follows the marker {}", comment.text);
                        let help = "put an empty one, ``` and ```, right below it";
                        self.fault(comment.line, (what, help.to_owned()));
                    }
                },
            }
        }
    }

    fn governed(&mut self, comment: &Comment, marker: &Marker, fence: &Fence) {
        match marker {
            Marker::Code { path, anchor } => self.code(comment, fence, path, anchor.as_deref()),
            Marker::Run(options) => {
                let output = self.runs.run(fence, options);
                self.put_output(fence, "console", output);
            }
            Marker::Serve(options) => {
                let output = self.runs.serve(fence, options);
                self.put_output(fence, "console", output);
            }
            Marker::Log(options) => {
                let output = self.runs.log(fence, options);
                self.put_output(fence, "text", output);
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
            Err(error) => self.fault(comment.line, error),
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

    /// Replaces the shown output of a fence's commands if the actual output differs.
    fn put_output(&mut self, fence: &Fence, language: &str, output: Output) {
        self.filled.has_other_output |= !output.drifts.is_empty() || !output.faults.is_empty();
        for (at, what) in &output.drifts {
            self.drift(fence.line + at, what);
        }
        for (at, error) in output.faults {
            self.fault(fence.line + at, error);
        }
        if output.lines != fence.shown || fence.language() != language {
            if output.drifts.is_empty() {
                self.drift(fence.line, &format!("the fence's language is not `{language}`"));
            }
            self.edits.push((fence.range.clone(), fence.filled(language, &output.lines)));
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
            let help = "put `<!-- /siblings -->` on a line of its own below it";
            let what = "the marker `siblings` has no end";
            return self.fault(begin.line, (what.to_owned(), help.to_owned()));
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
                Err(error) => return self.fault(begin.line, error),
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
                Err(error) => self.fault(figure.line, error),
            }
        }
    }

    fn drift(&mut self, line: usize, what: &str) {
        let file = &self.page.file;
        let help = format!(
            "see whether what the text says still holds, then `cargo run -p docs-tool -- fill {file}` fills it"
        );
        self.filled.drifts.push(Fault::new(file.as_str(), line, what, help));
    }

    fn fault(&mut self, line: usize, (what, help): Error) {
        self.filled.faults.push(Fault::new(self.page.file.as_str(), line, what, help));
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
fn first_difference(shown: &[String], actual: &[String]) -> (usize, String) {
    if shown.is_empty() && !actual.is_empty() {
        return (0, format!("nothing is shown of {} lines", actual.len()));
    }
    let same = shown.iter().zip(actual).take_while(|(shown, actual)| shown == actual).count();
    let what = match (shown.get(same), actual.get(same)) {
        (Some(shown), Some(actual)) => format!("it shows `{shown}`, but `{actual}` stands"),
        (Some(shown), None) => format!("it shows `{shown}`, which does not stand"),
        (None, Some(actual)) => format!("it does not show `{actual}`, which stands"),
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
