//! The same part of all four siblings: columns on a wide screen, tabs on a narrow one. The script
//! and the style are in docs/book; without them the parts stand below each other.

use super::markdown;
use crate::anchors;
use crate::paths;

/// The siblings, in their order: the name, and the same as a module's.
pub const SIBLINGS: [(&str, &str); 4] =
    [("std", "std"), ("tokio", "tokio"), ("async-std", "async_std"), ("smol", "smol")];

/// A part of one sibling.
pub struct Part {
    pub sibling: &'static str,
    /// The file that it is in.
    pub path: String,
    /// The part itself; none if this sibling has no such part.
    pub code: Option<String>,
}

/// Where a sibling's own file is.
pub fn file(sibling: &str) -> String {
    format!("crates/serve-{sibling}/src/lib.rs")
}

/// The files and the anchor that a marker's words mean: an anchor of the siblings' own files, or
/// `PATH#ANCHOR` with `{}` for the sibling.
pub fn meant(words: &str) -> (Vec<(&'static str, String)>, &str) {
    if let Some((pattern, anchor)) = words.split_once('#') {
        let files = SIBLINGS.map(|(name, module)| (name, pattern.replace("{}", module)));
        (files.into(), anchor)
    } else {
        (SIBLINGS.map(|(name, _)| (name, file(name))).into(), words)
    }
}

/// The parts side by side. `link` makes the way to a part in its file's page.
pub fn side_by_side(label: &str, parts: &[Part], link: impl Fn(&Part) -> String) -> String {
    let mut made = format!(
        "<div class=\"hw-siblings\" data-label=\"{label}\">\n<div class=\"hw-columns\">\n\n"
    );
    for part in parts {
        let Part { sibling, path, code } = part;
        made.push_str(&format!(
            "<section class=\"hw-sibling\" data-sibling=\"{sibling}\">\n\n\
             **{sibling}** [`{}`]({})\n\n",
            short(path),
            link(part),
        ));
        match code {
            Some(code) => made.push_str(&markdown::fenced(code, markdown::language(path), "")),
            None => made.push_str("There is no such part here.\n"),
        }
        made.push_str("\n</section>\n\n");
    }
    made + "</div>\n</div>\n"
}

/// The anchors of the siblings' own files, in order: those of all four, then those of some.
pub fn anchors_of_all(texts: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, name) in texts.iter().flat_map(|text| anchors::names(text)) {
        if !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    }
    let in_all = |name: &String| texts.iter().all(|text| anchors::quote(text, name).is_ok());
    found.sort_by_key(|name| !in_all(name));
    found
}

/// The names of the functions that begin at the left edge of a part.
pub fn functions(code: &str) -> Vec<&str> {
    let begun = code.lines().filter(|line| !line.starts_with([' ', '/']));
    let names = begun.filter_map(|line| {
        let (before, after) = line.split_once("fn ")?;
        let plain = before.chars().all(|c| c.is_alphanumeric() || " ()_".contains(c));
        plain.then(|| after.split(['(', '<']).next())?
    });
    names.collect()
}

/// A path in as few words as say which file it is.
fn short(path: &str) -> &str {
    let crate_file = path.strip_prefix("crates/").unwrap_or(path);
    if path.starts_with("crates/") { crate_file } else { paths::name(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_means_the_siblings_or_a_pattern() {
        let (files, anchor) = meant("accept");
        assert_eq!((&*files[2].1, anchor), ("crates/serve-async-std/src/lib.rs", "accept"));
        let (files, anchor) = meant("lessons/snippets/cheat/{}.rs#pipe");
        assert_eq!((&*files[2].1, anchor), ("lessons/snippets/cheat/async_std.rs", "pipe"));
        assert_eq!(files[2].0, "async-std");
    }

    #[test]
    fn anchors_of_all_come_first() {
        let text = |names: &[&str]| -> String {
            names.iter().map(|name| format!("// ANCHOR: {name}\n// ANCHOR_END: {name}\n")).collect()
        };
        let texts = [text(&["run", "own", "drain"]), text(&["run", "drain", "watch"])];
        assert_eq!(anchors_of_all(&texts), ["run", "drain", "own", "watch"]);
    }

    #[test]
    fn functions_are_those_at_the_left_edge() {
        let code = "/// A fn of\npub async fn accept_clients<T>(\n    fn inner() {}\nfn two() {}\n";
        assert_eq!(functions(code), ["accept_clients", "two"]);
    }
}
