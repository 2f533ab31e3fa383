//! Prints a comparison of two siblings.

use console::{Alignment, Style, pad_str};
use regex::Match;
use similar::Algorithm::Patience;
use similar::{DiffTag, capture_diff_slices_by_key};

use super::source::words;
use super::{Compared, Row};
use crate::common::{counted, print};
use crate::wrap::wrapped;

/// The minimum width of the terminal, in characters, at which the siblings are shown side by side.
const SIDE_BY_SIDE_COLUMNS_MIN: usize = 110;

/// The width of the space between the siblings, in characters. This space contains a sign between
/// two blanks.
const SIGN_COLUMNS: usize = 3;

/// The number of rows that `--only-differences` shows before and after each difference.
const CONTEXT_ROWS: usize = 1;

/// The options of the output.
#[derive(Debug)]
pub struct View {
    /// The names of the siblings.
    pub names: [String; 2],
    /// The width of the terminal, in characters.
    pub columns: usize,
    /// Indicates whether code that is the same in both siblings is omitted.
    pub only_differences: bool,
}

impl View {
    /// Prints all sections.
    pub fn print(&self, compared: &[Compared]) {
        let [first, second] = &self.names;
        let legend = if self.is_side_by_side() {
            format!(
                "`|` marks lines that differ, `<` marks lines of {first}, and `>` marks lines of \
                 {second}.\n"
            )
        } else {
            format!(
                "`<` marks lines of {first}, and `>` marks lines of {second}.\n\
                 Other lines are the same. "
            )
        };
        print(format_args!("{legend}Comments and line breaks are not compared."));
        compared.iter().for_each(|section| self.section(section));
        if compared.len() > 1 {
            self.summary(compared);
        }
    }

    fn is_side_by_side(&self) -> bool {
        self.columns >= SIDE_BY_SIDE_COLUMNS_MIN
    }

    fn section(&self, section: &Compared) {
        let [first, second] = &self.names;
        let note = match section.is_in {
            [true, false] => format!(": only in {first}"),
            [false, true] => format!(": only in {second}"),
            _ if section.differs() => String::new(),
            _ => ": the same".to_owned(),
        };
        print(Style::new().bold().apply_to(format!("\n== {}{note}", section.name)));
        if self.only_differences && !section.differs() {
            return;
        }
        if self.is_side_by_side() {
            self.side_by_side(&Row { texts: self.names.clone(), differs: false });
        }
        let is_shown = |at: usize| {
            let start = at.saturating_sub(CONTEXT_ROWS);
            let mut near = section.rows[start..].iter().take(at + CONTEXT_ROWS + 1 - start);
            !self.only_differences || near.any(|row| row.differs)
        };
        let rows: Vec<(bool, &Row)> =
            section.rows.iter().enumerate().map(|(at, row)| (is_shown(at), row)).collect();
        for run in rows.chunk_by(|row, next| row.0 == next.0 && row.1.differs == next.1.differs) {
            match run[0].0 {
                false => {
                    print(format_args!("  … {} without differences", counted(run.len(), "row")))
                }
                true if self.is_side_by_side() => {
                    run.iter().for_each(|(_, row)| self.side_by_side(row));
                }
                true => self.one_below_the_other(run),
            }
        }
    }

    /// Returns the maximum width of each sibling's text, in characters.
    fn width(&self) -> usize {
        match self.is_side_by_side() {
            true => (self.columns - SIGN_COLUMNS) / 2,
            false => self.columns - 2,
        }
    }

    fn side_by_side(&self, row: &Row) {
        let texts = self.painted(row);
        let sign = match texts.each_ref().map(String::is_empty) {
            _ if !row.differs => ' ',
            [false, true] => '<',
            [true, false] => '>',
            _ => '|',
        };
        let [mut first, mut second] = texts.each_ref().map(|text| text.lines());
        for _ in 0..first.clone().count().max(second.clone().count()) {
            let left = pad_str(first.next().unwrap_or(""), self.width(), Alignment::Left, None);
            let right = second.next().unwrap_or("");
            print(format!("{left} {sign} {right}").trim_end());
        }
    }

    /// If the code is the same in both siblings, prints the code once. If the code differs, prints
    /// the code of the first sibling, then the code of the second sibling.
    fn one_below_the_other(&self, rows: &[(bool, &Row)]) {
        let signs: &[char] = if rows[0].1.differs { &['<', '>'] } else { &[' '] };
        for (side, sign) in signs.iter().enumerate() {
            for texts in rows.iter().map(|(_, row)| self.painted(row)) {
                // If only the second sibling has comments here, the function prints these comments.
                let side = if *sign == ' ' && texts[0].is_empty() { 1 } else { side };
                texts[side].lines().for_each(|line| print(format!("{sign} {line}").trim_end()));
            }
        }
    }

    /// Wraps the two texts of a row, and colors the words that differ.
    fn painted(&self, row: &Row) -> [String; 2] {
        let texts = row.texts.each_ref().map(|text| wrapped(text, self.width()));
        if row.texts.iter().all(|text| words(text).is_empty()) {
            return texts;
        }
        let words = texts.each_ref().map(|text| words(text));
        let styles = [Style::new().red().bold(), Style::new().green().bold()];
        let mut painted = [String::new(), String::new()];
        let mut ends = [0, 0];
        let ops = capture_diff_slices_by_key(Patience, &words[0], &words[1], Match::as_str);
        for (at, op) in ops.iter().enumerate() {
            let is_between_changes = 0 < at && at + 1 < ops.len();
            // Punctuation between two changes is often the same by chance, so it is colored, too.
            let is_in_name = |c: char| c.is_alphanumeric() || "_\"'".contains(c);
            let mut old = words[0][op.old_range()].iter();
            let has_name = old.any(|word| word.as_str().starts_with(is_in_name));
            if op.tag() == DiffTag::Equal && (has_name || !is_between_changes) {
                continue;
            }
            for (side, range) in [op.old_range(), op.new_range()].into_iter().enumerate() {
                let changed = &words[side][range];
                let Some((first, last)) = changed.first().zip(changed.last()) else { continue };
                let changed = &texts[side][first.start()..last.end()];
                let lines = changed.lines().map(|line| styles[side].apply_to(line).to_string());
                painted[side] += &texts[side][ends[side]..first.start()];
                painted[side] += &lines.collect::<Vec<String>>().join("\n");
                ends[side] = last.end();
            }
        }
        [0, 1].map(|side| painted[side].clone() + &texts[side][ends[side]..])
    }

    fn summary(&self, compared: &[Compared]) {
        let [first, second] = &self.names;
        let count = |is_in: [bool; 2]| compared.iter().filter(|it| it.is_in == is_in).count();
        let same = compared.iter().filter(|section| !section.differs()).count();
        print(format_args!(
            "\nsections: {} different, {same} the same, {} only in {first}, {} only in {second}",
            count([true, true]) - same,
            count([true, false]),
            count([false, true]),
        ));
    }
}
