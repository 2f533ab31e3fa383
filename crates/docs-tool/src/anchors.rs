//! Finds the code between anchors, which are comments: `// ANCHOR: name` … `// ANCHOR_END: name`.

use std::sync::LazyLock;

use regex::Regex;

use crate::common::pattern;
use crate::markers::Error;
use crate::page_error::did_you_mean;

static MARK: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(?://|#|<!--|--)\s*ANCHOR(_END)?:\s*([\w-]+)\s*(?:-->)?\s*$"));

/// A line where an anchor starts or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark<'a> {
    Begin(&'a str),
    End(&'a str),
}

/// Returns the mark in a line, or `None` if the line contains no mark.
pub fn mark(line: &str) -> Option<Mark<'_>> {
    let found = MARK.captures(line)?;
    let name = found.get(2)?.as_str();
    Some(if found.get(1).is_some() { Mark::End(name) } else { Mark::Begin(name) })
}

/// For each anchor of a text, returns the number of the line where the anchor starts, and the name
/// of the anchor.
pub fn names(text: &str) -> Vec<(usize, &str)> {
    let names = text.lines().enumerate().filter_map(|(at, line)| match mark(line) {
        Some(Mark::Begin(name)) => Some((at + 1, name)),
        _ => None,
    });
    names.collect()
}

/// Returns the outermost anchor that contains `anchor`. Returns `anchor` if it is not inside
/// another anchor.
pub fn outermost<'a>(text: &'a str, anchor: &'a str) -> &'a str {
    let mut outer = None;
    for mark in text.lines().filter_map(mark) {
        match mark {
            Mark::Begin(name) if name == anchor => break,
            Mark::Begin(name) => outer = outer.or(Some(name)),
            Mark::End(name) => outer = outer.filter(|outer| *outer != name),
        }
    }
    outer.unwrap_or(anchor)
}

/// Returns all lines of a text except for the marks.
pub fn whole(text: &str) -> Vec<String> {
    text.lines().filter(|line| mark(line).is_none()).map(str::to_owned).collect()
}

/// Returns the lines between the start and the end of an anchor. Omits marks, and removes the
/// indentation that all lines share.
pub fn quote(text: &str, anchor: &str) -> Result<Vec<String>, Error> {
    let mut lines = text.lines();
    if !lines.any(|line| mark(line) == Some(Mark::Begin(anchor))) {
        let known: Vec<&str> = names(text).into_iter().map(|(_, name)| name).collect();
        let help = match (did_you_mean(anchor, known.iter().copied()), known.is_empty()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, true) => {
                format!("put `ANCHOR: {anchor}` and `ANCHOR_END: {anchor}` around the code")
            }
            (None, false) => format!("use one of {}", known.join(", ")),
        };
        return Err((format!("there is no anchor `{anchor}`"), help));
    }
    let inside: Vec<&str> = lines.collect();
    let end = inside.iter().position(|line| mark(line) == Some(Mark::End(anchor)));
    let end = end.ok_or_else(|| {
        let help = format!("put `ANCHOR_END: {anchor}` below the code");
        (format!("the anchor `{anchor}` has no end"), help)
    })?;
    let mut lines = whole(&inside[..end].join("\n"));
    trim(&mut lines);
    Ok(dedented(&lines))
}

/// Removes the indentation that all lines share.
pub fn dedented(lines: &[impl AsRef<str>]) -> Vec<String> {
    let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
    let indents = lines.iter().filter(|line| !line.trim().is_empty());
    let indent = indents.map(|line| line.len() - line.trim_start_matches(' ').len()).min();
    let indent = indent.unwrap_or(0);
    lines.iter().map(|line| line.get(indent..).unwrap_or("").to_owned()).collect()
}

/// Removes blank lines from the start and from the end of `lines`.
pub fn trim(lines: &mut Vec<String>) {
    let is_blank = |line: &String| line.trim().is_empty();
    while lines.last().is_some_and(is_blank) {
        lines.pop();
    }
    let blank = lines.iter().take_while(|line| is_blank(line)).count();
    lines.drain(..blank);
}
