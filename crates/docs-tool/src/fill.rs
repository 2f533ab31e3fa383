//! Fills in the code, the output and the values that the markers of a page name.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::anchors;
use crate::common::siblings_in_one_file;
use crate::excerpts;
use crate::markers::{Error, Marker, parse};
use crate::output::first_difference;
use crate::page::{Block, Comment, Fence, Page, fenced};
use crate::page_error::PageError;
use crate::paths;
use crate::repo::Repo;
use crate::runs::{Output, Runs};
use crate::stage::Stage;
use crate::values::Records;

/// The sources of the content that markers name: files, records and commands.
#[derive(Debug)]
pub struct Sources<'a> {
    repo: &'a Repo,
    records: Records<'a>,
    pub runs: Runs,
    /// Indicates whether code blocks with Rust code or console output must have a marker.
    needs_markers: bool,
    /// The anchors that pages have quoted. Each entry consists of the path of a file and the name
    /// of an anchor.
    pub quoted: BTreeSet<(String, String)>,
}

impl<'a> Sources<'a> {
    /// Returns the sources for lessons. If `stage` is `None`, commands are skipped.
    pub fn of(repo: &'a Repo, stage: Option<Stage>) -> Self {
        let (records, runs) = (Records::of(repo), Runs::on(stage));
        Self { repo, records, runs, needs_markers: true, quoted: BTreeSet::new() }
    }

    /// Returns the sources for the pages of the book. All commands are skipped.
    pub fn for_book(repo: &'a Repo) -> Self {
        Self { needs_markers: false, ..Self::of(repo, None) }
    }

    /// Returns all lines of a file, or only the lines at `anchor`.
    fn code(&mut self, path: &str, anchor: Option<&str>) -> Result<Vec<String>, Error> {
        let text = self.repo.read(path).map_err(|what| {
            (what, "name a file by its path from the root of the repository".to_owned())
        })?;
        let Some(anchor) = anchor else { return Ok(anchors::whole(&text)) };
        let quoted = anchors::quote(&text, anchor)
            .map_err(|(what, help)| (format!("{what} in `{path}`"), help))?;
        self.quoted.insert((path.to_owned(), anchor.to_owned()));
        Ok(quoted)
    }
}

/// Returns the name of each sibling that the marker `siblings` shows, and the path of the sibling's
/// file. `pattern` is the path in a marker, with `{}` in place of the sibling's name.
pub fn sibling_files(pattern: Option<&str>) -> Vec<(&'static str, String)> {
    let path = |(name, file): (&'static str, &str)| match pattern {
        Some(pattern) => (name, pattern.replace("{}", &name.replace('-', "_"))),
        None => (name, file.to_owned()),
    };
    siblings_in_one_file().into_iter().map(path).collect()
}

/// The result of filling in a page.
#[derive(Debug, Default)]
pub struct Filled {
    /// The text of the page with the content from all sources.
    pub text: String,
    /// The differences between the page and its sources.
    pub drifts: Vec<PageError>,
    /// The errors in the page, in its markers and in its commands.
    pub errors: Vec<PageError>,
    /// Indicates whether the output of a command differs from the output that the page shows.
    pub has_other_output: bool,
}

/// Fills in a page, and returns the result. Does not write the file.
pub fn fill(page: &Page, sources: &mut Sources<'_>) -> Filled {
    sources.runs.begin(page);
    let filled = Filled { errors: page.errors.clone(), ..Filled::default() };
    let mut filler = Filler { page, sources, edits: Vec::new(), filled };
    filler.blocks();
    filler.values();
    let Filler { sources, mut edits, mut filled, .. } = filler;
    sources.runs.end();
    edits.sort_by_key(|(range, _)| range.start);
    filled.text.clone_from(&page.text);
    for (range, new) in edits.iter().rev() {
        filled.text.replace_range(range.clone(), new);
    }
    filled
}

struct Filler<'p, 's, 'r> {
    page: &'p Page,
    sources: &'s mut Sources<'r>,
    edits: Vec<(Range<usize>, String)>,
    filled: Filled,
}

