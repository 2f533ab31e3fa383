//! A Markdown page: its comments and fences in order, its figures, links and headings.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use pulldown_cmark::{CodeBlockKind, Event, OffsetIter, Options, Parser, Tag, TagEnd};
use regex::Regex;

use crate::fault::Fault;

/// What a marker may govern, or be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A comment alone on its line.
    Comment(Comment),
    /// A fenced block.
    Fence(Fence),
}

/// A comment alone on its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// From the beginning of its line to its end.
    pub range: Range<usize>,
    /// Counted from 1.
    pub line: usize,
    /// As it stands, from `<!--` to `-->`.
    pub text: String,
}

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// From the beginning of its first line to the end of its last.
    pub range: Range<usize>,
    /// That of the opening, counted from 1; its contents begin below it.
    pub line: usize,
    /// What stands before each of its lines.
    pub indent: String,
    /// The language, and whatever follows it.
    pub info: String,
    /// Its lines.
    pub shown: Vec<String>,
}

impl Fence {
    /// Its language; empty without one.
    #[must_use]
    pub fn language(&self) -> &str {
        self.info.split([' ', ',', '{']).next().unwrap_or("")
    }

    /// The block with other lines, as Markdown.
    #[must_use]
    pub fn filled(&self, info: &str, lines: &[String]) -> String {
        fenced(&self.indent, info, lines)
    }
}

/// A fenced block as Markdown, without a newline at its end.
#[must_use]
pub fn fenced(indent: &str, info: &str, lines: &[String]) -> String {
    let ticks_of = |line: &String| {
        let line = line.trim_start();
        line.len() - line.trim_start_matches('`').len()
    };
    let ticks = "`".repeat(lines.iter().map(ticks_of).max().unwrap_or(0).max(2) + 1);
    let mut out = format!("{indent}{ticks}{info}\n");
    for line in lines {
        let line = format!("{indent}{line}");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push_str(&format!("{indent}{ticks}"));
    out
}

/// `<!-- figure: QUERY -->VALUE<!-- /figure -->`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// That of its beginning.
    pub line: usize,
    /// What is asked of the records.
    pub query: String,
    /// Where the value stands.
    pub range: Range<usize>,
}

/// A link or a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// That of its beginning.
    pub line: usize,
    /// Where it goes, as it stands.
    pub target: String,
}

/// A page, read.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// From the repository's root.
    pub file: String,
    /// The whole of it.
    pub text: String,
    /// Comments and fences, in order.
    pub blocks: Vec<Block>,
    /// In order.
    pub figures: Vec<Figure>,
    /// In order.
    pub links: Vec<Link>,
    /// What a link may name after `#`, as GitHub makes it of headings.
    pub headings: Vec<String>,
    /// As long as the text, but blank where no prose stands.
    pub prose: String,
    /// What is wrong with its form.
    pub faults: Vec<Fault>,
    line_starts: Vec<usize>,
}

static FIGURE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^<!--\s*figure:\s*(.*?)\s*-->$").expect("it is well-formed"));
static FIGURE_END: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^<!--\s*/figure\s*-->$").expect("it is well-formed"));
static HTML_ID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"<[^>]*\b(?:id|name)="([^"]+)""#).expect("the expression is well-formed")
});
static HTML_LINK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"<[^>]*\b(?:href|src)="([^"]+)""#).expect("the expression is well-formed")
});

impl Page {
    /// Reads a text, which stands in that file.
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        let (file, text) = (file.into(), text.into());
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        let page = Self {
            file,
            prose: text.clone(),
            line_starts: line_starts.collect(),
            ..Self::default()
        };
        let mut reader = Reader { source: &text, page, open: None, slugs: HashMap::new() };
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
        reader.read(Parser::new_ext(&text, options).into_offset_iter());
        let mut page = reader.page;
        page.text = text;
        page
    }

    /// The line, from 1, in which this place is.
    #[must_use]
    pub fn line_at(&self, place: usize) -> usize {
        self.line_starts.partition_point(|&start| start <= place)
    }

    /// Where the line begins in which this place is.
    fn line_start(&self, place: usize) -> usize {
        self.line_starts[self.line_at(place) - 1]
    }

    /// Notes what is wrong at a place.
    fn fault(&mut self, place: usize, what: impl Into<String>, help: impl Into<String>) {
        let fault = Fault::new(self.file.as_str(), self.line_at(place), what, help);
        self.faults.push(fault);
    }
}

/// While a page is read.
struct Reader<'a> {
    source: &'a str,
    page: Page,
    /// The figure that has begun: its place, its query, and where its value begins.
    open: Option<(usize, String, usize)>,
    slugs: HashMap<String, usize>,
}

