//! Compares two siblings function by function.

pub mod code;
pub mod command;
pub mod show;

use std::collections::BTreeSet;
use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use code::{Section, Token, sections, tokens};

/// What a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing that differs, but for words in comments and where lines break.
    Same,
    /// Both sides, which differ.
    Changed,
    /// Only the first.
    First,
    /// Only the second.
    Second,
}

impl Mark {
    /// As `sdiff` has it.
    #[must_use]
    pub fn sign(self) -> char {
        match self {
            Self::Same => ' ',
            Self::Changed => '|',
            Self::First => '<',
            Self::Second => '>',
        }
    }
}

/// A line of one side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// As it stands.
    pub text: String,
    /// Where it differs from the other side.
    pub differs: Vec<Range<usize>>,
    /// Whether it has anything but a comment.
    pub is_code: bool,
    /// Whether it differs, or what the other side has in its place: that may be several lines.
    pub is_touched: bool,
}

/// What stands at the same height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Of the first side.
    pub first: Option<Line>,
    /// Of the second.
    pub second: Option<Line>,
    /// How they differ.
    pub mark: Mark,
}

/// A function, or what stands outside of functions, in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The function's name, the anchor's, or the item's.
    pub name: String,
    /// From top to bottom.
    pub rows: Vec<Row>,
    /// Whether the first has it at all.
    pub is_in_first: bool,
    /// Whether the second has.
    pub is_in_second: bool,
}

impl Row {
    /// Whether any of its lines has to do with what differs.
    #[must_use]
    pub fn is_touched(&self) -> bool {
        [&self.first, &self.second].into_iter().flatten().any(|line| line.is_touched)
    }
}

impl Compared {
    /// Whether anything in it really differs.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.rows.iter().any(|row| row.mark != Mark::Same)
    }
}

/// Compares two sources: sections of one name with each other, in the first's order; what only the
/// second has stands behind what it follows there.
#[must_use]
pub fn compare(first: &str, second: &str) -> Vec<Compared> {
    let (firsts, seconds) = (sections(first), sections(second));
    let find = |sections: &[Section], name: &str| {
        sections.iter().find(|section| section.name == name).map(|it| it.lines.clone())
    };
    let mut names: Vec<&str> = firsts.iter().map(|section| section.name.as_str()).collect();
    let mut after = 0;
    for section in &seconds {
        match names.iter().position(|name| *name == section.name) {
            Some(at) => after = at + 1,
            None => {
                names.insert(after, &section.name);
                after += 1;
            }
        }
    }
    let both = names.into_iter().map(|name| {
        let (first, second) = (find(&firsts, name), find(&seconds, name));
        Compared {
            name: name.to_owned(),
            is_in_first: first.is_some(),
            is_in_second: second.is_some(),
            rows: rows(&first.unwrap_or_default(), &second.unwrap_or_default()),
        }
    });
    both.collect()
}

/// Lines of two sections beside each other.
#[must_use]
pub fn rows(first: &[String], second: &[String]) -> Vec<Row> {
    let (first_tokens, second_tokens) = (tokens(first), tokens(second));
    let pairs = pairs(&first_tokens, &second_tokens);
    let mut firsts = lines(first, &first_tokens, |at| pairs.iter().any(|pair| pair.0 == at));
    let mut seconds = lines(second, &second_tokens, |at| pairs.iter().any(|pair| pair.1 == at));
    touch(&mut firsts, &mut seconds, &lines_of(&pairs, &first_tokens, &second_tokens));
    let mut scores = vec![vec![0; second.len()]; first.len()];
    for &(first, second) in &pairs {
        // A name says more of a line than a bracket.
        let weight = if first_tokens[first].is_word() { 10 } else { 1 };
        scores[first_tokens[first].line][second_tokens[second].line] += 4 * weight;
    }
    for (at, line) in firsts.iter().enumerate().filter(|(_, line)| !line.is_code) {
        for (other_at, other) in seconds.iter().enumerate().filter(|(_, line)| !line.is_code) {
            let are_blank = (line.text.trim().is_empty(), other.text.trim().is_empty());
            scores[at][other_at] = match are_blank {
                (true, true) => 1,
                (false, false) if line.text == other.text => 30,
                (false, false) => 2,
                _ => 0,
            };
        }
    }
    let mut rows = Vec::new();
    let (mut from, mut other_from) = (0, 0);
    let ends = [(first.len(), second.len())];
    for (at, other_at) in best_path(&scores).into_iter().chain(ends) {
        gap(&mut rows, &mut firsts[from..at], &mut seconds[other_from..other_at]);
        if at < first.len() {
            rows.push(row(Some(take(&mut firsts[at])), Some(take(&mut seconds[other_at]))));
        }
        (from, other_from) = (at + 1, other_at + 1);
    }
    rows
}

