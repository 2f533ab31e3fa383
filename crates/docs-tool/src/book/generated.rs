//! Generates the pages that have no Markdown source. These pages show files, folders, solutions, and
//! the code of the siblings side by side.

use super::mdbook::not_printed;
use super::siblings::{self, Excerpt, Part, code_block, side_by_side};
use super::site::{self, Site};
use crate::anchors::{self, Mark};
use crate::common::{SIBLINGS, siblings_in_one_file};
use crate::compare::source::{Section, sections};
use crate::paths;
use crate::repo::Kind;

/// The path of the page that shows the whole files of the siblings.
pub const WHOLE_FILES: &str = "siblings/whole-files.md";

/// Adds the pages that show the siblings side by side: one page per anchor, one page with the whole
/// files, and one page that lists the other pages.
pub fn sibling_pages(site: &mut Site) {
    let in_one_file = siblings_in_one_file();
    let read = |(_, path): &(_, &str)| site.repo.read(path).ok();
    let texts: Vec<String> = in_one_file.iter().filter_map(read).collect();
    if texts.len() < in_one_file.len() {
        return;
    }
    let mut rows = String::new();
    for anchor in siblings::common_anchors(&texts) {
        let quotes: Vec<_> = texts.iter().map(|text| anchors::quote(text, &anchor).ok()).collect();
        let functions = distinct(quotes.iter().flatten().flat_map(|it| siblings::functions(it)));
        let mut quotes = quotes.iter();
        let parts = parts(site, |files, text| match files {
            [_] => quotes.next().cloned().flatten(),
            _ => items(text, &functions),
        });
        rows.push_str(&sibling_page(site, &anchor, &functions, &parts));
    }
    let files = parts(site, |_, text| Some(anchors::whole(text)));
    let columns = side_by_side("whole files", &files, |path| site.link(WHOLE_FILES, path));
    let text = format!("# The whole files, side by side\n\n{columns}");
    site.insert(WHOLE_FILES, "The whole files", not_printed(&text));
    let text = format!(
        "# Side by side\n\nstd, Tokio, async-std and smol have the same functions with the same \
         names, in the same order. With mio, most of these functions are methods, in several files. \
         Each page in the table shows the same part of all siblings.\n\n\
         | part | explained in |\n| --- | --- |\n{rows}\n\
         A separate page shows [the whole files](whole-files.md).\n"
    );
    site.insert("siblings/index.md", "Side by side", text);
}

/// Returns a part of each sibling. `lines` receives the list of the sibling's files and the text of
/// one of these files, and returns the lines of this file that belong to the part.
fn parts(site: &Site, mut lines: impl FnMut(&[&str], &str) -> Option<Vec<String>>) -> Vec<Part> {
    let parts = SIBLINGS.iter().map(|(sibling, files)| {
        let excerpts = files.iter().filter_map(|path| {
            let lines = lines(files, &site.repo.read(path).ok()?)?;
            Some(Excerpt { path: (*path).to_owned(), lines })
        });
        Part { sibling, excerpts: excerpts.collect() }
    });
    parts.collect()
}

