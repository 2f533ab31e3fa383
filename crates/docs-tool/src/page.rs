//! Parses Markdown pages. Finds comments, code blocks, values, links and headings, and their
//! positions.

use std::ops::Range;
use std::sync::LazyLock;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd};
use regex::Regex;

use crate::common::pattern;
use crate::page_error::PageError;

/// A code block or a comment. Some comments are markers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    Comment(Comment),
    Fence(Fence),
}

/// A comment on a separate line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The range from the start of the comment's line to the end of the comment.
    pub range: Range<usize>,
    /// The number of the comment's line, counted from 1.
    pub line: usize,
    /// The text of the comment, including `<!--` and `-->`.
    pub text: String,
}

/// A fenced code block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The range from the start of the block's first line to the end of its last line.
    pub range: Range<usize>,
    /// The number of the block's first line, counted from 1. The content starts on the next line.
    pub line: usize,
    /// The indentation of each line, as spaces.
    pub indent: String,
    /// The text after the opening backticks. The text starts with the language.
    pub info: String,
    /// The lines of the content.
    pub shown: Vec<String>,
}

impl Fence {
    pub fn language(&self) -> &str {
        self.info.split([' ', ',', '{']).next().unwrap_or("")
    }

    /// Returns this code block as Markdown, with a different `info` and different lines.
    pub fn filled(&self, info: &str, lines: &[String]) -> String {
        fenced(&self.indent, info, lines)
    }
}

/// Returns a fenced code block as Markdown, without a newline at its end.
pub fn fenced(indent: &str, info: &str, lines: &[String]) -> String {
    let backticks = |line: &String| line.trim_start().chars().take_while(|&c| c == '`').count();
    let longest = lines.iter().map(backticks).max().unwrap_or(0);
    let ticks = "`".repeat(longest.max(2) + 1);
    let mut out = format!("{indent}{ticks}{info}\n");
    for line in lines {
        out.push_str(format!("{indent}{line}").trim_end());
        out.push('\n');
    }
    out + indent + &ticks
}

/// A value from a record: `<!-- figure: QUERY -->VALUE<!-- /figure -->`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The number of the line where the marker starts, counted from 1.
    pub line: usize,
    pub query: String,
    /// The position of the value in the text of the page.
    pub range: Range<usize>,
}

/// A link or a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The position of the target in the text of the page.
    pub range: Range<usize>,
    pub target: String,
}

/// A parsed page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The path from the root of the repository to the page.
    pub file: String,
    pub text: String,
    /// The text of the first heading of level 1.
    pub title: String,
    pub blocks: Vec<Block>,
    pub values: Vec<Value>,
    pub links: Vec<Link>,
    /// The fragments that a link to the page can have: the names that GitHub gives to the headings,
    /// and the ids of HTML elements.
    pub fragments: Vec<String>,
    /// The positions of the comments that are inside a line of text.
    pub inline_comments: Vec<Range<usize>>,
    /// The text of the page, with spaces in place of code blocks and HTML.
    pub prose: String,
    pub errors: Vec<PageError>,
}

