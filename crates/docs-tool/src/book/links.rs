//! The links and the title of a Markdown text, with their places in it.

use std::ops::Range;
use std::sync::LazyLock;

use pulldown_cmark::{Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd};
use regex::Regex;

/// A link or picture that leads somewhere by its own words (`[…](…)`, or a definition `[…]: …`).
#[derive(Debug, PartialEq, Eq)]
pub struct Link {
    /// Where its destination is written.
    pub range: Range<usize>,
    /// The destination.
    pub to: String,
}

static HTML_LINK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"<[^>]*\b(?:href|src|srcset)="([^"]+)""#).expect("the expression is well-formed")
});

/// All links of a text, in their order.
pub fn links(text: &str) -> Vec<Link> {
    let parser = Parser::new_ext(text, options());
    let mut found = Vec::new();
    for (_, definition) in parser.reference_definitions().iter() {
        push(text, definition.span.clone(), &definition.dest, &mut found);
    }
    for (event, range) in parser.into_offset_iter() {
        match event {
            Event::Start(
                Tag::Link { link_type: LinkType::Inline, dest_url, .. }
                | Tag::Image { link_type: LinkType::Inline, dest_url, .. },
            ) => push(text, range, &dest_url, &mut found),
            Event::Html(html) | Event::InlineHtml(html) => {
                for link in HTML_LINK.captures_iter(&html).filter_map(|found| found.get(1)) {
                    let place = range.start + link.start()..range.start + link.end();
                    found.push(Link { range: place, to: link.as_str().to_owned() });
                }
            }
            _ => {}
        }
    }
    found.sort_by_key(|link| link.range.start);
    found
}

/// The text of the first heading of the first level.
pub fn title(text: &str) -> Option<String> {
    let mut title: Option<String> = None;
    for event in Parser::new_ext(text, options()) {
        match (event, &mut title) {
            (Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }), _) => {
                title = Some(String::new());
            }
            (Event::End(TagEnd::Heading(_)), Some(_)) => break,
            (Event::Text(said) | Event::Code(said), Some(title)) => title.push_str(&said),
            _ => {}
        }
    }
    title
}

/// The line, counted from 1, of a place in a text.
pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH
}

/// Finds where in the link's own text the destination stands: it comes last, but for a title.
fn push(text: &str, range: Range<usize>, to: &str, found: &mut Vec<Link>) {
    // Parts of a link that are escaped or contain entities would not be found: nobody writes such.
    let Some(at) = text[range.clone()].rfind(to) else { return };
    let start = range.start + at;
    found.push(Link { range: start..start + to.len(), to: to.to_owned() });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_links_where_they_stand() {
        let text =
            "A [b](b.md#x), ![c](c.svg \"t\") and [d].\n\n```\n[no](no.md)\n```\n\n[d]: d.md\n";
        let found = links(text);
        let to: Vec<&str> = found.iter().map(|link| &*link.to).collect();
        assert_eq!(to, ["b.md#x", "c.svg", "d.md"]);
        assert!(found.iter().all(|link| text[link.range.clone()] == link.to));
    }

    #[test]
    fn links_in_html_count() {
        let text = "A <img src=\"a.svg\" alt=\"b\">.\n\n<p>\n<a href=\"c.md\">d</a>\n</p>\n";
        let found = links(text);
        assert_eq!(found.iter().map(|link| &*link.to).collect::<Vec<_>>(), ["a.svg", "c.md"]);
        assert!(found.iter().all(|link| text[link.range.clone()] == link.to));
    }

    #[test]
    fn a_link_of_its_own_name_is_found_behind_it() {
        let text = "[a.md](a.md)";
        assert_eq!(links(text)[0].range, 7..11);
    }

    #[test]
    fn the_first_heading_is_the_title() {
        assert_eq!(title("text\n\n# The `net` way\n\n# Two\n").unwrap(), "The net way");
        assert_eq!(title("## Two\n"), None);
    }
}