impl Reader<'_> {
    fn read(&mut self, mut events: OffsetIter<'_>) {
        while let Some((event, range)) = events.next() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    for (event, _) in events.by_ref() {
                        if event == Event::End(TagEnd::CodeBlock) {
                            break;
                        }
                    }
                    self.blank(&range);
                    if let CodeBlockKind::Fenced(info) = kind {
                        self.fence(&range, &info);
                    }
                }
                Event::Start(Tag::HtmlBlock) => self.html_block(&range),
                Event::InlineHtml(html) => self.inline_html(&html, range),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    self.link(range.start, &dest_url);
                }
                Event::Start(Tag::Heading { .. }) => self.heading(&range),
                Event::End(TagEnd::Paragraph | TagEnd::TableCell | TagEnd::Item) => {
                    if let Some((place, query, _)) = self.open.take() {
                        let what = format!("the figure `{query}` has no end");
                        self.page.fault(place, what, "put `<!-- /figure -->` behind its value");
                    }
                }
                _ => {}
            }
        }
    }

    /// What stands there is no prose.
    fn blank(&mut self, range: &Range<usize>) {
        let blank = |c: char| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) };
        let blank: String = self.source[range.clone()].chars().map(blank).collect();
        self.page.prose.replace_range(range.clone(), &blank);
    }

    fn link(&mut self, place: usize, target: &str) {
        let line = self.page.line_at(place);
        self.page.links.push(Link { line, target: target.to_owned() });
    }

    fn fence(&mut self, range: &Range<usize>, info: &str) {
        let line_start = self.page.line_start(range.start);
        let before = &self.source[line_start..range.start];
        // In a list's first line stands its sign; the lines below have as many spaces.
        let indent = " ".repeat(before.chars().count());
        let whole = self.source[range.clone()].trim_end();
        let mut lines: Vec<&str> = whole.lines().collect();
        let is_tick = |line: &str| line.trim_start().starts_with(['`', '~']);
        let is_closed = lines.len() > 1 && lines.last().is_some_and(|line| is_tick(line));
        if !is_closed {
            self.page.fault(range.start, "the fence has no end", "put ``` below it");
        }
        let last = lines.len() - usize::from(is_closed);
        lines.truncate(last);
        let shown = lines.iter().skip(1).map(|line| dedented(line, indent.len()).to_owned());
        let shown = shown.collect();
        let fence = Fence {
            range: line_start..range.start + whole.len(),
            line: self.page.line_at(range.start),
            indent,
            info: info.trim().to_owned(),
            shown,
        };
        self.page.blocks.push(Block::Fence(fence));
    }

    fn html_block(&mut self, range: &Range<usize>) {
        self.blank(range);
        let html = self.source[range.clone()].trim();
        self.ids_and_links(html, range.start);
        if html.starts_with("<!--") && html.ends_with("-->") && html.matches("<!--").count() == 1 {
            let start = range.start + self.source[range.clone()].find("<!--").unwrap_or(0);
            let comment = Comment {
                range: self.page.line_start(start)..start + html.len(),
                line: self.page.line_at(start),
                text: html.to_owned(),
            };
            self.page.blocks.push(Block::Comment(comment));
        } else if html.starts_with("<!--") {
            let what = "a comment at a line's beginning hides that line on GitHub";
            self.page.fault(range.start, what, "put a word of its line before it");
        }
    }

    fn inline_html(&mut self, html: &str, range: Range<usize>) {
        self.blank(&range);
        self.ids_and_links(html, range.start);
        if let Some(query) = FIGURE.captures(html) {
            if let Some((place, query, _)) = self.open.take() {
                let what = format!("the figure `{query}` has no end");
                self.page.fault(place, what, "put `<!-- /figure -->` behind its value");
            }
            self.open = Some((range.start, query[1].to_owned(), range.end));
        } else if FIGURE_END.is_match(html) {
            match self.open.take() {
                Some((place, query, value)) => {
                    let line = self.page.line_at(place);
                    let figure = Figure { line, query, range: value..range.start };
                    self.page.figures.push(figure);
                }
                None => {
                    let help = "put `<!-- figure: … -->` before its value";
                    self.page.fault(range.start, "a figure ends here that has no beginning", help);
                }
            }
        }
    }

    fn ids_and_links(&mut self, html: &str, place: usize) {
        for id in HTML_ID.captures_iter(html) {
            self.page.headings.push(id[1].to_owned());
        }
        for link in HTML_LINK.captures_iter(html) {
            self.link(place, &link[1]);
        }
    }

    /// As GitHub does it: the text's letters, and a number if there is one like it above.
    fn heading(&mut self, range: &Range<usize>) {
        let text = heading_text(&self.source[range.clone()]);
        let slug = slug(&text);
        let seen = self.slugs.entry(slug.clone()).or_default();
        let unique = if *seen == 0 { slug } else { format!("{slug}-{seen}") };
        *seen += 1;
        self.page.headings.push(unique);
    }
}

