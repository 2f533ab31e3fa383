//! Prints a comparison on a terminal.

use std::fmt::Display;

use console::{Alignment, Style, pad_str};
use regex::Match;
use similar::Algorithm::Patience;
use similar::{DiffTag, capture_diff_slices_by_key};

use super::source::{is_name, words};
use super::{Compared, Row};

/// The minimum number of columns for showing the siblings side by side.
const SIDE_BY_SIDE_COLUMNS_MIN: usize = 110;

/// The number of columns between the siblings: the sign and the spaces around it.
const SIGN_COLUMNS: usize = 3;

/// The number of rows that are shown before and after each difference.
const CONTEXT_ROWS: usize = 1;

/// The additional indentation of a wrapped line.
const WRAP_INDENT: usize = 4;

/// The options of the output.
#[derive(Debug)]
pub struct View {
    /// The names of the siblings.
    pub names: [String; 2],
    /// The width of the terminal.
    pub columns: usize,
    /// Whether the code that is the same is omitted.
    pub only_differences: bool,
}

impl View {
    /// Prints all sections.
    pub fn print(&self, compared: &[Compared]) {
        self.legend();
        compared.iter().for_each(|section| self.section(section));
        if compared.len() > 1 {
            self.summary(compared);
        }
    }

    fn is_side_by_side(&self) -> bool {
        self.columns >= SIDE_BY_SIDE_COLUMNS_MIN
    }

    fn legend(&self) {
        let [first, second] = &self.names;
        let legend = if self.is_side_by_side() {
            format!("`|` marks different lines, `<` those of {first}, `>` those of {second}.")
        } else {
            format!("`<` marks lines of {first}, `>` those of {second}. Other lines are the same.")
        };
        print_line(legend);
        print_line("Comments and line breaks are not compared.");
    }

    fn section(&self, section: &Compared) {
        let [first, second] = &self.names;
        let note = match section.is_in {
            [true, false] => format!(": only in {first}"),
            [false, true] => format!(": only in {second}"),
            _ if section.differs() => String::new(),
            _ => ": the same".to_owned(),
        };
        let heading = Style::new().bold().apply_to(format!("== {}{note}", section.name));
        print_line(format_args!("\n{heading}"));
        if self.only_differences && !section.differs() {
            return;
        }
        if self.is_side_by_side() {
            print_line(format_args!(
                "{first:width$}{:SIGN_COLUMNS$}{second}",
                "",
                width = self.width()
            ));
        }
        let differs = |at: usize| section.rows.get(at).is_some_and(|row| row.differs);
        let is_shown = |at: usize| {
            let mut near = at.saturating_sub(CONTEXT_ROWS)..=at + CONTEXT_ROWS;
            !self.only_differences || near.any(differs)
        };
        let rows: Vec<(bool, &Row)> =
            section.rows.iter().enumerate().map(|(at, row)| (is_shown(at), row)).collect();
        for run in rows.chunk_by(|row, next| row.0 == next.0) {
            match run[0].0 {
                true => run.iter().for_each(|(_, row)| self.row(row)),
                false => print_line(format_args!("  … {} the same", run.len())),
            }
        }
    }

    /// Returns the width of each sibling's text.
    fn width(&self) -> usize {
        match self.is_side_by_side() {
            true => (self.columns - SIGN_COLUMNS) / 2,
            false => self.columns - 2,
        }
    }

    fn row(&self, row: &Row) {
        let width = self.width();
        let texts = painted(row.texts.each_ref().map(|text| wrapped(text, width)));
        let [mut first, mut second] = texts.each_ref().map(|text| text.lines());
        if self.is_side_by_side() {
            for _ in 0..first.clone().count().max(second.clone().count()) {
                let left = pad_str(first.next().unwrap_or(""), width, Alignment::Left, None);
                let right = second.next().unwrap_or("");
                print_line(format_args!("{left} {} {right}", row.sign()));
            }
        } else if row.differs {
            first.for_each(|line| print_line(format_args!("< {line}")));
            second.for_each(|line| print_line(format_args!("> {line}")));
        } else {
            let lines = if texts[0].is_empty() { second } else { first };
            lines.for_each(|line| print_line(format_args!("  {line}")));
        }
    }

    fn summary(&self, compared: &[Compared]) {
        let [first, second] = &self.names;
        let count =
            |is_in: [bool; 2]| compared.iter().filter(|section| section.is_in == is_in).count();
        let same = compared.iter().filter(|section| !section.differs()).count();
        let differ = count([true, true]) - same;
        print_line(format_args!(
            "\n{differ} parts differ, {same} are the same, {} only in {first}, {} only in {second}",
            count([true, false]),
            count([false, true]),
        ));
    }
}

fn print_line(line: impl Display) {
    crate::print(line.to_string().trim_end());
}

/// Splits a text into lines of at most `width` columns.
fn wrapped(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let indent_of_rest = (indent + WRAP_INDENT).min(width / 2);
        let mut rest = line.to_owned();
        while let Some((limit, _)) = rest.char_indices().nth(width) {
            let is_inside = |end: &usize| !rest[..*end].trim().is_empty();
            let end = [' ', '.'].iter().find_map(|&c| rest[..limit].rfind(c).filter(is_inside));
            let (piece, next) = rest.split_at(end.unwrap_or(limit));
            wrapped += &format!("{piece}\n");
            rest = " ".repeat(indent_of_rest) + next.trim_start();
        }
        wrapped += &format!("{rest}\n");
    }
    wrapped
}

/// Colors the words that differ in two texts.
fn painted(texts: [String; 2]) -> [String; 2] {
    let words = texts.each_ref().map(|text| words(text));
    let styles = [Style::new().red().bold(), Style::new().green().bold()];
    let mut painted = [String::new(), String::new()];
    let mut ends = [0, 0];
    let ops = capture_diff_slices_by_key(Patience, &words[0], &words[1], Match::as_str);
    for (at, op) in ops.iter().enumerate() {
        let is_between_changes = 0 < at && at + 1 < ops.len();
        // Punctuation between two changes is the same by chance.
        let has_name = words[0][op.old_range()].iter().any(|word| is_name(word.as_str()));
        if op.tag() == DiffTag::Equal && (has_name || !is_between_changes) {
            continue;
        }
        for (side, range) in [op.old_range(), op.new_range()].into_iter().enumerate() {
            if let (Some(first), Some(last)) =
                (words[side][range.clone()].first(), words[side][range].last())
            {
                let changed = &texts[side][first.start()..last.end()];
                let lines = changed.lines().map(|line| styles[side].apply_to(line).to_string());
                painted[side] += &texts[side][ends[side]..first.start()];
                painted[side] += &lines.collect::<Vec<String>>().join("\n");
                ends[side] = last.end();
            }
        }
    }
    [0, 1].map(|side| painted[side].clone() + &texts[side][ends[side]..])
}