/// Lines that have something in common.
fn lines_of(
    pairs: &[(usize, usize)],
    first: &[Token<'_>],
    second: &[Token<'_>],
) -> BTreeSet<(usize, usize)> {
    pairs.iter().map(|&(at, other)| (first[at].line, second[other].line)).collect()
}

/// What has to do with lines that differ is touched.
fn touch(firsts: &mut [Line], seconds: &mut [Line], pairs: &BTreeSet<(usize, usize)>) {
    for line in firsts.iter_mut().chain(seconds.iter_mut()) {
        line.is_touched = !line.differs.is_empty();
    }
    let mut has_changed = true;
    while has_changed {
        has_changed = false;
        for &(at, other) in pairs {
            if firsts[at].is_touched != seconds[other].is_touched {
                (firsts[at].is_touched, seconds[other].is_touched) = (true, true);
                has_changed = true;
            }
        }
    }
}

fn take(line: &mut Line) -> Line {
    std::mem::take(line)
}

/// Lines between two that belong together: beside each other if they differ, else one by one.
fn gap(rows: &mut Vec<Row>, firsts: &mut [Line], seconds: &mut [Line]) {
    let is_changed = |line: &Line| !line.differs.is_empty();
    if firsts.iter().all(is_changed) && seconds.iter().all(is_changed) {
        for at in 0..firsts.len().max(seconds.len()) {
            rows.push(row(firsts.get_mut(at).map(take), seconds.get_mut(at).map(take)));
        }
    } else {
        rows.extend(firsts.iter_mut().map(|line| row(Some(take(line)), None)));
        rows.extend(seconds.iter_mut().map(|line| row(None, Some(take(line)))));
    }
}

fn row(first: Option<Line>, second: Option<Line>) -> Row {
    let differs = |line: &Option<Line>| line.as_ref().is_some_and(|line| !line.differs.is_empty());
    let mark = match (differs(&first), differs(&second)) {
        (false, false) => Mark::Same,
        (true, false) if second.is_none() => Mark::First,
        (false, true) if first.is_none() => Mark::Second,
        _ => Mark::Changed,
    };
    Row { first, second, mark }
}

/// The lines, with what of them has no partner.
fn lines(texts: &[String], tokens: &[Token<'_>], has_partner: impl Fn(usize) -> bool) -> Vec<Line> {
    let mut lines: Vec<Line> =
        texts.iter().map(|text| Line { text: text.clone(), ..Line::default() }).collect();
    for (at, token) in tokens.iter().enumerate() {
        let line = &mut lines[token.line];
        line.is_code = true;
        if has_partner(at) {
            continue;
        }
        match line.differs.last_mut() {
            // What is between two that differ is no reason to stop.
            Some(last) if texts[token.line][last.end..token.range.start].trim().is_empty() => {
                last.end = token.range.end;
            }
            _ => line.differs.push(token.range.clone()),
        }
    }
    lines
}

/// Tokens that are the same in both, by their numbers: those of lines that are the same first, then
/// what is the same between such lines.
fn pairs(first: &[Token<'_>], second: &[Token<'_>]) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let (firsts, seconds) = (by_line(first), by_line(second));
    let texts = |tokens: &[Token<'_>], lines: &[Range<usize>]| -> Vec<String> {
        let text = |line: &Range<usize>| {
            let words = tokens[line.clone()].iter().filter(|token| token.is_word()).count();
            let texts: Vec<&str> = tokens[line.clone()].iter().map(|token| token.text).collect();
            // A line of brackets is like any other: it holds nothing together.
            if words > 1 { texts.join(" ") } else { format!("{:p} {}", tokens, line.start) }
        };
        lines.iter().map(text).collect()
    };
    let lines = (texts(first, &firsts), texts(second, &seconds));
    let mut from = (0, 0);
    for op in capture_diff_slices(Algorithm::Patience, &lines.0, &lines.1) {
        let DiffOp::Equal { old_index, new_index, len } = op else { continue };
        for at in 0..len {
            let (line, other) = (firsts[old_index + at].clone(), seconds[new_index + at].clone());
            pairs_between(&mut pairs, first, second, (from.0..line.start, from.1..other.start));
            pairs.extend(line.clone().zip(other.clone()));
            from = (line.end, other.end);
        }
    }
    pairs_between(&mut pairs, first, second, (from.0..first.len(), from.1..second.len()));
    slide(first, &mut pairs, |pair| &mut pair.0);
    slide(second, &mut pairs, |pair| &mut pair.1);
    pairs
}

/// What one side has more often begins one sign too early: `).call(` and not `.call()`. Then it is
/// moved on, as long as that is the same.
fn slide(
    tokens: &[Token<'_>],
    pairs: &mut [(usize, usize)],
    side: impl Fn(&mut (usize, usize)) -> &mut usize,
) {
    let mut from = 0;
    for pair in pairs {
        let at = side(pair);
        let is_closing = |token: &Token<'_>| [")", "]", "}", "?", ";", ","].contains(&token.text);
        let are_alike = from < *at
            && tokens[from].text == tokens[*at].text
            && tokens[from].line == tokens[*at].line;
        if are_alike && is_closing(&tokens[from]) {
            *at = from;
        }
        from = *at + 1;
    }
}

/// Where the tokens of each line are.
fn by_line(tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    let mut from = 0;
    let lines = tokens.chunk_by(|one, next| one.line == next.line).map(|line| {
        let range = from..from + line.len();
        from = range.end;
        range
    });
    lines.collect()
}

fn pairs_between(
    pairs: &mut Vec<(usize, usize)>,
    first: &[Token<'_>],
    second: &[Token<'_>],
    (old, new): (Range<usize>, Range<usize>),
) {
    let texts = |tokens: &[Token<'_>]| -> Vec<String> {
        tokens.iter().map(|token| token.text.to_owned()).collect()
    };
    let (olds, news) = (texts(&first[old.clone()]), texts(&second[new.clone()]));
    let ops = capture_diff_slices(Algorithm::Patience, &olds, &news);
    let count = ops.len();
    for (number, op) in ops.into_iter().enumerate() {
        let DiffOp::Equal { old_index, new_index, len } = op else { continue };
        let (old_index, new_index) = (old.start + old_index, new.start + new_index);
        // A few brackets between what differs are the same by chance.
        let is_between = number > 0 && number + 1 < count;
        let has_word = first[old_index..old_index + len].iter().any(Token::is_word);
        if !is_between || has_word || len > 3 {
            pairs.extend((0..len).map(|at| (old_index + at, new_index + at)));
        }
    }
}

/// The pairs of lines, in order on both sides, whose scores together are the highest.
fn best_path(scores: &[Vec<u32>]) -> Vec<(usize, usize)> {
    let (height, width) = (scores.len(), scores.first().map_or(0, Vec::len));
    let mut best = vec![vec![0; width + 1]; height + 1];
    for at in (0..height).rev() {
        for other in (0..width).rev() {
            let with = scores[at][other] + best[at + 1][other + 1];
            best[at][other] = with.max(best[at + 1][other]).max(best[at][other + 1]);
        }
    }
    let (mut at, mut other) = (0, 0);
    let mut path = Vec::new();
    while at < height && other < width {
        let score = scores[at][other];
        if score > 0 && best[at][other] == score + best[at + 1][other + 1] {
            path.push((at, other));
            (at, other) = (at + 1, other + 1);
        } else if best[at][other] == best[at + 1][other] {
            at += 1;
        } else {
            other += 1;
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn marks(first: &str, second: &str) -> String {
        rows(&lines(first), &lines(second)).iter().map(|row| row.mark.sign()).collect()
    }

    #[test]
    fn what_is_the_same_is_not_marked() {
        assert_eq!(marks("fn a() {\n    b()\n}", "fn a() {\n    b()\n}"), "   ");
    }

    #[test]
    fn the_wording_of_comments_is_not_real() {
        assert_eq!(marks("// One.\nb();", "// Another,\n// longer.\nb(); // c").trim(), "");
        assert_eq!(marks("b();", "/// c\nb();").trim(), "");
    }

    #[test]
    fn the_breaks_of_lines_are_not_real() {
        let broken = "call(\n    first,\n    second,\n)?;";
        assert_eq!(marks("call(first, second)?;", broken).trim(), "");
    }

    #[test]
    fn what_differs_is_marked_where_it_is() {
        let rows = rows(&lines("let a = read(x);\nb();"), &lines("let a = read(x).await;\nb();"));
        assert_eq!((rows[0].mark, rows[1].mark), (Mark::Changed, Mark::Same));
        let second = rows[0].second.as_ref().unwrap();
        assert_eq!(&second.text[second.differs[0].clone()], ".await");
        assert!(rows[0].first.as_ref().unwrap().differs.is_empty());
    }

    #[test]
    fn what_only_one_has_is_marked_with_its_side() {
        assert_eq!(marks("a();\nb();\nc();", "a();\nc();"), " < ");
        assert_eq!(marks("a();\nc();", "a();\nb();\nc();"), " > ");
        assert_eq!(marks("a();\nold(1);\nc();", "a();\nnew[2];\nc();"), " | ");
    }

    #[test]
    fn what_was_added_is_told_as_it_was_written() {
        let rows = rows(&lines("spawn(a(b));"), &lines("spawn(a(b)).detach();"));
        let second = rows[0].second.as_ref().unwrap();
        assert_eq!(&second.text[second.differs[0].clone()], ".detach()");
    }

    #[test]
    fn a_line_that_both_have_stays_whole() {
        let second = "use std::convert::Infallible;\nuse std::future::poll_fn;\nuse std::io;";
        assert_eq!(marks("use std::future::poll_fn;\nuse std::io;", second), ">  ");
    }

    #[test]
    fn sections_are_paired_by_name() {
        let first = "fn a() {\n    x();\n}\n\nfn b() {}\n\nfn d() {}\n";
        let second = "fn a() {\n    y();\n}\n\nfn b() {}\n\nfn c() {}\n";
        let compared = compare(first, second);
        let actual: Vec<(&str, bool, bool, bool)> = compared
            .iter()
            .map(|it| (it.name.as_str(), it.is_in_first, it.is_in_second, it.differs()))
            .collect();
        assert_eq!(
            actual,
            [
                ("a", true, true, true),
                ("b", true, true, false),
                ("c", false, true, true),
                ("d", true, false, true),
            ]
        );
    }
}
