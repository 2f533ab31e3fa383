//! How two siblings are shown in a terminal.

use std::ops::Range;

use console::{Style, measure_text_width};

use super::{Compared, Line, Row};

/// From so many columns on, two stand beside each other.
pub const BESIDE_COLUMNS_MIN: usize = 110;

/// Above and below what differs, so many lines are shown of what does not.
const CONTEXT_LINES: usize = 1;

/// How far the rest of a line is indented that had to be broken.
const BROKEN_INDENT: usize = 4;

/// How it is to be shown.
#[derive(Clone, Debug)]
pub struct Look {
    /// The first's and the second's name.
    pub names: [String; 2],
    /// The terminal's columns.
    pub columns: usize,
    /// Whether words that differ are coloured.
    pub is_coloured: bool,
    /// Whether what is the same is left out.
    pub only_differences: bool,
}

/// All sections, as text.
#[must_use]
pub fn show(compared: &[Compared], look: &Look) -> String {
    let mut shower = Shower { look, out: String::new() };
    shower.legend();
    for section in compared {
        shower.section(section);
    }
    shower.summary(compared);
    shower.out
}

struct Shower<'a> {
    look: &'a Look,
    out: String,
}

impl Shower<'_> {
    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn style(&self) -> Style {
        Style::new().force_styling(self.look.is_coloured)
    }

    fn is_beside(&self) -> bool {
        self.look.columns >= BESIDE_COLUMNS_MIN
    }

    fn legend(&mut self) {
        let [first, second] = self.look.names.clone();
        let signs = match self.is_beside() {
            true => format!("`|` differs, `<` is in {first} alone, `>` is in {second} alone."),
            false => format!("`<` is {first}, `>` is {second}, the rest is the same in both."),
        };
        self.line(&signs);
        self.line("Words of comments and where lines break do not count.");
    }

    fn section(&mut self, section: &Compared) {
        let [first, second] = self.look.names.clone();
        let says = match (section.is_in_first, section.is_in_second) {
            (true, false) => format!(": only in {first}"),
            (false, true) => format!(": only in {second}"),
            _ if section.differs() => String::new(),
            _ => ": the same".to_owned(),
        };
        let title = self.style().bold().apply_to(format!("== {}{says}", section.name));
        self.line(&format!("\n{title}"));
        if self.look.only_differences && !section.differs() {
            return;
        }
        if self.is_beside() {
            let width = self.column_width();
            self.line(&format!(
                "{first:width$}   {second}",
                first = self.look.names[0],
                second = self.look.names[1]
            ));
        }
        let shown = self.shown(&section.rows);
        let mut rest = &section.rows[..];
        let mut shown = &shown[..];
        while let Some(&is_shown) = shown.first() {
            let run = shown.iter().take_while(|it| **it == is_shown).count();
            let (rows, below) = rest.split_at(run);
            match (is_shown, self.is_beside()) {
                (false, _) => self.line(&format!("  … {run} the same")),
                (true, true) => rows.iter().for_each(|row| self.beside(row)),
                (true, false) => self.below(rows),
            }
            (rest, shown) = (below, &shown[run..]);
        }
    }

    /// Which rows are shown.
    fn shown(&self, rows: &[Row]) -> Vec<bool> {
        let differs = |at: usize| rows.get(at).is_some_and(Row::is_touched);
        let is_near =
            |at: usize| (at.saturating_sub(CONTEXT_LINES)..=at + CONTEXT_LINES).any(differs);
        (0..rows.len()).map(|at| !self.look.only_differences || is_near(at)).collect()
    }

    /// What one column may have: the sign stands between them with a space at each side.
    fn column_width(&self) -> usize {
        (self.look.columns - 3) / 2
    }

    fn beside(&mut self, row: &Row) {
        let width = self.column_width();
        let cells = |line: &Option<Line>, style: &Style| {
            line.as_ref().map_or(Vec::new(), |line| broken(line, width, style))
        };
        let (red, green) = (self.style().red().bold(), self.style().green().bold());
        let (first, second) = (cells(&row.first, &red), cells(&row.second, &green));
        for at in 0..first.len().max(second.len()).max(1) {
            let cell = |cells: &[String]| cells.get(at).cloned().unwrap_or_default();
            let (first, second) = (cell(&first), cell(&second));
            let room = " ".repeat(width.saturating_sub(measure_text_width(&first)));
            let sign = if at == 0 { row.mark.sign() } else { ' ' };
            self.line(&format!("{first}{room} {sign} {second}"));
        }
    }

    /// One under the other: what is the same once, what differs first here, then there.
    fn below(&mut self, rows: &[Row]) {
        let is_alone = |row: &Row| {
            let alone = row.first.as_ref().xor(row.second.as_ref());
            alone.is_some_and(|line| !line.is_code && !line.text.trim().is_empty())
        };
        // A comment that only one has belongs to what differs next to it.
        let is_in = |row: &Row| row.is_touched() || is_alone(row);
        for run in rows.chunk_by(|row, next| is_in(row) == is_in(next)) {
            let differs = run.iter().any(Row::is_touched);
            let sign = if differs { '<' } else { ' ' };
            run.iter().filter_map(|row| row.first.as_ref()).for_each(|it| self.signed(sign, it));
            if differs {
                run.iter()
                    .filter_map(|row| row.second.as_ref())
                    .for_each(|it| self.signed('>', it));
            }
        }
    }

    fn signed(&mut self, sign: char, line: &Line) {
        let style = match sign {
            '<' => self.style().red().bold(),
            '>' => self.style().green().bold(),
            _ => self.style(),
        };
        for piece in broken(line, self.look.columns - 2, &style) {
            self.line(&format!("{sign} {piece}"));
        }
    }

    fn summary(&mut self, compared: &[Compared]) {
        let [first, second] = &self.look.names;
        let count = |is_so: &dyn Fn(&&Compared) -> bool| compared.iter().filter(is_so).count();
        let same = count(&|it| !it.differs());
        let first_only = count(&|it| it.is_in_first && !it.is_in_second);
        let second_only = count(&|it| !it.is_in_first && it.is_in_second);
        let differ = compared.len() - same - first_only - second_only;
        if compared.len() > 1 {
            let summary = format!(
                "\n{differ} parts differ, {same} are the same, {first_only} only in {first}, \
                 {second_only} only in {second}"
            );
            self.line(&summary);
        }
    }
}

