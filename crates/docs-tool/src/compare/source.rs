//! Splits Rust code into sections, statements and words.

use std::sync::LazyLock;

use regex::{Match, Regex};

use crate::anchors;

static ITEM: LazyLock<Regex> = LazyLock::new(|| {
    let before = r"(?m)^(?:pub(?:\([^)]*\))? )?(?:async |unsafe |const )*";
    let item = r"(?:fn|const|static|struct|enum|type|trait|mod|impl(?:<[^>]*>)?) (\w+)";
    Regex::new(&format!("{before}{item}")).expect("the pattern is valid")
});
static WORD: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"//.*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)'|\w+|::|->|=>|\S"#;
    Regex::new(pattern).expect("the pattern is valid")
});

/// An item, or the lines between two items.
#[derive(Debug)]
pub struct Section {
    /// The name of the item, or else `docs` or `imports`.
    pub name: String,
    /// The lines, without those of anchors.
    pub text: String,
}

/// Returns the sections of a source file, in order.
pub fn sections(source: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for paragraph in anchors::whole(source).join("\n").split("\n\n") {
        let name = match ITEM.captures(paragraph) {
            Some(item) => item[1].to_owned(),
            None if paragraph.trim_start().starts_with("//!") => "docs".to_owned(),
            None => "imports".to_owned(),
        };
        let is_inside_item = paragraph.starts_with([' ', '}']);
        match sections.last_mut().filter(|last| is_inside_item || last.name == name) {
            Some(last) => last.text += &format!("\n\n{paragraph}"),
            None => sections.push(Section { name, text: paragraph.trim().to_owned() }),
        }
    }
    sections
}

/// Returns the names, literals and punctuation of some code, except comments and each comma before a
/// closing bracket.
pub fn words(code: &str) -> Vec<Match<'_>> {
    let mut words: Vec<Match<'_>> = Vec::new();
    for word in WORD.find_iter(code).filter(|word| !word.as_str().starts_with("//")) {
        if [")", "]", "}"].contains(&word.as_str()) {
            words.pop_if(|last| last.as_str() == ",");
        }
        words.push(word);
    }
    words
}

/// Returns whether this is a name or a literal.
pub fn is_name(word: &Match<'_>) -> bool {
    word.as_str().starts_with(|c: char| c.is_alphanumeric() || "_\"'".contains(c))
}

/// Splits a section into statements, each with the comments above it. A statement ends at the end of
/// a line, after a semicolon, a brace, or a comma outside of brackets.
pub fn statements(section: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let (mut start, mut end) = (0, 0);
    for line in section.split_inclusive('\n') {
        if is_complete(&words(&section[start..end]), &words(line)) {
            statements.push(&section[start..end]);
            start = end;
        }
        end += line.len();
    }
    statements.push(&section[start..]);
    statements
}

/// Splits a statement into the comments above its code, and the code.
pub fn split_comments(statement: &str) -> (&str, &str) {
    let code = words(statement).first().map_or(statement.len(), Match::start);
    statement.split_at(statement[..code].rfind('\n').map_or(0, |newline| newline + 1))
}

/// Returns whether the next line begins a new statement.
fn is_complete(statement: &[Match<'_>], next: &[Match<'_>]) -> bool {
    let count = |brackets: [&str; 2]| {
        statement.iter().filter(|word| brackets.contains(&word.as_str())).count()
    };
    let is_in_brackets = count(["(", "["]) > count([")", "]"]);
    match (statement.last().map(Match::as_str), next.first().map(Match::as_str)) {
        (None, _) => false,
        (Some("{" | "}" | ";"), _) => true,
        (Some(","), _) | (_, None | Some("}")) => !is_in_brackets,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_items_and_the_lines_between_them() {
        let source = "//! Docs.\n\n// ANCHOR: imports\nuse a;\n\nuse b;\n// ANCHOR_END: imports\n\n\
                      /// A.\npub const X: u8 = 1;\n\n// ANCHOR: run\n/// Runs.\npub async fn run() {\n\
                      \n    a();\n}\n\nfn more() {}\n// ANCHOR_END: run\n";
        let sections = sections(source);
        let names: Vec<&str> = sections.iter().map(|section| section.name.as_str()).collect();
        assert_eq!(names, ["docs", "imports", "X", "run", "more"]);
        assert_eq!(sections[1].text, "use a;\n\nuse b;");
        assert_eq!(sections[3].text, "/// Runs.\npub async fn run() {\n\n    a();\n}");
    }

    #[test]
    fn words_do_not_include_comments_and_trailing_commas() {
        let words = words("a(b,\nc,) -> 'x' // d\n\"e // f\"");
        let texts: Vec<&str> = words.iter().map(Match::as_str).collect();
        assert_eq!(texts, ["a", "(", "b", ",", "c", ")", "->", "'x'", "\"e // f\""]);
        assert_eq!(words[4].range(), 5..6);
    }
}