static VALUE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"<!--\s*figure:\s*([^>]*?)\s*-->([^<]*)<!--\s*/figure\s*-->|<!--\s*/?figure\b")
});
static HTML_ID: LazyLock<Regex> = LazyLock::new(|| pattern(r#"<[^>]*\b(?:id|name)="([^"]+)""#));
static HTML_LINK: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"<[^>]*\b(?:href|src|srcset)="([^"]+)""#));

impl Page {
    /// Parses the text of a file.
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let (file, prose) = (file.into(), text.clone());
        let mut page = Self { file, prose, text: text.clone(), ..Self::default() };
        let mut slugs = Vec::new();
        let mut heading: Option<String> = None;
        let parser = Parser::new_ext(&text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
        for (_, definition) in parser.reference_definitions().iter() {
            page.add_link(&definition.span, &definition.dest);
        }
        for (event, range) in parser.into_offset_iter() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    page.blank(&range);
                    if let CodeBlockKind::Fenced(info) = kind {
                        page.add_fence(&range, &info);
                    }
                }
                Event::Start(Tag::HtmlBlock) => page.add_html_block(&range),
                Event::InlineHtml(html) => {
                    page.blank(&range);
                    page.add_ids_and_links(&html, range.start);
                    if html.starts_with("<!--") {
                        page.inline_comments.push(range);
                    }
                }
                Event::Start(
                    Tag::Link { link_type: LinkType::Inline, dest_url, .. }
                    | Tag::Image { link_type: LinkType::Inline, dest_url, .. },
                ) => page.add_link(&range, &dest_url),
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::End(TagEnd::Heading(level)) => {
                    page.add_heading(heading.take().unwrap_or_default(), level, &mut slugs);
                }
                _ => {}
            }
        }
        page.links.sort_by_key(|link| link.range.start);
        page.add_values(&text);
        page
    }

    /// Returns the number of the line that contains this position, counted from 1.
    pub fn line_at(&self, position: usize) -> usize {
        self.text[..position].matches('\n').count() + 1
    }

    fn line_start(&self, position: usize) -> usize {
        self.text[..position].rfind('\n').map_or(0, |newline| newline + 1)
    }

    fn add_error(&mut self, position: usize, what: impl Into<String>, help: &str) {
        self.errors.push(PageError::new(self.file.as_str(), self.line_at(position), what, help));
    }

    fn blank(&mut self, range: &Range<usize>) {
        let blank = |c: char| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) };
        let blank: String = self.text[range.clone()].chars().map(blank).collect();
        self.prose.replace_range(range.clone(), &blank);
    }

    /// Adds a link. The target is at the last occurrence of `target` in the text of the link.
    fn add_link(&mut self, range: &Range<usize>, target: &str) {
        // This search does not find a target with an escaped character. No page contains such a
        // target.
        let Some(at) = self.text[range.clone()].rfind(target) else { return };
        let start = range.start + at;
        self.links.push(Link { range: start..start + target.len(), target: target.to_owned() });
    }

    fn add_fence(&mut self, range: &Range<usize>, info: &str) {
        let line_start = self.line_start(range.start);
        // In a list, the first line of a code block can contain the bullet of the list item. The
        // other lines have spaces in place of the bullet.
        let indent = " ".repeat(self.text[line_start..range.start].chars().count());
        let whole = self.text[range.clone()].trim_end();
        let mut lines: Vec<&str> = whole.lines().skip(1).collect();
        let is_closed = lines.last().is_some_and(|line| line.trim_start().starts_with(['`', '~']));
        if is_closed {
            lines.pop();
        }
        let dedented = |line: &str| {
            let spaces = line.len() - line.trim_start_matches(' ').len();
            line[spaces.min(indent.len())..].to_owned()
        };
        let fence = Fence {
            range: line_start..range.start + whole.len(),
            line: self.line_at(range.start),
            info: info.trim().to_owned(),
            shown: lines.into_iter().map(dedented).collect(),
            indent,
        };
        self.blocks.push(Block::Fence(fence));
        if !is_closed {
            self.add_error(
                range.start,
                "the code block has no closing fence",
                "put ``` below the code",
            );
        }
    }

    fn add_html_block(&mut self, range: &Range<usize>) {
        self.blank(range);
        let text = self.text.clone();
        let whole = &text[range.clone()];
        self.add_ids_and_links(whole, range.start);
        let html = whole.trim();
        let start = range.start + whole.find(html).unwrap_or(0);
        if html.starts_with("<!--") && html.ends_with("-->") && html.matches("<!--").count() == 1 {
            let range = self.line_start(start)..start + html.len();
            let (line, text) = (self.line_at(start), html.to_owned());
            self.blocks.push(Block::Comment(Comment { range, line, text }));
        } else if html.starts_with("<!--") {
            let what = "a comment at the start of a line hides that line on GitHub";
            self.add_error(range.start, what, "begin the line with a word, not with the comment");
        }
    }

    fn add_values(&mut self, text: &str) {
        for found in VALUE.captures_iter(text) {
            let start = found.get(0).map_or(0, |whole| whole.start());
            if !self.inline_comments.iter().any(|comment| comment.start == start) {
                continue;
            }
            if let (Some(query), Some(value)) = (found.get(1), found.get(2)) {
                let (line, query) = (self.line_at(start), query.as_str().to_owned());
                self.values.push(Value { line, query, range: value.range() });
            } else {
                let help = "write `<!-- figure: QUERY -->VALUE<!-- /figure -->`";
                self.add_error(start, "the marker `figure` is incomplete", help);
            }
        }
    }

    fn add_ids_and_links(&mut self, html: &str, start: usize) {
        self.fragments.extend(HTML_ID.captures_iter(html).map(|id| id[1].to_owned()));
        for link in HTML_LINK.captures_iter(html).filter_map(|found| found.get(1)) {
            let range = start + link.start()..start + link.end();
            self.links.push(Link { range, target: link.as_str().to_owned() });
        }
    }

    /// Adds the name that GitHub gives to a heading. The name consists of the letters of the
    /// heading. If an earlier heading has the same letters, GitHub appends a number.
    fn add_heading(&mut self, text: String, level: HeadingLevel, slugs: &mut Vec<String>) {
        let kept = text.trim().chars().filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        });
        let slug = kept.collect::<String>().to_lowercase();
        let count = slugs.iter().filter(|known| **known == slug).count();
        self.fragments.push(if count == 0 { slug.clone() } else { format!("{slug}-{count}") });
        slugs.push(slug);
        if level == HeadingLevel::H1 && self.title.is_empty() {
            self.title = text;
        }
    }
}
