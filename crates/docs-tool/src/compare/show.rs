//! Formats a comparison for a terminal.

use std::ops::Range;

use console::{Alignment, Style, pad_str};

use super::{Compared, Row, Side};

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
    /// Whether differences are colored.
    pub is_colored: bool,
    /// Whether the code that is the same is omitted.
    pub only_differences: bool,
}

/// Returns the text for all sections.
pub fn show(compared: &[Compared], view: &View) -> String {
    let mut output = Output { view, text: String::new() };
    output.legend();
    for section in compared {
        output.section(section);
    }
    if compared.len() > 1 {
        output.summary(compared);
    }
    output.text
}

struct Output<'a> {
    view: &'a View,
    text: String,
}

impl Output<'_> {
    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn style(&self) -> Style {
        Style::new().force_styling(self.view.is_colored)
    }

    /// Returns the style of the changes in the first or the second sibling.
    fn change_style(&self, side: usize) -> Style {
        let style = self.style().bold();
        if side == 0 { style.red() } else { style.green() }
    }

    fn is_side_by_side(&self) -> bool {
        self.view.columns >= SIDE_BY_SIDE_COLUMNS_MIN
    }

    fn legend(&mut self) {
        let [first, second] = &self.view.names;
        let legend = if self.is_side_by_side() {
            format!("`|` marks different lines, `<` those of {first}, `>` those of {second}.")
        } else {
            format!("`<` marks lines of {first}, `>` those of {second}. Other lines are the same.")
        };
        self.line(&legend);
        self.line("Comments and line breaks are not compared.");
    }

    fn section(&mut self, section: &Compared) {
        let [first, second] = &self.view.names;
        let note = match section.is_in {
            [true, false] => format!(": only in {first}"),
            [false, true] => format!(": only in {second}"),
            _ if section.differs() => String::new(),
            _ => ": the same".to_owned(),
        };
        let heading = self.style().bold().apply_to(format!("== {}{note}", section.name));
        self.line(&format!("\n{heading}"));
        if self.view.only_differences && !section.differs() {
            return;
        }
        if self.is_side_by_side() {
            self.line(&format!("{first:width$}{:SIGN_COLUMNS$}{second}", "", width = self.width()));
        }
        let differs = |at: usize| section.rows.get(at).is_some_and(|row| row.differs);
        let is_shown = |at: usize| {
            let mut near = at.saturating_sub(CONTEXT_ROWS)..=at + CONTEXT_ROWS;
            !self.view.only_differences || near.any(differs)
        };
        let rows: Vec<(bool, &Row)> =
            section.rows.iter().enumerate().map(|(at, row)| (is_shown(at), row)).collect();
        for run in rows.chunk_by(|row, next| row.0 == next.0) {
            let rows: Vec<&Row> = run.iter().map(|(_, row)| *row).collect();
            if !run[0].0 {
                let lines: usize = rows.iter().map(|row| row.sides[0].text.lines().count()).sum();
                self.line(&format!("  … {lines} the same"));
            } else if self.is_side_by_side() {
                rows.into_iter().for_each(|row| self.side_by_side(row));
            } else {
                self.one_below_the_other(&rows);
            }
        }
    }

    /// Returns the width of each of two columns.
    fn width(&self) -> usize {
        (self.view.columns - SIGN_COLUMNS) / 2
    }

    fn side_by_side(&mut self, row: &Row) {
        let width = self.width();
        let pieces = |side: usize| wrap(&row.sides[side], width, &self.change_style(side));
        let (first, second) = (pieces(0), pieces(1));
        for at in 0..first.len().max(second.len()) {
            let piece = |pieces: &[String]| pieces.get(at).cloned().unwrap_or_default();
            let (first, second) = (piece(&first), piece(&second));
            let first = pad_str(&first, width, Alignment::Left, None);
            self.line(&format!("{first} {} {second}", row.sign()));
        }
    }

    /// Shows the lines that are the same once, and different lines first in one, then in the other
    /// sibling.
    fn one_below_the_other(&mut self, rows: &[&Row]) {
        for run in rows.chunk_by(|row, next| row.differs == next.differs) {
            let signs = if run[0].differs { vec!['<', '>'] } else { vec![' '] };
            for (side, sign) in signs.into_iter().enumerate() {
                let style = self.change_style(side);
                for row in run {
                    for piece in wrap(&row.sides[side], self.view.columns - 2, &style) {
                        self.line(&format!("{sign} {piece}"));
                    }
                }
            }
        }
    }

    fn summary(&mut self, compared: &[Compared]) {
        let [first, second] = &self.view.names;
        let count =
            |is_in: [bool; 2]| compared.iter().filter(|section| section.is_in == is_in).count();
        let same = compared.iter().filter(|section| !section.differs()).count();
        let differ = count([true, true]) - same;
        self.line(&format!(
            "\n{differ} parts differ, {same} are the same, {} only in {first}, {} only in {second}",
            count([true, false]),
            count([false, true]),
        ));
    }
}