/// Returns the functions and methods of a file that have one of these names, or `None` if the file
/// has no such function.
fn items(text: &str, names: &[&str]) -> Option<Vec<String>> {
    let sections = sections(text).into_iter();
    let named = sections.filter(|Section { name, .. }| names.contains(&name.as_str()));
    let code: Vec<String> = named.map(|section| section.text).collect();
    (!code.is_empty()).then(|| code.join("\n\n").lines().map(str::to_owned).collect())
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

/// Adds the page of an anchor. Returns the row of this page for the table that lists the pages.
fn sibling_page(site: &mut Site, anchor: &str, functions: &[&str], parts: &[Part]) -> String {
    let place = format!("siblings/{anchor}.md");
    let title = match functions {
        [] => capitalized(anchor),
        _ => functions.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    };
    let quotes = format!("#{anchor}");
    let explained = sentence("Explained in", &site.links_to_quotes(&quotes, &place));
    let columns = side_by_side(anchor, parts, |path| {
        let text = site.repo.read(path).unwrap_or_default();
        let has_anchor = anchors::names(&text).iter().any(|(_, name)| *name == anchor);
        let fragment = if has_anchor { format!("#{anchor}") } else { String::new() };
        site.link(&place, path) + &fragment
    });
    let text = format!("# {title}, side by side\n\n{explained}{columns}");
    site.insert(&place, &title, text);
    let lessons = site.links_to_quotes(&quotes, "siblings/index.md");
    format!("| [{title}]({anchor}.md) | {lessons} |\n")
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

fn sentence(words: &str, links: &str) -> String {
    if links.is_empty() { String::new() } else { format!("{words} {links}.\n\n") }
}

/// Adds one page for each file that the book shows as code.
pub fn code_pages(site: &mut Site) {
    for path in site.code.clone() {
        let Ok(text) = site.repo.read(&path) else { continue };
        let place = site.place(&path);
        let task = site::exercise(&path).map(|folder| {
            let task = site.link(&place, &paths::join(folder, "README.md"));
            format!("[Back to the task]({task})\n\n")
        });
        let quotes = sentence("Quoted in", &site.links_to_quotes(&path, &place));
        let is_sibling = SIBLINGS.iter().any(|(_, files)| files.contains(&path.as_str()));
        let own_page = |anchor: &str| {
            let page = format!("siblings/{anchor}.md");
            let has_page = is_sibling && site.pages.contains_key(&page);
            has_page.then(|| paths::relative(&place, &page))
        };
        let file = file(&path, &text, &(task.unwrap_or_default() + &quotes), own_page);
        // Lines of code are longer than lines of prose. See `.hw-file` in docs/book/highwater.css.
        let made = format!("<div class=\"hw-file\">\n\n{file}\n</div>\n");
        site.insert(&place, paths::name(&path), not_printed(&made));
    }
}

/// Returns the text of the page that shows a file. A new code block starts at each anchor, so that
/// links can lead to the anchor. `own_page` returns the link to the page that shows an anchor of
/// all siblings, or `None` if this page does not exist.
fn file(path: &str, text: &str, above: &str, own_page: impl Fn(&str) -> Option<String>) -> String {
    let mut out = format!("# `{path}`\n\n{above}");
    for (at, (names, lines)) in segments(text).into_iter().enumerate() {
        if lines.is_empty() && names.is_empty() {
            continue;
        }
        if at > 0 || !names.is_empty() {
            let ids = names.iter().map(|name| format!("<a id=\"{name}\"></a>"));
            let links = names.iter().filter_map(|name| {
                own_page(name).map(|link| format!("[This part of all siblings]({link})"))
            });
            let (ids, links) = (ids.collect::<String>(), links.collect::<Vec<_>>().join(" "));
            out.push_str(&format!("<div class=\"hw-anchor\">\n\n{ids}{links}\n\n</div>\n\n"));
        }
        out.push_str(&format!("{}\n\n", code_block(&lines, path)));
    }
    out
}

/// Splits a text before each anchor that is not indented. For each segment, returns the names of
/// the anchors that start in the segment, and the lines of the segment.
fn segments(text: &str) -> Vec<(Vec<&str>, Vec<String>)> {
    let mut segments = vec![(Vec::new(), Vec::new())];
    for line in text.lines() {
        match (anchors::mark(line), segments.last_mut()) {
            (Some(Mark::Begin(name)), Some((names, _))) if line.starts_with(' ') => {
                names.push(name)
            }
            (Some(Mark::Begin(name)), _) => segments.push((vec![name], Vec::new())),
            (None, Some((_, lines))) => lines.push(line.to_owned()),
            _ => {}
        }
    }
    for (_, lines) in &mut segments {
        anchors::trim(lines);
    }
    segments
}

/// Adds one page for each folder that contains a file that the book shows, and for each folder that
/// the book lists completely.
pub fn listings(site: &mut Site) {
    let mut folders = site.folders.clone();
    for path in site.code.iter().chain(&site.folders) {
        let mut folder = path.as_str();
        while !folder.is_empty() {
            folder = paths::parent(folder);
            folders.insert(folder.to_owned());
        }
    }
    for folder in folders.iter().rev() {
        let place = site::listing(folder);
        let title = if folder.is_empty() { "All files" } else { folder };
        let mut text = format!("# {title}\n\n");
        for child in site.repo.children(folder) {
            let target = match folders.contains(&child) {
                true => site::listing(&child),
                false => site.place(&child),
            };
            if site.pages.contains_key(&target) || site.assets.contains(&target) {
                let link = paths::relative(&place, &target);
                let about = description(site, &child).map(|about| format!(": {about}"));
                let (name, about) = (paths::name(&child), about.unwrap_or_default());
                text.push_str(&format!("- [`{name}`]({link}){about}\n"));
            }
        }
        site.insert(&place, paths::name(title), not_printed(&text));
    }
}

/// Returns the first sentence of a Rust file's documentation, or the description of a package.
/// Returns `None` if the file or folder has no description.
fn description(site: &Site, path: &str) -> Option<String> {
    match site.repo.kind(path)? {
        Kind::Folder => {
            let manifest = site.repo.read(&paths::join(path, "Cargo.toml")).ok()?;
            let line = manifest.lines().find_map(|line| line.strip_prefix("description = \""))?;
            Some(line.trim_end_matches('"').to_owned())
        }
        Kind::Code if paths::ending(path) == "rs" => first_sentence(&site.repo.read(path).ok()?),
        _ => None,
    }
}

fn first_sentence(text: &str) -> Option<String> {
    let first = text.lines().take_while(|line| !line.is_empty() && *line != "//!");
    let lines = first.map(|line| line.strip_prefix("//! ")).collect::<Option<Vec<_>>>()?;
    let paragraph = lines.join(" ");
    let sentence = paragraph.split(". ").next()?.trim_end_matches('.');
    (!sentence.is_empty()).then(|| sentence.to_owned())
}

/// Returns the text of the page that shows a solution. `task` is the link to the exercise.
pub fn solution(title: &str, path: &str, text: &str, task: &str) -> String {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    format!(
        "# {title}: a solution\n\nThis is one of many correct solutions. [Back to the task]({task})\n\n\
         <details>\n<summary>Show {}</summary>\n\n{}\n\n</details>\n",
        paths::name(path),
        code_block(&lines, path),
    )
}

/// Returns the hints of an exercise as Markdown in which each hint is folded. In `hints`, the
/// headings of the hints are `## 1`, `## 2`, …
pub fn folded(hints: &str) -> String {
    let mut out = String::from("\n## Hints\n\n");
    let mut is_open = false;
    let mut is_in_fence = false;
    for line in hints.lines() {
        is_in_fence ^= line.trim_start().starts_with("```");
        if let Some(level) = line.strip_prefix("## ").filter(|_| !is_in_fence) {
            out.push_str(if is_open { "\n</details>\n\n" } else { "" });
            out.push_str(&format!("<details>\n<summary>Hint {}</summary>\n\n", level.trim()));
            is_open = true;
        } else if is_open {
            out.push_str(line);
            out.push('\n');
        }
    }
    out + if is_open { "\n</details>\n" } else { "" }
}
