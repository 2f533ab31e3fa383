//! Generates the table of contents of the book.

use crate::paths;

/// The names of the parts of the book. The first part, which is the introduction, has no name.
const PARTS: [&str; 7] =
    ["", "Lessons", "Exercises", "The siblings", "Docs", "Code", "Records and tables"];

/// The docs in the order of the table of contents.
const DOCS: [&str; 8] = [
    "docs/WINDOWS-AND-MACOS.md",
    "docs/INSTRUCTOR.md",
    "docs/CONTRACT.md",
    "docs/FAULTS.md",
    "docs/METHODOLOGY.md",
    "docs/MILLION.md",
    "docs/ARCHITECTURE.md",
    "CONTRIBUTING.md",
];

/// The names of the pages that show the siblings. The index comes first. The other pages are in the
/// order of the code.
const SIBLINGS: [&str; 10] =
    ["index", "run", "accept", "serve", "send", "copy", "zero_copy", "drain", "linger", "timeout"];

/// Returns the content of `SUMMARY.md`. `pages` contains the path and the title of each page.
pub fn summary<'a>(pages: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut entries: Vec<_> =
        pages.into_iter().map(|(path, title)| (position(path), path, title)).collect();
    entries.sort();
    let mut out = String::from("# Summary\n");
    let mut last_part = 0;
    for ((part, _, depth), path, title) in entries {
        if part != last_part {
            out.push_str(&format!("\n# {}\n\n", PARTS[part]));
            last_part = part;
        }
        let bullet = if part == 0 { "\n".to_owned() } else { format!("{}- ", "  ".repeat(depth)) };
        let title = title.replace(['[', ']', '`'], "");
        out.push_str(&format!("{bullet}[{title}]({path})\n"));
    }
    out
}

/// Returns the index of the part that contains a page, the sort key of the page in this part, and
/// the depth of the page.
fn position(path: &str) -> (usize, String, usize) {
    let slashes = path.matches('/').count();
    let is_index = path.ends_with("/index.md");
    // The page of a folder precedes the pages in the folder.
    let in_folder = path.strip_suffix("index.md").unwrap_or(path).to_owned();
    let name = paths::name(path).trim_end_matches(".md");
    if path == "index.md" {
        (0, String::new(), 0)
    } else if paths::parent(path) == "lessons" {
        let is_numbered = name.starts_with(|c: char| c.is_ascii_digit());
        (1, format!("{}{}{name}", u8::from(!is_index), u8::from(!is_numbered)), 0)
    } else if path.starts_with("lessons/exercises/") {
        (2, in_folder, slashes - 1 - usize::from(is_index))
    } else if path.starts_with("siblings/") {
        let at = SIBLINGS.iter().position(|known| *known == name).unwrap_or(SIBLINGS.len());
        (3, format!("{at:02}{name}"), usize::from(!is_index))
    } else if let Some(at) = DOCS.iter().position(|known| *known == path) {
        (4, at.to_string(), 0)
    } else if path.starts_with("code/") {
        (5, in_folder, slashes - usize::from(is_index))
    } else {
        (6, path.to_owned(), 0)
    }
}