/// Splits a text into lines of at most `width` columns, with the changes in this style.
fn wrap(side: &Side, width: usize, style: &Style) -> Vec<String> {
    let mut wrapped = Vec::new();
    let mut start = 0;
    for line in side.text.lines() {
        let indent = line.len() - line.trim_start().len();
        let indent_of_rest = (indent + WRAP_INDENT).min(width / 2);
        let mut spaces = 0;
        let mut rest = line;
        loop {
            let (piece, next) = rest.split_at(piece_len(rest, width - spaces));
            wrapped.push(" ".repeat(spaces) + &painted(side, start..start + piece.len(), style));
            rest = next.trim_start();
            start += piece.len() + next.len() - rest.len();
            spaces = indent_of_rest;
            if rest.is_empty() {
                break;
            }
        }
        start += 1;
    }
    wrapped
}

/// Returns the length of the first piece of a line. The piece ends at the last space that fits, if
/// there is one after the indentation.
fn piece_len(line: &str, width: usize) -> usize {
    let Some((limit, _)) = line.char_indices().nth(width) else { return line.len() };
    let space = line[..limit].rfind(' ').filter(|&space| !line[..space].trim().is_empty());
    space.unwrap_or(limit)
}

/// Returns a piece of a text, with the changes in this style.
fn painted(side: &Side, piece: Range<usize>, style: &Style) -> String {
    let mut painted = String::new();
    let mut at = piece.start;
    for change in &side.changes {
        let (start, end) = (change.start.max(piece.start), change.end.min(piece.end));
        if start < end {
            painted.push_str(&side.text[at..start]);
            painted.push_str(&style.apply_to(&side.text[start..end]).to_string());
            at = end;
        }
    }
    painted + &side.text[at..piece.end]
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;

    use super::super::compare;
    use super::*;

    const FIRST: &str = "fn a() {\n    let file = open(path)?;\n    one();\n    two();\n    three();\n}\n\
                         \nfn b() {}\n";

    fn view(columns: usize) -> View {
        let names = ["std".to_owned(), "smol".to_owned()];
        View { names, columns, is_colored: false, only_differences: false }
    }

    fn show_await(view: &View) -> String {
        show(&compare(FIRST, &FIRST.replace(")?", ").await?")), view)
    }

    #[test]
    fn a_narrow_terminal_shows_one_below_the_other() {
        let text = show_await(&view(80));
        let expected = "\n== a\n  fn a() {\n<     let file = open(path)?;\n>     let file = \
                        open(path).await?;\n      one();\n";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("\n== b: the same\n  fn b() {}\n"), "{text}");
        let summary = "\n1 parts differ, 1 are the same, 0 only in std, 0 only in smol\n";
        assert!(text.ends_with(summary), "{text}");
    }

    #[test]
    fn a_wide_terminal_shows_both_side_by_side() {
        let text = show_await(&view(120));
        let line = text.lines().find(|line| line.contains(".await")).unwrap();
        assert_eq!(line.find('|'), Some(59), "{text}");
        assert!(line.starts_with("    let file = open(path)?;  "), "{text}");
    }

    #[test]
    fn the_code_that_is_the_same_can_be_omitted() {
        let text = show_await(&View { only_differences: true, ..view(80) });
        let expected = "      one();\n  … 3 the same\n\n== b: the same\n\n1 parts";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn a_signature_with_other_line_breaks_is_shown_as_a_whole() {
        let first = "async fn a(one: One, two: Two) {\n    b();\n}\n";
        let second = "async fn a(\n    mut one: Other,\n    two: Two,\n) {\n    b();\n}\n";
        let text = show(&compare(first, second), &view(80));
        let expected = "< async fn a(one: One, two: Two) {\n> async fn a(\n>     mut one: Other,\n>     \
                        two: Two,\n> ) {\n      b();\n  }\n";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn only_different_words_are_colored() {
        let text = show_await(&View { is_colored: true, ..view(80) });
        assert!(text.contains("open(path)\u{1b}[32m\u{1b}[1m.await\u{1b}[0m?;"), "{text:?}");
        assert!(!show_await(&view(80)).contains('\u{1b}'));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let first =
            format!("fn a() {{\n    // {}\n    {}\n}}\n", "word ".repeat(60), "x".repeat(300));
        for columns in [40, 80, 110, 131] {
            let view = View { is_colored: true, ..view(columns) };
            for line in show(&compare(&first, "fn a() {}\n"), &view).lines().skip(2) {
                assert!(measure_text_width(line) <= columns, "{columns}: {line}");
            }
        }
    }
}
