//! Shows the same part of all siblings, in columns on a wide screen and in tabs on a narrow screen.
//! In columns, functions with the same name are side by side. On a narrow screen without JavaScript,
//! the parts are one below the other.

use crate::anchors;
use crate::excerpts;
use crate::page::fenced;
use crate::paths;

use super::rows::{self, Block, Rows, function};

pub use super::rows::{Excerpt, Part};

/// The maximum number of characters per line of code. With lines of this length, two siblings fit
/// side by side in a window that is 1,600 pixels wide. See docs/book/highwater.css.
const COLUMNS_MAX: usize = 80;

/// A page with at least this number of siblings contains their code twice: with lines of at most
/// [`COLUMNS_MAX`] characters, and with lines of at most [`excerpts::COLUMNS_MAX`] characters. With
/// the short lines, five siblings fit side by side in a window that is 1,600 pixels wide. The style
/// sheet shows one of the two versions.
const PARTS_OF_SHORT_LINES: usize = 5;

/// Returns HTML and Markdown that show the parts side by side. `link` returns the link to the page
/// that shows a file.
pub fn side_by_side(label: &str, parts: &[Part], link: impl Fn(&str) -> String) -> String {
    let mut lines = parts.iter().flat_map(|part| &part.excerpts).flat_map(|it| &it.lines);
    let is_narrow = lines.all(|line| line.chars().count() <= excerpts::COLUMNS_MAX);
    let class = if is_narrow { "hw-siblings hw-narrow" } else { "hw-siblings" };
    let widths: &[_] = match is_narrow || parts.len() < PARTS_OF_SHORT_LINES {
        true => &[("hw-code", COLUMNS_MAX)],
        false => &[("hw-code hw-long", COLUMNS_MAX), ("hw-code hw-short", excerpts::COLUMNS_MAX)],
    };
    let names = rows::names(parts);
    let of_width = |&(class, width)| (class, rows::arranged(parts, &names, width));
    let tables: Vec<(&str, Vec<Rows>)> = widths.iter().map(of_width).collect();
    let rows = tables.first().and_then(|(_, parts)| parts.first()).map_or(0, Vec::len);
    let mut out = format!(
        "<div class=\"{class}\" data-label=\"{label}\">\n\
         <div class=\"hw-columns\" style=\"--hw-rows: {}\">\n\n",
        1 + rows
    );
    for (index, part) in parts.iter().enumerate() {
        let Part { sibling, excerpts } = part;
        let class = if rows::is_aligned(part, &names) { "" } else { " hw-unaligned" };
        let title = |path: &str| {
            let short = path.strip_prefix("crates/").unwrap_or_else(|| paths::name(path));
            format!("[`{short}`]({})", link(path))
        };
        let first = excerpts.first().map(|it| format!(" {}", title(&it.path))).unwrap_or_default();
        out.push_str(&format!(
            "<section class=\"hw-sibling{class}\" data-sibling=\"{sibling}\">\n\n**{sibling}**{first}\n\n"
        ));
        for row in 0..rows {
            out.push_str("<div class=\"hw-row\">\n\n");
            for (class, parts) in &tables {
                if parts[index][row].is_empty() {
                    continue;
                }
                out.push_str(&format!("<div class=\"{class}\">\n\n"));
                for Block { excerpt, is_first, lines } in &parts[index][row] {
                    let path = &excerpts[*excerpt].path;
                    if *is_first && *excerpt > 0 {
                        out.push_str(&format!("{}\n\n", title(path)));
                    }
                    out.push_str(&format!("{}\n\n", code_block(lines, path)));
                }
                out.push_str("</div>\n\n");
            }
            if excerpts.is_empty() && row == 0 {
                out.push_str("This sibling does not have this part.\n\n");
            }
            out.push_str("</div>\n\n");
        }
        out.push_str("</section>\n\n");
    }
    out + "</div>\n</div>\n"
}

/// Returns a fenced code block that shows lines of the file at `path`.
pub fn code_block(lines: &[String], path: &str) -> String {
    let language = match paths::language(path) {
        // mdBook's syntax highlighter does not support justfiles, but it supports makefiles.
        "just" => "makefile",
        language => language,
    };
    match language {
        "rust" => fenced("", language, &lines.iter().map(|it| escaped(it)).collect::<Vec<_>>()),
        _ => fenced("", language, lines),
    }
}

/// Escapes a line of Rust that starts with `# `, because mdBook would hide the line.
fn escaped(line: &str) -> String {
    let code = line.trim_start();
    let is_hidden = code == "#" || code.starts_with("# ") || code.starts_with("##");
    let indent = &line[..line.len() - code.len()];
    if is_hidden { format!("{indent}#{code}") } else { line.to_owned() }
}

/// Returns the names of the siblings' anchors in the order of the code. The anchors that all
/// siblings have come first. Omits each anchor that is inside another anchor.
pub fn common_anchors(texts: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for text in texts {
        for (_, name) in anchors::names(text) {
            let is_outer = anchors::outermost(text, name) == name;
            if is_outer && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    names.sort_by_key(|name| !texts.iter().all(|text| anchors::quote(text, name).is_ok()));
    names
}

/// Returns the names of the functions that are not indented.
pub fn functions(lines: &[String]) -> Vec<&str> {
    let items = lines.iter().filter(|line| !line.starts_with(' '));
    items.filter_map(|line| function(line)).collect()
}
