//! `ANCHOR: name` and `ANCHOR_END: name`: the parts of a file that lessons quote.

/// A line that is an anchor's begin or end, whatever the language's comment.
#[derive(Debug, PartialEq, Eq)]
pub enum Mark<'a> {
    Begin(&'a str),
    End(&'a str),
}

/// What mark a line is, if it is one.
pub fn mark(line: &str) -> Option<Mark<'_>> {
    let comment = line.trim();
    let comment = ["//", "#", "<!--"].iter().find_map(|sign| comment.strip_prefix(sign))?;
    let comment = comment.trim_end_matches("-->").trim();
    if let Some(name) = comment.strip_prefix("ANCHOR: ") {
        return Some(Mark::Begin(name.trim()));
    }
    comment.strip_prefix("ANCHOR_END: ").map(|name| Mark::End(name.trim()))
}

/// The names of all anchors, in their order.
pub fn names(text: &str) -> Vec<&str> {
    let marks = text.lines().filter_map(mark);
    marks.filter_map(|mark| if let Mark::Begin(name) = mark { Some(name) } else { None }).collect()
}

/// What an anchor marks, without the lines of anchors in it and without common indentation; none if
/// it is not there, or does not end.
pub fn quoted(text: &str, anchor: &str) -> Option<String> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match mark(line) {
            Some(Mark::Begin(name)) if name == anchor => inside = true,
            Some(Mark::End(name)) if name == anchor => return inside.then(|| unindented(&lines)),
            Some(_) => {}
            None if inside => lines.push(line),
            None => {}
        }
    }
    None
}

/// A text without the lines of its anchors.
pub fn without_marks(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| mark(line).is_none()).collect();
    lines.join("\n") + "\n"
}

fn unindented(lines: &[&str]) -> String {
    let said = || lines.iter().filter(|line| !line.trim().is_empty());
    let indent = said().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    let lines = lines.iter().map(|line| line.get(indent..).unwrap_or("").to_owned() + "\n");
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
// ANCHOR: outer
fn a() {
    // ANCHOR: inner
    one();

        two();
    // ANCHOR_END: inner
}
// ANCHOR_END: outer
# ANCHOR: open
";

    #[test]
    fn quotes_without_marks_and_indentation() {
        assert_eq!(quoted(TEXT, "inner").unwrap(), "one();\n\n    two();\n");
        assert_eq!(quoted(TEXT, "outer").unwrap(), "fn a() {\n    one();\n\n        two();\n}\n");
        assert_eq!(quoted(TEXT, "open"), None);
        assert_eq!(quoted(TEXT, "other"), None);
        assert_eq!(names(TEXT), ["outer", "inner", "open"]);
    }
}
