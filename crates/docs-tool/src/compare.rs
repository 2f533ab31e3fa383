//! Compares two siblings, section by section. Comments and line breaks are not compared.

pub mod command;
mod show;
pub mod source;

use similar::Algorithm::Patience;
use similar::{DiffTag, capture_diff_slices, capture_diff_slices_by_key, diff_ratio};

use source::{Section, Statement, sections, statements, texts};

/// The minimum similarity, from 0 to 1, of two statements that are put beside each other.
const SIMILARITY_MIN: f32 = 0.5;

/// A section of the code, compared between two siblings.
#[derive(Debug)]
struct Compared {
    name: String,
    /// Indicates whether the first sibling has this section, and whether the second sibling has it.
    is_in: [bool; 2],
    rows: Vec<Row>,
}

impl Compared {
    fn differs(&self) -> bool {
        self.rows.iter().any(|row| row.differs)
    }
}

/// One statement of each sibling, or the comments above these statements.
#[derive(Debug)]
struct Row {
    /// The text of each sibling. The text is empty if the sibling does not have the statement or
    /// the comments.
    texts: [String; 2],
    differs: bool,
}

/// Compares the sections that have the same name. Returns the sections in the order of the first
/// source. If only the second source contains a section, this section follows the section that
/// precedes it in the second source.
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
        let texts = sections.each_ref().map(|sections| {
            sections.iter().find(|section| section.name == name).map_or("", |it| it.text.as_str())
        });
        let is_in = texts.map(|text| !text.is_empty());
        Compared { name: name.to_owned(), is_in, rows: rows(texts[0], texts[1]) }
    });
    compared.collect()
}

/// Aligns the statements of two sections.
fn rows(first: &str, second: &str) -> Vec<Row> {
    let (first, second) = (statements(first), statements(second));
    let mut rows = Vec::new();
    for op in capture_diff_slices_by_key(Patience, &first, &second, |it| texts(&it.code).join(" "))
    {
        let (first, second) = (&first[op.old_range()], &second[op.new_range()]);
        if op.tag() == DiffTag::Equal {
            first.iter().zip(second).for_each(|(first, second)| add(&mut rows, first, second));
        } else {
            align(&mut rows, first, second);
        }
    }
    rows
}

/// Puts the two most similar statements beside each other, then aligns the statements before and
/// after these two statements.
fn align(rows: &mut Vec<Row>, first: &[Statement], second: &[Statement]) {
    let places = (0..first.len()).flat_map(|at| (0..second.len()).map(move |other| (at, other)));
    let rated = places.map(|(at, other)| {
        let (one, two) = (texts(&first[at].code), texts(&second[other].code));
        let ops = capture_diff_slices(Patience, &one, &two);
        (diff_ratio(&ops, one.len(), two.len()), at, other)
    });
    // `max_by` returns the last maximum. The first maximum preserves more of the order of the
    // statements, so the iterator is reversed.
    let best = rated.rev().max_by(|one, other| one.0.total_cmp(&other.0));
    if let Some((_, at, other)) = best.filter(|best| best.0 >= SIMILARITY_MIN) {
        align(rows, &first[..at], &second[..other]);
        add(rows, &first[at], &second[other]);
        align(rows, &first[at + 1..], &second[other + 1..]);
    } else {
        first.iter().for_each(|first| add(rows, first, &Statement::default()));
        second.iter().for_each(|second| add(rows, &Statement::default(), second));
    }
}

/// Adds one row for the comments of two statements, and one row for their code. Either statement
/// may be empty.
fn add(rows: &mut Vec<Row>, first: &Statement, second: &Statement) {
    let differs = texts(&first.code) != texts(&second.code);
    // Comments are not compared. If the comments above the same code differ, neither is shown, because
    // a line without a mark belongs to both siblings.
    let has_same_comments = first.comments.trim() == second.comments.trim();
    let comments = (differs || has_same_comments).then_some((&first.comments, &second.comments));
    for (first, second) in comments.into_iter().chain([(&first.code, &second.code)]) {
        let texts = [first.to_owned(), second.to_owned()];
        let differs = differs && first.trim() != second.trim();
        rows.extend((texts != ["", ""]).then_some(Row { texts, differs }));
    }
}
