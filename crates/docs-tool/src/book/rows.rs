//! Arranges the code of the siblings in rows, so that functions with the same name are side by side.

use crate::wrap::formatted;

/// A part of one sibling.
pub struct Part {
    pub sibling: &'static str,
    /// The excerpts from the sibling's files. The list is empty if this sibling does not have the
    /// part.
    pub excerpts: Vec<Excerpt>,
}

/// Lines of code from a file.
pub struct Excerpt {
    /// The path of the file.
    pub path: String,
    pub lines: Vec<String>,
}

/// The code of one sibling, by row.
pub type Rows = Vec<Vec<Block>>;

/// Consecutive lines of one excerpt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The index of the excerpt.
    pub excerpt: usize,
    /// Indicates whether these lines are the first lines of the excerpt.
    pub is_first: bool,
    pub lines: Vec<String>,
}

/// Returns the names of the functions that get rows, in the order of the rows. They are the
/// functions of the siblings that have one excerpt, because the order of these functions is the same
/// in all of these siblings.
pub fn names(parts: &[Part]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in parts {
        let [Excerpt { lines, .. }] = part.excerpts.as_slice() else { continue };
        let mut next = 0;
        for name in pieces(lines).into_iter().filter_map(first_function) {
            let known = names.iter().position(|known| known == name);
            if known.is_none() {
                names.insert(next, name.to_owned());
            }
            next = known.unwrap_or(next) + 1;
        }
    }
    names
}

/// Returns the rows of each part. The lines have at most `width` characters. Each function is in the
/// row of its name, unless this row is above the row of the code before the function. Other code is
/// in the same row as the code before it. All parts have the same number of rows, because only rows
/// that are empty in all parts are omitted.
pub fn arranged(parts: &[Part], names: &[String], width: usize) -> Vec<Rows> {
    let mut arranged: Vec<Rows> =
        parts.iter().map(|part| arranged_part(part, names, width)).collect();
    let is_needed: Vec<bool> =
        (0..=names.len()).map(|row| arranged.iter().any(|rows| !rows[row].is_empty())).collect();
    for rows in &mut arranged {
        let mut needed = is_needed.iter();
        rows.retain(|_| needed.next() == Some(&true));
    }
    arranged
}

/// Returns whether each function of a part is in the row of its name. If a part has several
/// excerpts and contains other code, all its code is in the first row, because rows would separate
/// the functions of the other siblings by large gaps.
pub fn is_aligned(part: &Part, names: &[String]) -> bool {
    let has_row =
        |piece| first_function(piece).is_some_and(|name| names.iter().any(|it| it == name));
    part.excerpts.len() < 2 || part.excerpts.iter().flat_map(|it| pieces(&it.lines)).all(has_row)
}

/// Returns the name of the function that starts in a line of code.
pub fn function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let is_item = before.chars().all(|c| c.is_alphanumeric() || " ()_".contains(c));
    is_item.then(|| after.split(['(', '<']).next())?
}

fn arranged_part(part: &Part, names: &[String], width: usize) -> Rows {
    let is_aligned = is_aligned(part, names);
    let mut rows = vec![Vec::new(); 1 + names.len()];
    let mut row = 0;
    for (excerpt, Excerpt { lines, .. }) in part.excerpts.iter().enumerate() {
        // If `rustfmt` is not installed, long lines are not split, and the code block scrolls.
        let lines = formatted(lines, width).unwrap_or_else(|_| lines.clone());
        let mut is_first = true;
        for piece in pieces(&lines) {
            let named =
                first_function(piece).and_then(|name| names.iter().position(|known| known == name));
            row = row.max(named.filter(|_| is_aligned).map_or(0, |at| at + 1));
            match rows[row].last_mut() {
                Some(Block { excerpt: last, lines, .. }) if *last == excerpt => {
                    lines.push(String::new());
                    lines.extend_from_slice(piece);
                }
                _ => rows[row].push(Block { excerpt, is_first, lines: piece.to_vec() }),
            }
            is_first = false;
        }
    }
    rows
}

/// Splits code before each function or method that follows a blank line. The comments and attributes
/// above a function belong to the function.
fn pieces(lines: &[String]) -> Vec<&[String]> {
    let is_start = |at: &usize| lines[at - 1].is_empty() && first_function(&lines[*at..]).is_some();
    let starts = (1..lines.len()).filter(is_start);
    let ends: Vec<usize> = starts.clone().chain([lines.len()]).collect();
    let pieces = [0].into_iter().chain(starts).zip(ends).map(|(start, end)| {
        let end = (start..end).rev().find(|&at| !lines[at].is_empty()).map_or(start, |at| at + 1);
        &lines[start..end]
    });
    pieces.filter(|piece| !piece.is_empty()).collect()
}

/// Returns the name of the function with which code starts. The function may be a method, and the
/// code may start with the first line of the method's `impl` block.
fn first_function(lines: &[String]) -> Option<&str> {
    let is_before = |line: &str| ["//", "#[", "impl"].iter().any(|start| line.starts_with(start));
    let line = lines.iter().find(|line| !is_before(line.trim_start()))?;
    let method = line.strip_prefix("    ").unwrap_or(line);
    function(method).filter(|_| !method.starts_with(' '))
}
