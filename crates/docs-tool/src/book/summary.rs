//! The table of contents, as mdBook reads it.

use crate::paths;

/// A page in the table of contents.
pub struct Entry<'a> {
    pub path: &'a str,
    pub title: &'a str,
}

/// The docs in the order in which they are read.
const DOCS: [&str; 5] = [
    "docs/INSTRUCTOR.md",
    "docs/CONTRACT.md",
    "docs/METHODOLOGY.md",
    "docs/ARCHITECTURE.md",
    "CONTRIBUTING.md",
];

/// SUMMARY.md for all pages: each has its place in exactly one part of it.
pub fn summary(pages: &[Entry<'_>]) -> String {
    let mut made = String::from("# Summary\n");
    let mut rest: Vec<&Entry<'_>> = pages.iter().collect();
    let mut part = |name: &str, takes: &dyn Fn(&str) -> bool, order: &dyn Fn(&str) -> String| {
        let (mut taken, left): (Vec<_>, Vec<_>) = rest.iter().partition(|page| takes(page.path));
        rest = left;
        taken.sort_by_key(|page| order(page.path));
        if !taken.is_empty() && !name.is_empty() {
            made.push_str(&format!("\n# {name}\n\n"));
        }
        for page in taken {
            let depth = depth(page.path);
            let bullet = if name.is_empty() { "\n" } else { "- " };
            made.push_str(&format!("{}{bullet}{}\n", "  ".repeat(depth), link(page)));
        }
    };
    part("", &|path| path == "index.md", &str::to_owned);
    part("Lessons", &is_lesson, &lesson_order);
    part("Exercises", &|path| path.starts_with("lessons/exercises/"), &exercise_order);
    part("The four", &|path| path.starts_with("siblings/"), &sibling_order);
    part("Docs", &|path| DOCS.contains(&path), &docs_order);
    part("Code", &|path| path.starts_with("code/"), &code_order);
    part("Records and tables", &|_| true, &str::to_owned);
    made
}

/// How deep a page is below the first of its part.
fn depth(path: &str) -> usize {
    let is_index = path.ends_with("/index.md");
    let parts = path.matches('/').count();
    if path.starts_with("code/") {
        return if is_index { parts - 1 } else { parts };
    }
    if path.starts_with("siblings/") {
        return usize::from(!is_index);
    }
    if path.starts_with("lessons/exercises/") {
        return if path == "lessons/exercises/index.md" { 0 } else { 1 + usize::from(!is_index) };
    }
    0
}

fn link(page: &Entry<'_>) -> String {
    format!("[{}]({})", page.title.replace(['[', ']', '`'], ""), page.path)
}

fn is_lesson(path: &str) -> bool {
    paths::parent(path) == "lessons"
}

fn lesson_order(path: &str) -> String {
    // The index first, the numbered ones, then the rest.
    let name = paths::name(path);
    let class = if name == "index.md" { 0 } else { 1 + usize::from(!starts_with_number(name)) };
    format!("{class}{name}")
}

fn exercise_order(path: &str) -> String {
    // An exercise is before its solution, and the table before all.
    path.strip_suffix("index.md").unwrap_or(path).to_owned()
}

fn sibling_order(path: &str) -> String {
    const ORDER: [&str; 9] =
        ["index", "run", "accept", "serve", "send", "copy", "zero_copy", "drain", "watch"];
    let name = paths::name(path).trim_end_matches(".md");
    let at = ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
    format!("{at:02}{name}")
}

fn docs_order(path: &str) -> String {
    format!("{:02}", DOCS.iter().position(|known| *known == path).unwrap_or(DOCS.len()))
}

fn code_order(path: &str) -> String {
    exercise_order(path)
}

fn starts_with_number(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_one_place() {
        let paths = [
            "CONTRIBUTING.md",
            "benches/records/x/race.md",
            "code/a/index.md",
            "code/a/b.rs.md",
            "code/index.md",
            "docs/CONTRACT.md",
            "index.md",
            "lessons/01-wire.md",
            "lessons/cheat-sheet.md",
            "lessons/exercises/01-first/index.md",
            "lessons/exercises/01-first/solution.md",
            "lessons/exercises/index.md",
            "lessons/index.md",
            "siblings/accept.md",
            "siblings/index.md",
        ];
        let entries = paths.map(|path| Entry { path, title: path });
        let lines = summary(&entries);
        let at = |path: &str| lines.find(&format!("]({path})")).expect(path);
        assert!(paths.iter().all(|path| lines.matches(&format!("({path})")).count() == 1));
        assert!(lines.starts_with("# Summary\n\n[index.md](index.md)\n"));
        assert!(at("lessons/index.md") < at("lessons/01-wire.md"));
        assert!(at("lessons/01-wire.md") < at("lessons/cheat-sheet.md"));
        assert!(lines.contains(
            "- [lessons/exercises/index.md](lessons/exercises/index.md)\n  - \
             [lessons/exercises/01-first/index.md](lessons/exercises/01-first/index.md)\n    - \
             [lessons/exercises/01-first/solution.md]"
        ));
        assert!(lines.contains(
            "- [code/index.md](code/index.md)\n  - [code/a/index.md](code/a/index.md)\n    - "
        ));
    }
}
