//! Converts Markdown for the book. Changes links so that they lead to pages of the book, and
//! removes markers.

use std::ops::Range;

use super::player;
use super::siblings::{Excerpt, Part, side_by_side};
use super::site::Site;
use crate::anchors;
use crate::fill::sibling_files;
use crate::links;
use crate::markers::{Marker, parse};
use crate::page::{Block, Page};
use crate::paths;
use crate::references::{Known, references};
use crate::repo::Kind;

/// The edits of a text. Each edit consists of the range of the old text, and the new text.
type Edits = Vec<(Range<usize>, String)>;

/// Returns the text that a page has in the book. If the page links to a file or quotes a file, adds
/// this file to the book.
pub fn convert(site: &mut Site, known: &Known, page: &Page, title: &str) -> String {
    let place = site.place(&page.file);
    let mut edits = Edits::new();
    convert_markers(site, page, title, &mut edits);
    edits.extend(page.inline_comments.iter().map(|range| (range.clone(), String::new())));
    for link in &page.links {
        let Some((path, fragment)) = links::resolve(page, &link.target) else { continue };
        let Some(kind) = site.repo.kind(&path) else { continue };
        site.add(&path);
        site.traces.extend(player::trace_of(&path));
        let mut target = site.link(&place, &path);
        if !fragment.is_empty() && !links::is_line(fragment) && kind != Kind::Asset {
            target.push_str(&format!("#{fragment}"));
        }
        edits.push((link.range.clone(), target));
    }
    for reference in references(&page.prose) {
        let Some((path, words)) = known.code(&reference) else { continue };
        site.add(path);
        let target = format!("{}#:~:text={}", site.link(&place, path), encoded(&words));
        edits.push((reference.range, format!("[`{}`]({target})", reference.name)));
    }
    applied(&page.text, edits)
}

/// Removes markers, adds links from quoted code to its source file, and shows the siblings side by
/// side.
fn convert_markers(site: &mut Site, page: &Page, title: &str, edits: &mut Edits) {
    let place = &site.place(&page.file);
    let mut blocks = page.blocks.iter().peekable();
    while let Some(block) = blocks.next() {
        let Block::Comment(comment) = block else { continue };
        edits.push((comment.range.clone(), String::new()));
        match parse(&comment.text) {
            Ok(Some(Marker::Code { path, anchor, is_table: _ })) => {
                let Some(Block::Fence(fence)) = blocks.peek() else { continue };
                site.add(&path);
                site.add_quote(&path, title, place);
                let fragment = anchor.map(|anchor| format!("#{anchor}")).unwrap_or_default();
                let link = site.link(place, &path) + &fragment;
                let source = format!("<p class=\"hw-source\"><a href=\"{link}\">{path}</a></p>");
                let end = fence.range.end;
                edits.push((end..end, format!("\n\n{}{source}\n", fence.indent)));
            }
            Ok(Some(Marker::Siblings { pattern, anchor, is_table: _ })) => {
                let mut parts = Vec::new();
                for (sibling, path) in sibling_files(pattern.as_deref()) {
                    let Some(Block::Fence(fence)) = blocks.peek() else { break };
                    site.add(&path);
                    site.add_quote(&path, title, place);
                    let excerpts = vec![Excerpt { path, lines: fence.shown.clone() }];
                    parts.push(Part { sibling, excerpts });
                    blocks.next();
                }
                let Some(Block::Comment(end)) = blocks.peek() else { continue };
                let anchor = anchor.unwrap_or_default();
                let link = |path: &str| format!("{}#{anchor}", site.link(place, path));
                let mut columns = side_by_side(&anchor, &parts, link);
                let first = parts.first().and_then(|part| part.excerpts.first());
                if let (None, Some(excerpt)) = (pattern, first) {
                    let text = site.repo.read(&excerpt.path).unwrap_or_default();
                    let outer = anchors::outermost(&text, &anchor);
                    let own = paths::relative(place, &format!("siblings/{outer}.md"));
                    let label = match outer == anchor {
                        true => "This part on a separate page",
                        false => "The complete functions, side by side",
                    };
                    columns.push_str(&format!(
                        "\n<p class=\"hw-source\"><a href=\"{own}\">{label}</a></p>\n"
                    ));
                    site.add_quote(&format!("#{outer}"), title, place);
                }
                edits.push((comment.range.start..end.range.end, columns));
            }
            _ => {}
        }
    }
}

/// Applies the edits to a text. Omits each edit whose range starts inside the range of another
/// edit.
fn applied(text: &str, mut edits: Edits) -> String {
    edits.sort_by_key(|(range, _)| (range.start, usize::MAX - range.end));
    let mut out = String::with_capacity(text.len());
    let mut position = 0;
    for (range, new) in edits {
        if range.start >= position {
            out.push_str(&text[position..range.start]);
            out.push_str(&new);
            position = range.end;
        }
    }
    out + &text[position..]
}

/// Percent-encodes words for the text fragment of a URL. In a text fragment, `-`, `,` and `&` have
/// a special meaning.
fn encoded(words: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    let bytes = words.bytes().map(|byte| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    bytes.collect()
}
