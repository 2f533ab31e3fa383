//! Splits long lines, so that code fits a maximum width.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use crate::anchors;

/// The start and the end of the function that surrounds code for `rustfmt`, and the indentation of
/// the function's body.
const FUNCTION: (&str, &str, usize) = ("fn excerpt() {\n", "\n}\n", 4);
/// The additional indentation of a wrapped line.
const INDENT: usize = 4;

/// Splits lines of code into lines of at most `width` characters. The second part of a split line
/// is indented. The second part of a split comment is joined with the next line of the comment.
pub fn wrapped(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    let mut lines = text.lines().peekable();
    let mut comment_rest = String::new();
    while let Some(line) = lines.next() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let comment = code.split_once(' ');
        let comment = comment.filter(|(slashes, _)| ["//", "///", "//!"].contains(slashes));
        let before_rest = match comment {
            // The text of a list item is indented by two columns.
            Some((slashes, text)) if text.starts_with("- ") || text.starts_with("  ") => {
                " ".repeat(indent) + slashes + "   "
            }
            Some((slashes, _)) => " ".repeat(indent) + slashes + " ",
            None => " ".repeat((indent + INDENT).min(width / 2)),
        };
        let mut rest = line.to_owned();
        if !comment_rest.is_empty() {
            rest.insert_str(before_rest.len(), &std::mem::take(&mut comment_rest));
        }
        let mut is_split = false;
        while let Some((limit, _)) = rest.char_indices().nth(width) {
            let is_inside =
                |end: &usize| !rest[..*end].trim_start_matches([' ', '/', '!']).is_empty();
            let end = [" ", ".", "::"]
                .iter()
                .find_map(|&separator| rest[..limit].rfind(separator).filter(is_inside));
            let (piece, next) = rest.split_at(end.unwrap_or(limit));
            wrapped += &format!("{piece}\n");
            rest = before_rest.clone() + next.trim_start();
            is_split = true;
        }
        let next = lines.peek().and_then(|next| next.strip_prefix(&before_rest));
        let continues =
            next.is_some_and(|next| next.starts_with(|c| ![' ', '#', '-'].contains(&c)));
        if is_split && comment.is_some() && continues {
            comment_rest = format!("{} ", &rest[before_rest.len()..]);
        } else {
            wrapped += &format!("{rest}\n");
        }
    }
    wrapped
}

/// Formats Rust code with `rustfmt` for lines of at most `width` characters, unless the code
/// already fits. Then splits the lines that `rustfmt` does not split: comments, the arguments of
/// macros, and incomplete code.
///
/// # Errors
///
/// Returns an error if `rustfmt` cannot be started.
pub fn formatted(lines: &[String], width: usize) -> io::Result<Vec<String>> {
    if lines.iter().all(|line| line.chars().count() <= width) {
        return Ok(lines.to_vec());
    }
    let code = lines.join("\n");
    let (before, after, indent) = FUNCTION;
    let config = format!("max_width={},use_small_heuristics=Max", width + indent);
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--quiet", "--edition", "2024", "--config", &config]);
    rustfmt.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = rustfmt.spawn()?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // `rustfmt` does not change statements that it cannot fit into `width`. Therefore, the code must
    // already have the indentation of the function's body.
    let indented = lines.iter().map(|line| match line.is_empty() {
        true => String::new(),
        false => " ".repeat(indent) + line,
    });
    let body = indented.collect::<Vec<_>>().join("\n");
    stdin.write_all(format!("{before}{body}{after}").as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
    let inside = text.strip_prefix(before).and_then(|text| text.strip_suffix(after));
    let code = match inside.filter(|_| output.status.success()) {
        Some(inside) => anchors::dedented(&inside.lines().collect::<Vec<_>>()).join("\n"),
        None => code,
    };
    Ok(wrapped(&code, width).lines().map(str::to_owned).collect())
}
