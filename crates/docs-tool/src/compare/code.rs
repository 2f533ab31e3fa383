//! Rust as far as it takes to compare it: its sections and its tokens.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::anchors::{Mark, mark};

static ITEM: LazyLock<Regex> = LazyLock::new(|| {
    let before = r"^(?:pub(?:\([^)]*\))? )?(?:async |unsafe |const )*";
    let item = r"(?:fn|const|static|struct|enum|type|trait|mod|impl(?:<[^>]*>)?) (\w+)";
    Regex::new(&format!("{before}{item}")).expect("the expression is well-formed")
});
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    let words = r#"//.*|r?"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)'|'\w+|\w+"#;
    let signs = r"::|->|=>|==|!=|<=|>=|&&|\|\||\.\.=|\.\.|\+=|-=|[^\s\w]";
    Regex::new(&format!("{words}|{signs}")).expect("the expression is well-formed")
});

/// A function, or what stands outside of functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The function's or the item's name; else the anchor's around it; else `docs`.
    pub name: String,
    /// Without the anchors' lines.
    pub lines: Vec<String>,
}

/// The sections of a source, in order.
#[must_use]
pub fn sections(source: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut anchor = None;
    let mut open: Vec<String> = Vec::new();
    let mut close = |lines: &mut Vec<String>, anchor: Option<&str>| {
        while lines.last().is_some_and(|line| line.trim().is_empty()) {
            lines.pop();
        }
        if lines.is_empty() {
            return;
        }
        let item = lines.iter().find_map(|line| ITEM.captures(line));
        let name = item.map_or_else(|| anchor.unwrap_or("docs").to_owned(), |it| it[1].to_owned());
        match sections.last_mut().filter(|last| last.name == name) {
            Some(last) => {
                last.lines.push(String::new());
                last.lines.append(lines);
            }
            None => sections.push(Section { name, lines: std::mem::take(lines) }),
        }
    };
    for line in source.lines() {
        match mark(line) {
            Some(Mark::Begin(name)) => {
                close(&mut open, anchor);
                anchor = Some(name);
            }
            Some(Mark::End(_)) => {
                close(&mut open, anchor);
                anchor = None;
            }
            // Below an empty line, what is not indented begins something new.
            None if !line.starts_with([' ', '}']) && !line.is_empty() => {
                if open.last().is_some_and(String::is_empty) {
                    close(&mut open, anchor);
                }
                open.push(line.to_owned());
            }
            None if open.is_empty() && line.is_empty() => {}
            None => open.push(line.to_owned()),
        }
    }
    close(&mut open, anchor);
    sections
}

/// A word or a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// As it stands.
    pub text: &'a str,
    /// Counted from 0.
    pub line: usize,
    /// Where in its line.
    pub range: Range<usize>,
}

impl Token<'_> {
    /// Whether it says something by itself.
    #[must_use]
    pub fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"' || c == '\'')
    }
}

/// The tokens of these lines. Comments are none, and a comma before a closing bracket is only there
/// because its lines were broken.
#[must_use]
pub fn tokens(lines: &[String]) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    for (line, text) in lines.iter().enumerate() {
        for found in TOKEN.find_iter(text) {
            if found.as_str().starts_with("//") {
                break;
            }
            let closes = [")", "]", "}"].contains(&found.as_str());
            if closes && tokens.last().is_some_and(|last| last.text == ",") {
                tokens.pop();
            }
            tokens.push(Token { text: found.as_str(), line, range: found.range() });
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_functions_items_and_anchors() {
        let source = "//! Docs.\n\n// ANCHOR: imports\nuse a;\n\nuse b;\n// ANCHOR_END: imports\n\n\
                      /// A.\npub const X: u8 = 1;\n\n// ANCHOR: run\n/// Runs.\npub async fn run() {\n\
                      \n    a();\n}\n\nfn more() {}\n// ANCHOR_END: run\n";
        let sections = sections(source);
        let names: Vec<&str> = sections.iter().map(|section| section.name.as_str()).collect();
        assert_eq!(names, ["docs", "imports", "X", "run", "more"]);
        assert_eq!(sections[1].lines, ["use a;", "", "use b;"]);
        assert_eq!(sections[3].lines.len(), 5);
    }

    #[test]
    fn tokens_leave_out_comments_and_commas_of_broken_lines() {
        let lines = ["a(b,".to_owned(), "c,) -> 'x' // d".to_owned(), "\"e // f\"".to_owned()];
        let tokens = tokens(&lines);
        let texts: Vec<&str> = tokens.iter().map(|token| token.text).collect();
        assert_eq!(texts, ["a", "(", "b", ",", "c", ")", "->", "'x'", "\"e // f\""]);
        assert_eq!((tokens[4].line, tokens[4].range.clone()), (1, 0..1));
    }
}
