//! The links and headings of a Markdown text, with their places in it.

use std::collections::BTreeMap;
use std::ops::Range;

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};

/// A link or picture that leads somewhere by its own words (`[…](…)`, or a definition `[…]: …`).
#[derive(Debug, PartialEq, Eq)]
pub struct Link {
    /// Where its destination is written.
    pub range: Range<usize>,
    /// The destination.
    pub to: String,
}

/// All links of a text, in their order.
pub fn links(text: &str) -> Vec<Link> {
    let parser = Parser::new_ext(text, options());
    let mut found = Vec::new();
    for (_, definition) in parser.reference_definitions().iter() {
        push(text, definition.span.clone(), &definition.dest, &mut found);
    }
    for (event, range) in parser.into_offset_iter() {
        if let Event::Start(
            Tag::Link { link_type: LinkType::Inline, dest_url, .. }
            | Tag::Image { link_type: LinkType::Inline, dest_url, .. },
        ) = event
        {
            push(text, range, &dest_url, &mut found);
        }
    }
    found.sort_by_key(|link| link.range.start);
    found
}

/// The text of the first heading of the first level.
pub fn title(text: &str) -> Option<String> {
    headings(text).into_iter().find(|(level, _)| *level == 1).map(|(_, title)| title)
}

/// The ids that headings get, the same on GitHub and in the book.
pub fn heading_ids(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let slugs = headings(text).into_iter().map(|(_, title)| {
        let slug = slug(&title);
        let times = seen.entry(slug.clone()).or_default();
        *times += 1;
        if *times == 1 { slug } else { format!("{slug}-{}", *times - 1) }
    });
    slugs.collect()
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

fn headings(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut heading: Option<(usize, String)> = None;
    for event in Parser::new_ext(text, options()) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                heading = Some((level as usize, String::new()));
            }
            Event::End(TagEnd::Heading(_)) => found.extend(heading.take()),
            Event::Text(said) | Event::Code(said) => {
                if let Some((_, title)) = &mut heading {
                    title.push_str(&said);
                }
            }
            _ => {}
        }
    }
    found
}

fn slug(title: &str) -> String {
    let kept = title.trim().chars().filter_map(|c| match c {
        c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c),
        c if c.is_whitespace() => Some('-'),
        _ => None,
    });
    kept.collect::<String>().to_lowercase()
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
    fn a_link_of_its_own_name_is_found_behind_it() {
        let text = "[a.md](a.md)";
        assert_eq!(links(text)[0].range, 7..11);
    }

    #[test]
    fn headings_have_the_ids_of_github() {
        let text = "# The note's server\n\n## `--x` and y_z\n\n## Why\n\n## Why\n";
        assert_eq!(heading_ids(text), ["the-notes-server", "--x-and-y_z", "why", "why-1"]);
        assert_eq!(title(text).unwrap(), "The note's server");
    }
}
