//! Markers, fences and comments in a Markdown text: what the lessons' tool reads, readers do not see.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser};

/// What matters to the book, in the order of the text.
#[derive(Debug, PartialEq, Eq)]
pub enum Block<'a> {
    /// A fenced block, its last line end included.
    Fence(Range<usize>),
    /// A comment alone on its line, without that line's end.
    Comment { range: Range<usize>, words: &'a str },
}

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

/// Fences, and comments that stand alone on their lines.
pub fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut open: Option<(usize, &str)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let range = at..at + line.len();
        at = range.end;
        let said = line.trim();
        if let Some((start, fence)) = open {
            if said.starts_with(fence) && said.trim_start_matches(&fence[..1]).is_empty() {
                found.push(Block::Fence(start..range.end));
                open = None;
            }
        } else if let Some(fence) = fence_of(said) {
            open = Some((range.start, fence));
        } else if let Some(words) = comment_of(said) {
            let end = range.start + line.trim_end().len();
            found.push(Block::Comment { range: range.start..end, words: words.trim() });
        }
    }
    found
}

/// The ranges of comments within a line of text, as those around a figure; not of those in code.
pub fn inline_comments(text: &str) -> Vec<Range<usize>> {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter();
    let comments = events
        .filter(|(event, _)| matches!(event, Event::InlineHtml(html) if html.starts_with("<!--")));
    comments.map(|(_, range)| range).collect()
}

/// `code` in a fence that is long enough, with every line behind `indent`.
pub fn fenced(code: &str, language: &str, indent: &str) -> String {
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let mut made = format!("{indent}{fence}{language}\n");
    for line in code.lines() {
        let escaped = if language == "rust" { escaped(line) } else { line.to_owned() };
        made.push_str(&if line.is_empty() {
            "\n".to_owned()
        } else {
            format!("{indent}{escaped}\n")
        });
    }
    made + indent + &fence + "\n"
}

/// What highlights a file, by its name.
pub fn language(path: &str) -> &'static str {
    match super::paths::ending(path) {
        "rs" => "rust",
        "mjs" | "js" => "javascript",
        "toml" => "toml",
        "json" => "json",
        "yml" | "yaml" => "yaml",
        "py" => "python",
        "sh" => "bash",
        "css" => "css",
        "md" => "markdown",
        _ if super::paths::name(path) == "justfile" => "makefile",
        _ => "text",
    }
}

fn comment_of(line: &str) -> Option<&str> {
    let words = line.strip_prefix("<!--")?.strip_suffix("-->")?;
    (!words.contains("-->")).then_some(words)
}

fn fence_of(line: &str) -> Option<&str> {
    let sign = line.chars().next().filter(|&c| c == '`' || c == '~')?;
    let length = line.len() - line.trim_start_matches(sign).len();
    // What has its sign in its own words is a code span, and no fence.
    (length >= 3 && !(sign == '`' && line[length..].contains('`'))).then(|| &line[..length])
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
    fn sees_markers_but_not_those_in_fences() {
        let text = "<!-- run -->\n```console\n<!-- no -->\n```\n\n  <!-- stop -->\nsaid\n";
        let found = blocks(text);
        assert_eq!(found[0], Block::Comment { range: 0..12, words: "run" });
        assert_eq!(found[1], Block::Fence(13..40));
        assert!(matches!(&found[2], Block::Comment { words: "stop", .. }));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn a_fence_ends_with_as_many_signs_as_it_began() {
        let text = "````text\n```\n````\n";
        assert_eq!(blocks(text), [Block::Fence(0..text.len())]);
    }

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
