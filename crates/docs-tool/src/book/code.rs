//! Pages that show a file, or list a folder.

use super::{markdown, siblings};
use crate::anchors::{self, Mark};
use crate::paths;

/// A file as a page, cut at its anchors, so that a link can lead to one. `lessons` says who quotes
/// it; `side_by_side` is the way from this page to an anchor's page, if it is a sibling.
pub fn page(
    path: &str,
    text: &str,
    lessons: &str,
    side_by_side: impl Fn(&str) -> Option<String>,
) -> String {
    let language = markdown::language(path);
    let mut made = format!("# `{path}`\n\n{lessons}");
    for (at, (names, code)) in segments(text).into_iter().enumerate() {
        if code.trim().is_empty() && names.is_empty() {
            continue;
        }
        let ways = names.iter().filter_map(|name| {
            side_by_side(name).map(|way| format!("[{name}, side by side]({way})"))
        });
        let ways = ways.collect::<Vec<_>>().join(" ");
        if at > 0 || !names.is_empty() {
            let ids = names.iter().map(|name| format!("<a id=\"{name}\"></a>"));
            made.push_str(&format!(
                "<div class=\"hw-anchor\">\n\n{}{ways}\n\n</div>\n\n",
                ids.collect::<String>()
            ));
        }
        made.push_str(&markdown::fenced(&code, language, ""));
        made.push('\n');
    }
    made
}

/// The ids that a file's page has.
pub fn ids(text: &str) -> Vec<String> {
    anchors::names(text).into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// What a folder's page shows of a file or folder in it.
pub struct Child {
    pub path: String,
    /// The way to its page.
    pub way: String,
    /// What it says of itself, in a sentence.
    pub about: Option<String>,
}

/// A folder as a page.
pub fn listing(folder: &str, children: &[Child]) -> String {
    let title = if folder.is_empty() { "All files" } else { folder };
    let lines = children.iter().map(|Child { path, way, about }| {
        let about = about.as_ref().map(|about| format!(": {about}")).unwrap_or_default();
        format!("- [`{}`]({way}){about}\n", paths::name(path))
    });
    format!("# {title}\n\n{}", lines.collect::<String>())
}

/// The first sentence of a file's own documentation, or the description in a manifest.
pub fn about(text: &str) -> Option<String> {
    if let Some(described) = text.lines().find_map(|line| line.strip_prefix("description = \"")) {
        return Some(described.trim_end_matches('"').to_owned());
    }
    let first = text.lines().take_while(|line| !line.is_empty() && *line != "//!");
    let lines = first.map(|line| line.strip_prefix("//! ")).collect::<Option<Vec<_>>>()?;
    let paragraph = lines.join(" ");
    let sentence = paragraph.split_once(". ").map_or(&*paragraph, |(sentence, _)| sentence);
    (!sentence.is_empty()).then(|| sentence.trim_end_matches('.').to_owned())
}

/// The whole files of the siblings in one page.
pub fn parts(read: impl Fn(&str) -> Option<String>) -> Vec<siblings::Part> {
    let names = siblings::SIBLINGS.iter();
    let parts = names.map(|(sibling, _)| {
        let path = siblings::file(sibling);
        let code = read(&path).map(|text| anchors::whole(&text).join("\n"));
        siblings::Part { sibling, path, code }
    });
    parts.collect()
}

/// A text in pieces, each with the names of the anchors that begin in it. It is cut where an anchor
/// begins at the left edge: within a function, a cut would only be in the way.
fn segments(text: &str) -> Vec<(Vec<&str>, String)> {
    let mut made = vec![(Vec::new(), String::new())];
    for line in text.lines() {
        match anchors::mark(line) {
            Some(Mark::Begin(name)) if line.starts_with(' ') => {
                made.last_mut().expect("it is never empty").0.push(name);
            }
            Some(Mark::Begin(name)) => made.push((vec![name], String::new())),
            Some(Mark::End(_)) => {}
            None => {
                let (_, code) = made.last_mut().expect("it is never empty");
                code.push_str(line);
                code.push('\n');
            }
        }
    }
    for (_, code) in &mut made {
        let end = code.trim_end().len();
        code.truncate(end);
        code.push('\n');
        let blank = code.len() - code.trim_start_matches('\n').len();
        code.drain(..blank.min(code.len()));
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_at_its_anchors() {
        let text = "use a;\n\n// ANCHOR: run\nfn run() {\n    // ANCHOR: in\n    b();\n    // ANCHOR_END: in\n}\n// ANCHOR_END: run\n";
        let made = page("x.rs", text, "", |name| (name == "run").then(|| "way.md".to_owned()));
        assert_eq!(
            made,
            "# `x.rs`\n\n```rust\nuse a;\n```\n\n<div class=\"hw-anchor\">\n\n<a id=\"run\"></a>\
             <a id=\"in\"></a>[run, side by side](way.md)\n\n</div>\n\n\
             ```rust\nfn run() {\n    b();\n}\n```\n\n"
        );
        assert_eq!(ids(text), ["run", "in"]);
    }

    #[test]
    fn files_say_what_they_are_about() {
        let about = |text| super::about(text).unwrap_or_default();
        assert_eq!(
            about("//! One `a` of\n//! two. More\n//!\n//! Rest\n\nuse b;\n"),
            "One `a` of two"
        );
        assert_eq!(about("[package]\nname = \"a\"\ndescription = \"Does a\"\n"), "Does a");
        assert_eq!(about("use b;\n"), "");
    }

    #[test]
    fn a_text_without_anchors_is_whole() {
        assert_eq!(
            page("a/b.toml", "x = 1\n", "", |_| None),
            "# `a/b.toml`\n\n```toml\nx = 1\n```\n\n"
        );
    }
}
