//! Splits Rust code into sections, statements and words.

use std::sync::LazyLock;

use regex::{Match, Regex};

use crate::anchors;
use crate::common::pattern;

static ITEM: LazyLock<Regex> = LazyLock::new(|| {
    let before = r"(?m)^(?:pub(?:\([^)]*\))? )?(?:async |unsafe |const )*";
    let item = r"(?:fn|const|static|struct|enum|type|trait|mod|impl(?:<[^>]*>)?) (\w+)";
    pattern(&format!("{before}{item}"))
});
static WORD: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"//.*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)'|\w+|::|->|=>|\S"#));

/// An item, such as a function or a type, or the lines between two items.
#[derive(Debug)]
pub struct Section {
    /// The name of the item, or `imports` if the section does not contain an item.
    pub name: String,
    /// The lines of the section, without the marks of anchors.
    pub text: String,
}

/// Returns the sections of source files, in order. Items with the same name are one section. The
/// documentation of the module is not part of any section, because comments are not compared.
pub fn sections(source: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let source = without_impl_blocks(&anchors::whole(source)).join("\n");
    let mut last = None;
    for paragraph in source.split("\n\n").filter(|it| !it.trim_start().starts_with("//!")) {
        let name = ITEM.captures(paragraph).map_or("imports", |item| item.extract::<1>().1[0]);
        let is_inside_item = paragraph.starts_with([' ', '}']);
        let same = sections.iter().position(|section| section.name == name);
        match last.filter(|_| is_inside_item).or(same) {
            Some(at) => {
                sections[at].text += &format!("\n\n{paragraph}");
                last = Some(at);
            }
            None => {
                let (name, text) = (name.to_owned(), paragraph.trim().to_owned());
                last = Some(sections.len());
                sections.push(Section { name, text });
            }
        }
    }
    sections
}

/// Turns methods into functions: removes the first line and the last line of each `impl` block, and
/// the indentation of the lines between them.
fn without_impl_blocks(lines: &[String]) -> Vec<&str> {
    let mut is_in_block = false;
    let mut out = Vec::new();
    for line in lines {
        let is_begin = line.starts_with("impl") && line.ends_with('{');
        let is_end = is_in_block && line == "}";
        if is_begin || is_end {
            is_in_block = is_begin;
        } else {
            let inner = is_in_block.then(|| line.strip_prefix("    ")).flatten();
            out.push(inner.unwrap_or(line));
        }
    }
    out
}

/// A statement, joined into one line, and the comments above or inside the statement.
#[derive(Debug, Default)]
pub struct Statement {
    pub comments: String,
    pub code: String,
}

/// Splits a section into statements. A statement ends at the end of a line if the line ends with a
/// semicolon, a brace, or a comma outside brackets. A statement also ends before a closing brace or
/// a blank line.
pub fn statements(section: &str) -> Vec<Statement> {
    let mut statements = vec![Statement::default()];
    for line in section.lines() {
        if statements.last().is_some_and(|last| is_complete(&last.code, line)) {
            statements.push(Statement::default());
        }
        let last = statements.last_mut().expect("the list contains at least one statement");
        if words(line).is_empty() {
            last.comments += &format!("{line}\n");
        } else {
            add_line(&mut last.code, line);
        }
    }
    statements
}

/// Returns whether the statement `code` is complete, so that `line` begins a new statement.
fn is_complete(code: &str, line: &str) -> bool {
    let words = texts(code);
    let count = |brackets: [&str; 2]| words.iter().filter(|word| brackets.contains(word)).count();
    let is_in_brackets = count(["(", "["]) > count([")", "]"]);
    match (words.last().copied(), texts(line).first().copied()) {
        (None, _) => false,
        (Some("{" | "}" | ";"), _) => true,
        (Some(","), _) | (_, None | Some("}")) => !is_in_brackets,
        _ => false,
    }
}

/// Adds a line to a statement. Inserts the spaces that `rustfmt` would insert if the statement fit
/// on one line.
fn add_line(code: &mut String, line: &str) {
    let next = line.trim();
    if code.is_empty() {
        code.push_str(line);
    } else if next.starts_with([')', ']']) {
        *code = code.trim_end_matches(',').to_owned() + next;
    } else if code.ends_with(['(', '[']) || next.starts_with(['.', '?']) {
        code.push_str(next);
    } else {
        code.extend([" ", next]);
    }
}

/// Returns the names, literals and punctuation marks in code, with their positions. Ignores
/// comments.
pub fn words(code: &str) -> Vec<Match<'_>> {
    WORD.find_iter(code).filter(|word| !word.as_str().starts_with("//")).collect()
}

/// Returns the texts of the names, literals and punctuation marks in code. Ignores comments.
pub fn texts(code: &str) -> Vec<&str> {
    words(code).iter().map(Match::as_str).collect()
}
