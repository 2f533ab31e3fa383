//! Compares two siblings, section by section. Comments and line breaks are not compared.

pub mod command;
mod show;
mod source;

use std::ops::Range;

use regex::Match;
use similar::Algorithm::Patience;
use similar::{DiffTag, capture_diff_slices, capture_diff_slices_by_key, diff_ratio};

use source::{Section, is_name, sections, split_comments, statements, words};

/// The minimum share of common words with which two statements are compared word by word.
const SIMILARITY_MIN: f32 = 0.5;

/// A section of two siblings.
#[derive(Debug)]
struct Compared {
    name: String,
    /// Whether the first and the second sibling have this section.
    is_in: [bool; 2],
    rows: Vec<Row>,
}

impl Compared {
    fn differs(&self) -> bool {
        self.rows.iter().any(|row| row.differs)
    }
}

/// A part of each sibling, or of one of them: a statement, a line of it, or the comments above it.
#[derive(Debug)]
struct Row {
    sides: [Side; 2],
    differs: bool,
}

impl Row {
    /// Returns the sign that `sdiff` uses.
    fn sign(&self) -> char {
        match self.sides.each_ref().map(|side| side.text.is_empty()) {
            _ if !self.differs => ' ',
            [false, true] => '<',
            [true, false] => '>',
            _ => '|',
        }
    }
}

#[derive(Debug)]
struct Side {
    /// The lines, or an empty string if the sibling does not have this part.
    text: String,
    /// The bytes that differ from the other sibling.
    changes: Vec<Range<usize>>,
}

/// Compares the sections that have the same name. They have the order of the first source. A section
/// that only the second source has follows its predecessor in that source.
fn compare(first: &str, second: &str) -> Vec<Compared> {
    let sections = [sections(first), sections(second)];
    let mut names: Vec<&str> = sections[0].iter().map(|section| section.name.as_str()).collect();
    let mut next = 0;
    for Section { name, .. } in &sections[1] {
        let known = names.iter().position(|known| known == name);
        if known.is_none() {
            names.insert(next, name);
        }
        next = known.unwrap_or(next) + 1;
    }
    let compared = names.into_iter().map(|name| {
        let [first, second] = sections.each_ref().map(|sections| {
            sections.iter().find(|section| section.name == name).map(|found| found.text.as_str())
        });
        Compared {
            name: name.to_owned(),
            is_in: [first.is_some(), second.is_some()],
            rows: rows(first.unwrap_or(""), second.unwrap_or("")),
        }
    });
    compared.collect()
}

/// Aligns the statements of two sections.
fn rows(first: &str, second: &str) -> Vec<Row> {
    let (first, second) = (statements(first), statements(second));
    let mut rows = Vec::new();
    for op in capture_diff_slices_by_key(Patience, &first, &second, |statement| texts(statement)) {
        let (first, second) = (&first[op.old_range()], &second[op.new_range()]);
        if op.tag() == DiffTag::Equal {
            first.iter().zip(second).for_each(|(first, second)| add(&mut rows, first, second));
        } else {
            align(&mut rows, first, second);
        }
    }
    rows
}

/// Puts the two most similar statements beside each other, then aligns those before and after them.
fn align(rows: &mut Vec<Row>, first: &[&str], second: &[&str]) {
    let places = (0..first.len()).flat_map(|at| (0..second.len()).map(move |other| (at, other)));
    let rated = places.map(|(at, other)| (similarity(first[at], second[other]), at, other));
    // `max_by` returns the last maximum, but the first one preserves more of the order.
    let best = rated.rev().max_by(|one, other| one.0.total_cmp(&other.0));
    if let Some((_, at, other)) = best.filter(|best| best.0 >= SIMILARITY_MIN) {
        align(rows, &first[..at], &second[..other]);
        add(rows, first[at], second[other]);
        align(rows, &first[at + 1..], &second[other + 1..]);
    } else {
        first.iter().for_each(|first| add(rows, first, ""));
        second.iter().for_each(|second| add(rows, "", second));
    }
}

/// Returns the words of a statement.
fn texts(statement: &str) -> Vec<&str> {
    words(statement).iter().map(Match::as_str).collect()
}

/// Returns a number between 0 and 1.
fn similarity(first: &str, second: &str) -> f32 {
    let (first, second) = (texts(first), texts(second));
    diff_ratio(&capture_diff_slices(Patience, &first, &second), first.len(), second.len())
}

