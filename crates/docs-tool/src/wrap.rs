//! Wraps code.

/// The additional indentation of a wrapped line.
const INDENT: usize = 4;

/// Splits code into lines of at most `width` columns. The rest of a line is indented. The rest of a
/// comment is a comment.
pub fn wrapped(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    for line in text.lines() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let before_rest = match code.split_once(' ') {
            Some((slashes @ ("//" | "///" | "//!"), _)) => " ".repeat(indent) + slashes + " ",
            _ => " ".repeat((indent + INDENT).min(width / 2)),
        };
        let mut rest = line.to_owned();
        while let Some((limit, _)) = rest.char_indices().nth(width) {
            let is_inside =
                |end: &usize| !rest[..*end].trim_start_matches([' ', '/', '!']).is_empty();
            let end = [' ', '.'].iter().find_map(|&c| rest[..limit].rfind(c).filter(is_inside));
            let (piece, next) = rest.split_at(end.unwrap_or(limit));
            wrapped += &format!("{piece}\n");
            rest = before_rest.clone() + next.trim_start();
        }
        wrapped += &format!("{rest}\n");
    }
    wrapped
}
