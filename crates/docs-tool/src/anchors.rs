//! Code between anchors: `// ANCHOR: name` … `// ANCHOR_END: name`.

use crate::fault::did_you_mean;

/// What begins a line that is an anchor's.
const COMMENTS: [&str; 4] = ["//", "#", "<!--", "--"];

/// One of an anchor's two lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark<'a> {
    /// Where it begins.
    Begin(&'a str),
    /// Where it ends.
    End(&'a str),
}

/// The anchor's mark that this line is, if it is one.
#[must_use]
pub fn mark(line: &str) -> Option<Mark<'_>> {
    let line = line.trim();
    let comment = COMMENTS.iter().find_map(|comment| line.strip_prefix(comment))?.trim_start();
    let named = |rest: &'static str| {
        let name = comment.strip_prefix(rest)?.trim().trim_end_matches("-->").trim();
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        (!name.is_empty() && name.chars().all(is_part)).then_some(name)
    };
    named("ANCHOR:").map(Mark::Begin).or_else(|| named("ANCHOR_END:").map(Mark::End))
}

/// All anchors of a text, in order, with the line (from 1) where each begins.
#[must_use]
pub fn names(text: &str) -> Vec<(usize, &str)> {
    let begun = |(at, line)| match mark(line) {
        Some(Mark::Begin(name)) => Some((at + 1, name)),
        _ => None,
    };
    text.lines().enumerate().filter_map(begun).collect()
}

/// The whole text, without the anchors' lines.
#[must_use]
pub fn whole(text: &str) -> Vec<String> {
    let kept = text.lines().filter(|line| mark(line).is_none());
    kept.map(str::to_owned).collect()
}

/// The lines of an anchor, without those of anchors within it, and without the indentation that
/// all have in common.
///
/// # Errors
///
/// Returns the description of the error, and how to fix it.
pub fn quote(text: &str, anchor: &str) -> Result<Vec<String>, (String, String)> {
    let begin = text.lines().position(|line| mark(line) == Some(Mark::Begin(anchor)));
    let Some(begin) = begin else {
        let known: Vec<&str> = names(text).into_iter().map(|(_, name)| name).collect();
        let help = match (did_you_mean(anchor, known.iter().copied()), known.is_empty()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, true) => format!("put `ANCHOR: {anchor}` and `ANCHOR_END: {anchor}` around it"),
            (None, false) => format!("name one of {}", known.join(", ")),
        };
        return Err((format!("there is no anchor `{anchor}`"), help));
    };
    let inside: Vec<&str> = text.lines().skip(begin + 1).collect();
    let end = inside.iter().position(|line| mark(line) == Some(Mark::End(anchor)));
    let Some(end) = end else {
        let what = format!("the anchor `{anchor}` has no end");
        return Err((what, format!("put `ANCHOR_END: {anchor}` below it")));
    };
    let mut lines: Vec<&str> = inside[..end].to_vec();
    lines.retain(|line| mark(line).is_none());
    trim(&mut lines);
    let indent = lines.iter().filter(|line| !line.trim().is_empty()).map(|line| indent_of(line));
    let indent = indent.min().unwrap_or(0);
    Ok(lines.iter().map(|line| line.get(indent..).unwrap_or("").to_owned()).collect())
}

/// Removes blank lines at the start and at the end.
pub fn trim<T: AsRef<str>>(lines: &mut Vec<T>) {
    let is_blank = |line: &T| line.as_ref().trim().is_empty();
    while lines.last().is_some_and(is_blank) {
        lines.pop();
    }
    let blank = lines.iter().take_while(|line| is_blank(line)).count();
    lines.drain(..blank);
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}