/// Without so much of its indentation as it has.
fn dedented(line: &str, indent: usize) -> &str {
    let spaces = line.len() - line.trim_start_matches(' ').len();
    &line[spaces.min(indent)..]
}

/// What a heading says, without its signs.
fn heading_text(markdown: &str) -> String {
    let says = |event| match event {
        Event::Text(text) | Event::Code(text) => Some(text.into_string()),
        Event::SoftBreak => Some(" ".to_owned()),
        _ => None,
    };
    Parser::new(markdown).filter_map(says).collect()
}

fn slug(text: &str) -> String {
    let kept = text.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    });
    kept.collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        Page::new("a.md", text)
    }

    #[test]
    fn comments_and_fences_come_in_order_with_their_lines() {
        let page = page("# A\n\n<!-- stop -->\n<!-- run -->\n```console\n$ a\n\nb\n```\n\ntext\n");
        let [Block::Comment(stop), Block::Comment(run), Block::Fence(fence)] = &page.blocks[..]
        else {
            panic!("{:?}", page.blocks)
        };
        assert_eq!((stop.text.as_str(), stop.line), ("<!-- stop -->", 3));
        assert_eq!((run.text.as_str(), run.line), ("<!-- run -->", 4));
        assert_eq!((fence.line, fence.language()), (5, "console"));
        assert_eq!(fence.shown, ["$ a", "", "b"]);
        assert_eq!(&page.text[fence.range.clone()], "```console\n$ a\n\nb\n```");
        assert_eq!(page.faults, []);
    }

    #[test]
    fn fences_in_lists_and_empty_ones_are_understood() {
        let page = page("- one\n\n  <!-- run -->\n  ```console\n  $ a\n    b\n  ```\n\n```\n```\n");
        let [Block::Comment(_), Block::Fence(inside), Block::Fence(empty)] = &page.blocks[..]
        else {
            panic!("{:?}", page.blocks)
        };
        assert_eq!(inside.shown, ["$ a", "  b"]);
        assert_eq!(inside.filled("console", &inside.shown), page.text[inside.range.clone()]);
        assert_eq!((empty.shown.len(), empty.info.as_str()), (0, ""));
        assert_eq!(page.faults, []);
    }

    #[test]
    fn a_fence_is_longer_than_those_within() {
        let filled = fenced("", "md", &["```".to_owned(), "  ````".to_owned()]);
        assert_eq!(filled, "`````md\n```\n  ````\n`````");
    }

    #[test]
    fn figures_have_their_query_and_place() {
        let page = page("It is <!-- figure: race/a/b -->1.5<!-- /figure --> times.\n");
        let [figure] = &page.figures[..] else { panic!("{:?}", page.figures) };
        assert_eq!((figure.query.as_str(), figure.line), ("race/a/b", 1));
        assert_eq!(&page.text[figure.range.clone()], "1.5");
        assert!(page.prose.contains("1.5") && !page.prose.contains("race"));
    }

    #[test]
    fn broken_figures_are_told() {
        let faults = |text| page(text).faults;
        assert!(faults("It <!-- figure: a -->1\n\nand")[0].what.contains("no end"));
        assert!(faults("It 1<!-- /figure -->\n")[0].what.contains("no beginning"));
        let at_start = faults("a\n<!-- figure: a -->1<!-- /figure --> is\n");
        assert_eq!((at_start[0].line, at_start.len()), (2, 1), "{at_start:?}");
        assert!(faults("```text\nno end\n")[0].what.contains("the fence has no end"));
    }

    #[test]
    fn links_and_headings_are_found() {
        let page = page(
            "# The `std` way, of *four*\n\n[a](b.md#c) ![d](e.svg) `[no](x)`\n\n## A b\n\n## A b\n\n\
             <a id=\"by-hand\"></a>\n",
        );
        let targets: Vec<&str> = page.links.iter().map(|link| link.target.as_str()).collect();
        assert_eq!(targets, ["b.md#c", "e.svg"]);
        assert_eq!(page.headings, ["the-std-way-of-four", "a-b", "a-b-1", "by-hand"]);
    }

    #[test]
    fn prose_is_blank_where_code_is() {
        let page = page("a (check `x`)\n\n```text\n(check `y`)\n```\n<!-- (check `z`) -->\n");
        assert_eq!(page.prose.len(), page.text.len());
        assert!(page.prose.contains('x') && !page.prose.contains('y') && !page.prose.contains('z'));
    }
}