/// Adds the rows of two statements. Either statement may be empty.
fn add(rows: &mut Vec<Row>, first: &str, second: &str) {
    let differs = texts(first) != texts(second);
    let [first, second] = [first, second].map(split_comments);
    for (first, second) in [(first.0, second.0), (first.1, second.1)] {
        if first.lines().count() == second.lines().count() {
            let lines = first.split_inclusive('\n').zip(second.split_inclusive('\n'));
            rows.extend(lines.map(|(first, second)| row(first, second, differs)));
        } else {
            rows.push(row(first, second, differs));
        }
    }
}

fn row(first: &str, second: &str, differs: bool) -> Row {
    let [changes, other_changes] = changes([first, second]);
    let differs = differs && first.trim() != second.trim();
    let first = Side { text: first.to_owned(), changes };
    Row { sides: [first, Side { text: second.to_owned(), changes: other_changes }], differs }
}

/// Returns the bytes that differ in two statements.
fn changes(texts: [&str; 2]) -> [Vec<Range<usize>>; 2] {
    let words = texts.map(words);
    let mut changes = [Vec::new(), Vec::new()];
    let by_text = |word: &Match<'_>| word.as_str().to_owned();
    let ops = capture_diff_slices_by_key(Patience, &words[0], &words[1], by_text);
    for (at, op) in ops.iter().enumerate() {
        let is_between_changes = 0 < at && at + 1 < ops.len();
        // Punctuation between two changes is the same by chance.
        let has_name = words[0][op.old_range()].iter().any(is_name);
        if op.tag() == DiffTag::Equal && (has_name || !is_between_changes) {
            continue;
        }
        for (side, range) in [op.old_range(), op.new_range()].into_iter().enumerate() {
            let changed = &words[side][range];
            if let (Some(first), Some(last)) = (changed.first(), changed.last()) {
                changes[side].push(first.start()..last.end());
            }
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(first: &str, second: &str) -> String {
        rows(first, second).iter().map(Row::sign).collect()
    }

    /// Returns the changes in the second line of the first row.
    fn change(first: &str, second: &str) -> String {
        let rows = rows(first, second);
        let side = &rows[0].sides[1];
        side.changes.iter().map(|range| &side.text[range.clone()]).collect()
    }

    #[test]
    fn same_code_is_not_marked() {
        assert_eq!(signs("fn a() {\n    b()\n}", "fn a() {\n    b()\n}"), "   ");
    }

    #[test]
    fn comments_are_not_compared() {
        assert_eq!(signs("// One.\nb();", "// Another,\n// longer.\nb(); // c").trim(), "");
        assert_eq!(signs("b();", "/// c\nb();").trim(), "");
    }

    #[test]
    fn line_breaks_are_not_compared() {
        let broken = "call(\n    first,\n    second,\n)?;";
        assert_eq!(signs("call(first, second)?;", broken).trim(), "");
    }

    #[test]
    fn only_the_different_words_are_marked() {
        let (first, second) = ("let a = read(x);\nb();", "let a = read(x).await;\nb();");
        assert_eq!(signs(first, second), "| ");
        assert_eq!(change(first, second), ".await");
        assert_eq!(change(second, first), "");
    }

    #[test]
    fn a_statement_of_one_sibling_is_marked_with_its_side() {
        assert_eq!(signs("a();\nb();\nc();", "a();\nc();"), " < ");
        assert_eq!(signs("a();\nc();", "a();\nb();\nc();"), " > ");
        assert_eq!(signs("a();\nold(1);\nc();", "a();\nnew[2];\nc();"), " <> ");
    }

    #[test]
    fn an_added_call_is_marked_as_a_whole() {
        let change = change("spawn(work(stream));", "spawn(work(stream)).detach();");
        assert_eq!(change, ".detach()");
    }

    #[test]
    fn a_line_of_both_siblings_is_aligned() {
        let second = "use std::convert::Infallible;\nuse std::future::poll_fn;\nuse std::io;";
        assert_eq!(signs("use std::future::poll_fn;\nuse std::io;", second), ">  ");
    }

    #[test]
    fn sections_are_paired_by_name() {
        let first = "fn a() {\n    x();\n}\n\nfn b() {}\n\nfn d() {}\n";
        let second = "fn a() {\n    y();\n}\n\nfn b() {}\n\nfn c() {}\n";
        let compared = compare(first, second);
        let actual: Vec<(&str, [bool; 2], bool)> =
            compared.iter().map(|it| (it.name.as_str(), it.is_in, it.differs())).collect();
        let expected = [
            ("a", [true, true], true),
            ("b", [true, true], false),
            ("c", [false, true], true),
            ("d", [true, false], true),
        ];
        assert_eq!(actual, expected);
    }
}