/// A line's pieces that fit, with what differs in this style.
fn broken(line: &Line, width: usize, style: &Style) -> Vec<String> {
    let indent = line.text.len() - line.text.trim_start().len();
    let rest_indent = (indent + BROKEN_INDENT).min(width / 2);
    let mut pieces = Vec::new();
    let mut from = 0;
    loop {
        let room = if from == 0 { width } else { width - rest_indent };
        let end = piece_end(&line.text, from, room);
        let spaces = if from == 0 { 0 } else { rest_indent };
        pieces.push(" ".repeat(spaces) + &painted(line, from..end, style));
        from = end + (line.text.len() - end - line.text[end..].trim_start().len());
        if from >= line.text.len() {
            return pieces;
        }
    }
}

/// Where a piece ends that begins there: at the last space that fits, if there is one.
fn piece_end(text: &str, from: usize, room: usize) -> usize {
    let mut places = text[from..].char_indices().map(|(at, _)| from + at);
    let Some(over) = places.nth(room) else { return text.len() };
    // The indentation itself is no place to break at.
    let begin = from + (text[from..].len() - text[from..].trim_start().len());
    match text[from..over].rfind(' ').map(|at| from + at).filter(|&at| at > begin) {
        Some(space) => space,
        None => over,
    }
}

/// A piece of a line, with what differs in this style.
fn painted(line: &Line, piece: Range<usize>, style: &Style) -> String {
    let mut out = String::new();
    let mut at = piece.start;
    for range in &line.differs {
        let (start, end) = (range.start.max(piece.start), range.end.min(piece.end));
        if start < end {
            out.push_str(&line.text[at..start]);
            out.push_str(&style.apply_to(&line.text[start..end]).to_string());
            at = end;
        }
    }
    out + &line.text[at..piece.end]
}

#[cfg(test)]
mod tests {
    use super::super::compare;
    use super::*;

    const FIRST: &str = "fn a() {\n    let file = open(path)?;\n    one();\n    two();\n    three();\n}\n\
                         \nfn b() {}\n";
    const SECOND: &str = "fn a() {\n    let file = open(path).await?;\n    one();\n    two();\n    three();\n}\n\nfn b() {}\n";

    fn shown(columns: usize, only_differences: bool, is_coloured: bool) -> String {
        let names = ["std".to_owned(), "smol".to_owned()];
        let look = Look { names, columns, is_coloured, only_differences };
        show(&compare(FIRST, SECOND), &look)
    }

    #[test]
    fn a_narrow_terminal_has_one_under_the_other() {
        let text = shown(80, false, false);
        let expected = "\n== a\n  fn a() {\n<     let file = open(path)?;\n>     let file = \
                        open(path).await?;\n      one();\n";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("\n== b: the same\n  fn b() {}\n"), "{text}");
        assert!(
            text.ends_with("\n1 parts differ, 1 are the same, 0 only in std, 0 only in smol\n")
        );
    }

    #[test]
    fn a_wide_terminal_has_them_beside_each_other() {
        let text = shown(120, false, false);
        let line = text.lines().find(|line| line.contains(".await")).unwrap();
        assert_eq!(line.find('|'), Some(59), "{text}");
        assert!(line.starts_with("    let file = open(path)?;  "), "{text}");
    }

    #[test]
    fn what_is_the_same_can_be_left_out() {
        let text = shown(80, true, false);
        assert!(
            text.contains("      one();\n  … 3 the same\n\n== b: the same\n\n1 parts"),
            "{text}"
        );
    }

    #[test]
    fn a_signature_stays_whole_however_it_is_broken() {
        let first = "async fn a(one: One, two: Two) {\n    b();\n}\n";
        let second = "async fn a(\n    mut one: Other,\n    two: Two,\n) {\n    b();\n}\n";
        let names = ["std".to_owned(), "smol".to_owned()];
        let look = Look { names, columns: 80, is_coloured: false, only_differences: false };
        let text = show(&compare(first, second), &look);
        let expected = "< async fn a(one: One, two: Two) {\n> async fn a(\n>     mut one: Other,\n>     \
                        two: Two,\n> ) {\n      b();\n  }\n";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn words_that_differ_are_coloured() {
        let text = shown(80, false, true);
        assert!(text.contains("open(path)\u{1b}[32m\u{1b}[1m.await\u{1b}[0m?;"), "{text:?}");
        assert!(!shown(80, false, false).contains('\u{1b}'));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let word = "word ".repeat(60);
        let first = format!("fn a() {{\n    // {word}\n    {}\n}}\n", "x".repeat(300));
        for columns in [40, 80, 110, 131] {
            let names = ["std".to_owned(), "smol".to_owned()];
            let look = Look { names, columns, is_coloured: true, only_differences: false };
            let text = show(&compare(&first, "fn a() {}\n"), &look);
            for line in text.lines().skip(2) {
                assert!(measure_text_width(line) <= columns, "{columns}: {line}");
            }
        }
    }
}
