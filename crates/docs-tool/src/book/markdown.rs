//! Parts of a Markdown text, replaced and made.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser};

use crate::page;
use crate::paths;

/// Replaces parts of a text; of two that overlap, the one that begins first stands.
#[derive(Debug, Default)]
pub struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    pub fn replace(&mut self, range: Range<usize>, with: impl Into<String>) {
        self.0.push((range, with.into()));
    }

    pub fn apply(mut self, text: &str) -> String {
        // The longer one first, where two begin together.
        self.0.sort_by_key(|(range, _)| (range.start, usize::MAX - range.end));
        let mut made = String::with_capacity(text.len());
        let mut at = 0;
        for (range, with) in self.0 {
            if range.start < at {
                continue;
            }
            made.push_str(&text[at..range.start]);
            made.push_str(&with);
            at = range.end;
        }
        made + &text[at..]
    }
}

/// The ranges of comments within a line of text, as those around a figure; not of those in code.
pub fn inline_comments(text: &str) -> Vec<Range<usize>> {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter();
    let comments = events
        .filter(|(event, _)| matches!(event, Event::InlineHtml(html) if html.starts_with("<!--")));
    comments.map(|(_, range)| range).collect()
}

/// `code` in a fence, with every line behind `indent`.
pub fn fenced(code: &str, language: &str, indent: &str) -> String {
    let lines = code.lines().map(|line| match language {
        "rust" => escaped(line),
        _ => line.to_owned(),
    });
    page::fenced(indent, language, &lines.collect::<Vec<_>>()) + "\n"
}

/// What highlights a file in a browser, which knows no language of just's own.
pub fn language(path: &str) -> &'static str {
    match paths::language(path) {
        "just" => "makefile",
        language => language,
    }
}

/// mdBook hides lines of Rust that begin with `# `, and takes `##` for `#`.
fn escaped(line: &str) -> String {
    let said = line.trim_start();
    let hidden = said == "#" || said.starts_with("# ") || said.starts_with("##");
    let indent = &line[..line.len() - said.len()];
    if hidden { format!("{indent}#{said}") } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_in_code_are_code() {
        let text = "a <!-- figure: x y -->3.1<!-- /figure --> and `<!-- run -->`\n";
        let found: Vec<&str> = inline_comments(text).into_iter().map(|r| &text[r]).collect();
        assert_eq!(found, ["<!-- figure: x y -->", "<!-- /figure -->"]);
    }

    #[test]
    fn fences_hold_what_is_in_them() {
        assert_eq!(fenced("a\n", "text", ""), "```text\na\n```\n");
        assert_eq!(fenced("```\n\nb\n", "text", "  "), "  ````text\n  ```\n\n  b\n  ````\n");
        assert_eq!(
            fenced("# a\n#[b]\n  ## c\n", "rust", ""),
            "```rust\n## a\n#[b]\n  ### c\n```\n"
        );
    }

    #[test]
    fn of_edits_that_overlap_the_first_stands() {
        let mut edits = Edits::default();
        edits.replace(2..3, "no");
        edits.replace(1..4, "X");
        edits.replace(5..6, "");
        assert_eq!(edits.apply("abcdef"), "aXe");
    }
}
