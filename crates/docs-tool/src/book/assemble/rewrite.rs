//! Markdown as the book wants it: links lead to pages, markers have done their work.

use super::pages::sibling_page;
use super::{Assembler, Fragment, Quoting};
use crate::anchors;
use crate::book::claims::Claim;
use crate::book::links::{self, Link};
use crate::book::markdown::{self, Edits};
use crate::book::repo::Kind;
use crate::book::siblings::{self, Part};
use crate::fault::{Fault, did_you_mean};
use crate::page::{Block, Comment, Page as Source};
use crate::paths;

/// Where a marker stands.
struct Spot<'a> {
    path: &'a str,
    line: usize,
    /// The page's title.
    title: &'a str,
}

impl Spot<'_> {
    fn fault(&self, what: impl Into<String>, help: impl Into<String>) -> Fault {
        Fault::new(self.path, self.line, what, help)
    }
}

impl Assembler<'_> {
    /// A Markdown text as the book wants it: links lead to pages, markers have done their work.
    pub(super) fn rewritten(&mut self, path: &str, text: &str, title: &str) -> String {
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
        self.rewrite_claims(path, text, &mut edits);
        edits.apply(text)
    }

    fn rewrite_claims(&mut self, path: &str, text: &str, edits: &mut Edits) {
        let page = Source::new(path, text);
        let place = self.place(path);
        let mut files = Vec::new();
        for Claim { range, name, file, fragment } in self.claims.in_prose(&page.prose) {
            let way = paths::relative(&place, &self.place(file));
            edits.replace(range, format!("[`{name}`]({way}#{fragment})"));
            files.push(file.to_owned());
        }
        for file in files {
            self.want(&file);
        }
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
            let what = format!("the link to {to} leads to nothing");
            return Err(Fault::new(path, line, what, self.help(path, file)));
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

    /// Returns a suggestion for a link to a file that does not exist.
    fn help(&self, path: &str, file: &str) -> String {
        let Some(full) = paths::resolve(paths::parent(path), file) else {
            return "stay within the repository, or write a whole address".to_owned();
        };
        let folder = paths::parent(&full);
        if self.repo.kind(folder) != Some(Kind::Folder) {
            return format!("there is no folder {folder} either: write the way from this file");
        }
        let beside = self.repo.children(folder);
        let names = beside.iter().map(|path| paths::name(path));
        match did_you_mean(paths::name(&full), names) {
            Some(near) => format!("did you mean {near}?"),
            None => {
                format!("there is no {} in {folder}: add it, or name another", paths::name(file))
            }
        }
    }

    fn rewrite_markers(&mut self, path: &str, text: &str, title: &str, edits: &mut Edits) {
        let blocks = Source::new(path, text).blocks;
        for (at, block) in blocks.iter().enumerate() {
            let Block::Comment(comment) = block else { continue };
            let (Comment { range, line, .. }, words) = (comment, words_of(comment));
            let (start, spot) = (range.start, Spot { path, line: *line, title });
            edits.replace(range.clone(), "");
            let made = if let Some(quoted) = words.strip_prefix("code: ") {
                let Some(Block::Fence(fence)) = blocks.get(at + 1) else { continue };
                let made = self.quoted(&spot, quoted, &fence.indent);
                made.map(|made| (start..fence.range.end, made))
            } else if let Some(words_of_it) = words.strip_prefix("siblings: ") {
                let end = blocks[at..].iter().find_map(|block| match block {
                    Block::Comment(end) if words_of(end) == "/siblings" => Some(end.range.end),
                    _ => None,
                });
                let Some(end) = end else {
                    let what = format!("<!-- {words} --> has no end");
                    let help = "write <!-- /siblings --> below it";
                    self.faults.push(spot.fault(what, help));
                    continue;
                };
                let made = self.compared(&spot, words_of_it);
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
    fn quoted(&mut self, spot: &Spot<'_>, quoted: &str, indent: &str) -> Result<String, Fault> {
        let (file, anchor) = quoted.split_once('#').unwrap_or((quoted, ""));
        let code = self.part(spot, file, anchor)?;
        self.want(file);
        let place = self.place(spot.path);
        let quoting = Quoting { title: spot.title.to_owned(), page: place.clone() };
        self.quotes.files.entry(file.to_owned()).or_default().insert(quoting);
        let way = paths::relative(&place, &self.place(file));
        let fragment = if anchor.is_empty() { String::new() } else { format!("#{anchor}") };
        let fence = markdown::fenced(&code, markdown::language(file), indent);
        Ok(format!(
            "{fence}\n{indent}<p class=\"hw-source\"><a href=\"{way}{fragment}\">{file}</a></p>\n"
        ))
    }

    /// The columns for a `siblings:` marker.
    fn compared(&mut self, spot: &Spot<'_>, words: &str) -> Result<String, Fault> {
        let (files, anchor) = siblings::meant(words);
        let place = self.place(spot.path);
        let quoting = Quoting { title: spot.title.to_owned(), page: place.clone() };
        let mut parts = Vec::new();
        for (sibling, file) in files {
            let code = Some(self.part(spot, &file, anchor)?);
            self.want(&file);
            self.quotes.files.entry(file.clone()).or_default().insert(quoting.clone());
            parts.push(Part { sibling, path: file, code });
        }
        let link = |part: &Part| self.way_to_part(&place, part, anchor);
        let mut made = siblings::side_by_side(anchor, &parts, link);
        if !words.contains('#') {
            let own = paths::relative(&place, &sibling_page(anchor));
            made.push_str(&format!(
                "\n<p class=\"hw-source\"><a href=\"{own}\">{anchor}, on a page of its own</a></p>\n"
            ));
            self.quotes.anchors.entry(anchor.to_owned()).or_default().insert(quoting);
        }
        Ok(made)
    }

    /// What a marker quotes.
    fn part(&self, spot: &Spot<'_>, file: &str, anchor: &str) -> Result<String, Fault> {
        let Ok(text) = self.repo.text(file) else {
            let help = "write its path from the root";
            return Err(spot.fault(format!("there is no file {file}"), help));
        };
        if anchor.is_empty() {
            return Ok(anchors::whole(&text).join("\n"));
        }
        let quoted = anchors::quote(&text, anchor).map(|lines| lines.join("\n"));
        quoted.map_err(|(what, help)| spot.fault(format!("{file}: {what}"), help))
    }
}

/// What a comment says.
fn words_of(comment: &Comment) -> &str {
    comment.text.trim_start_matches("<!--").trim_end_matches("-->").trim()
}