impl Filler<'_, '_, '_> {
    fn blocks(&mut self) {
        let page = self.page;
        let mut blocks = page.blocks.iter().peekable();
        while let Some(block) = blocks.next() {
            let comment = match block {
                Block::Comment(comment) => comment,
                Block::Fence(fence) => {
                    self.check_unmarked(fence);
                    continue;
                }
            };
            let marker = match parse(&comment.text) {
                Ok(None) => continue,
                Ok(Some(marker)) => marker,
                Err(error) => {
                    self.add_error(comment.line, error);
                    // The next code block belongs to this malformed marker. The code block is
                    // skipped.
                    blocks.next_if(|block| matches!(block, Block::Fence(_)));
                    continue;
                }
            };
            let done = match marker {
                Marker::Siblings { pattern, anchor, is_table } => {
                    let end = blocks.by_ref().find_map(|block| match block {
                        Block::Comment(end) => {
                            let is_end = parse(&end.text) == Ok(Some(Marker::SiblingsEnd));
                            is_end.then_some(end)
                        }
                        Block::Fence(_) => None,
                    });
                    let (pattern, anchor) = (pattern.as_deref(), anchor.as_deref());
                    self.siblings(comment, end, pattern, anchor, is_table)
                }
                Marker::SiblingsEnd => Err((
                    "the marker `/siblings` has no start".to_owned(),
                    "put `<!-- siblings: ANCHOR -->` above this marker".to_owned(),
                )),
                Marker::Stop => self.sources.runs.stop(),
                marker => match blocks.peek() {
                    Some(Block::Fence(fence)) if self.belongs_to(comment, &marker, fence) => {
                        blocks.next();
                        self.fence(&marker, fence)
                    }
                    _ => Err((
                        format!("no code block follows the marker {}", comment.text),
                        "put an empty code block, ``` and ```, right below the marker".to_owned(),
                    )),
                },
            };
            if let Err(error) = done {
                self.add_error(comment.line, error);
            }
        }
    }

    fn fence(&mut self, marker: &Marker, fence: &Fence) -> Result<(), Error> {
        let runs = &mut self.sources.runs;
        let (output, language) = match marker {
            Marker::Code { path, anchor, is_table } => {
                return self.code(fence, path, anchor.as_deref(), *is_table);
            }
            Marker::Run(options) => (runs.run(fence, options)?, "console"),
            Marker::Serve(options) => (runs.serve(fence, options)?, "console"),
            Marker::Log(options) => (runs.log(fence, options), "text"),
            Marker::Siblings { .. } | Marker::SiblingsEnd | Marker::Stop => return Ok(()),
        };
        self.put_output(fence, language, output);
        Ok(())
    }

    /// Returns whether a code block is right below a marker and has a language that the marker
    /// permits.
    fn belongs_to(&self, comment: &Comment, marker: &Marker, fence: &Fence) -> bool {
        let between = &self.page.text[comment.range.end..fence.range.start];
        let is_right_below = between.trim().is_empty() && between.matches('\n').count() <= 2;
        let language = match marker {
            Marker::Run(_) | Marker::Serve(_) => "console",
            Marker::Log(_) => "text",
            _ => return is_right_below,
        };
        is_right_below && (fence.shown.is_empty() || ["", language].contains(&fence.language()))
    }

    /// Reports a code block that needs a marker but has no marker.
    fn check_unmarked(&mut self, fence: &Fence) {
        let language = fence.language();
        let is_exempt = fence.info.split([' ', ',']).any(|word| word == "ignore");
        if self.sources.needs_markers && ["rust", "rs", "console"].contains(&language) && !is_exempt
        {
            let what = format!("a code block in the language `{language}` has no marker");
            let help = "put a marker (`code` or `run`) above the code block, or `ignore` after the language";
            self.add_error(fence.line, (what, help.to_owned()));
        }
    }

    fn code(
        &mut self,
        fence: &Fence,
        path: &str,
        anchor: Option<&str>,
        is_table: bool,
    ) -> Result<(), Error> {
        let lines = self.sources.code(path, anchor)?;
        let lines = match is_table {
            true => excerpts::narrowed(path, &lines, excerpts::LINES_MAX_IN_ONE_ROW)?,
            false => lines,
        };
        let language = paths::language(path);
        let info = if fence.language() == language { &fence.info } else { language };
        let new = fence.filled(info, &lines);
        if self.page.text[fence.range.clone()] != new {
            let from = anchor.map_or(path.to_owned(), |anchor| format!("{path}#{anchor}"));
            self.drift_of_lines(fence.line, &fence.shown, &lines, &from);
            self.edits.push((fence.range.clone(), new));
        }
        Ok(())
    }

    /// Replaces the output that a code block shows if the actual output of its commands differs.
    fn put_output(&mut self, fence: &Fence, language: &str, output: Output) {
        self.filled.has_other_output |= !output.drifts.is_empty() || !output.errors.is_empty();
        for (at, what) in &output.drifts {
            self.drift(fence.line + at, what);
        }
        for (at, error) in output.errors {
            self.add_error(fence.line + at, error);
        }
        if output.lines != fence.shown || fence.language() != language {
            if output.drifts.is_empty() {
                let actual = fence.language();
                let what = format!("expected the language `{language}`, got `{actual}`");
                self.drift(fence.line, &what);
            }
            self.edits.push((fence.range.clone(), fence.filled(language, &output.lines)));
        }
    }

    fn siblings(
        &mut self,
        start: &Comment,
        end: Option<&Comment>,
        pattern: Option<&str>,
        anchor: Option<&str>,
        is_table: bool,
    ) -> Result<(), Error> {
        let end = end.ok_or_else(|| {
            let help = "put `<!-- /siblings -->` on a line below this marker";
            ("the marker `siblings` has no end".to_owned(), help.to_owned())
        })?;
        let mut parts = Vec::new();
        for (name, path) in sibling_files(pattern) {
            let lines = self.sources.code(&path, anchor)?;
            let to = paths::relative(&self.page.file, &path);
            let lines = match is_table {
                true => excerpts::narrowed(&path, &lines, excerpts::LINES_MAX)?,
                false => lines,
            };
            let code = fenced("", paths::language(&path), &lines);
            parts.push(match is_table {
                true => format!("**[{name}]({to})**\n\n{code}\n\n"),
                false => format!("**{name}** ([`{path}`]({to}))\n\n{code}\n\n"),
            });
        }
        let new = match is_table {
            true => format!("\n\n{}\n\n", excerpts::table(&parts)),
            false => format!("\n\n{}", parts.concat()),
        };
        let range = start.range.end..end.range.start;
        let shown = &self.page.text[range.clone()];
        if shown != new {
            let lines = |text: &str| match text.trim() {
                "" => Vec::new(),
                _ => text.lines().map(str::to_owned).collect::<Vec<_>>(),
            };
            self.drift_of_lines(start.line - 1, &lines(shown), &lines(&new), "the siblings");
            self.edits.push((range, new));
        }
        Ok(())
    }

    fn values(&mut self) {
        for value in &self.page.values {
            match self.sources.records.value(&value.query) {
                Ok(expected) => {
                    let shown = &self.page.text[value.range.clone()];
                    if shown != expected {
                        let query = &value.query;
                        let what =
                            format!("expected {expected} for `{query}`, the page shows `{shown}`");
                        self.drift(value.line, &what);
                        self.edits.push((value.range.clone(), expected));
                    }
                }
                Err(error) => self.add_error(value.line, error),
            }
        }
    }

    fn drift_of_lines(&mut self, line: usize, shown: &[String], actual: &[String], from: &str) {
        let (at, what) = first_difference(shown, actual, str::to_owned)
            .unwrap_or_else(|| (0, "the Markdown around the code differs".to_owned()));
        self.drift(line + at, &format!("{what} (source: {from})"));
    }

    fn drift(&mut self, line: usize, what: &str) {
        let file = &self.page.file;
        let help = format!(
            "check that the text around it is still correct, then run `cargo run -p docs-tool -- fill {file}`"
        );
        self.filled.drifts.push(PageError::new(file.as_str(), line, what, help));
    }

    fn add_error(&mut self, line: usize, (what, help): Error) {
        self.filled.errors.push(PageError::new(self.page.file.as_str(), line, what, help));
    }
}
