//! Prints output for a terminal with 80 columns. The output is readable without color.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Error;
use console::Style;
use harness::text::wrapped;

const WIDTH: usize = 80;

thread_local! {
    /// The lines that this thread has printed within [`capture`].
    static CAPTURED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Prints a line to stdout. Ignores errors, because stdout may be closed.
pub fn line(text: impl Display) {
    CAPTURED.with_borrow_mut(|captured| match captured {
        Some(lines) => *lines += &format!("{text}\n"),
        None => drop(writeln!(io::stdout(), "{text}")),
    });
}

/// Returns a function for any thread to call after each of `count` steps. The function prints a line
/// after each tenth of the steps. Calls after the last step have no effect.
pub fn progress(count: usize, steps: &str) -> impl Fn() + Sync {
    let ended = AtomicUsize::new(0);
    move || {
        let now = ended.fetch_add(1, Ordering::Relaxed) + 1;
        if now <= count && now * 10 / count > (now - 1) * 10 / count {
            line(format!("  {now} of {count} {steps}"));
        }
    }
}

/// Returns the lines that `print` prints, instead of writing them to stdout.
pub fn capture(print: impl FnOnce()) -> String {
    let outer = CAPTURED.replace(Some(String::new()));
    print();
    CAPTURED.replace(outer).unwrap_or_default()
}

/// Prints text. Wraps the lines at [`WIDTH`].
pub fn text(text: &str) {
    styled(text, &Style::new());
}

/// Prints text in a style. Wraps the lines at [`WIDTH`].
pub fn styled(text: &str, style: &Style) {
    for part in text.trim().lines() {
        wrapped(part, WIDTH).iter().for_each(|part| line(style.apply_to(part)));
    }
}

/// Prints Markdown source and an empty line. Wraps the lines at [`WIDTH`], except in code blocks.
/// Indents the wrapped lines of a list item.
pub fn markdown(source: &str) {
    let mut block = String::new();
    let mut is_code = false;
    for part in source.lines().chain([""]) {
        let is_fence = part.trim_start().starts_with("```");
        let is_verbatim = is_code || is_fence || part.is_empty();
        let starts_block = part.starts_with(['|', '#', '>']) || marker_width(part).is_some();
        if is_verbatim || starts_block {
            markdown_block(&mem::take(&mut block));
        }
        match is_verbatim {
            true => line(part),
            false => block += &format!("{part} "),
        }
        is_code ^= is_fence;
    }
}

/// Prints a paragraph or a list item.
fn markdown_block(block: &str) {
    let spaces = block.len() - block.trim_start().len();
    let (label, text) = block.split_at(marker_width(block).unwrap_or(spaces));
    let indent = label.len();
    for (index, part) in wrapped(text, WIDTH - indent).iter().enumerate() {
        match index {
            0 if part.is_empty() => {}
            0 => line(format!("{label}{part}")),
            _ => line(format!("{:indent$}{part}", "")),
        }
    }
}

/// Returns the width of the indentation and the marker of a list item, or `None` if the line does
/// not start a list item.
fn marker_width(line: &str) -> Option<usize> {
    let text = line.trim_start();
    let (marker, _) = text.split_once(' ')?;
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let is_marker = matches!(marker, "-" | "*") || marker.strip_suffix('.').is_some_and(is_number);
    is_marker.then(|| line.len() - text.len() + marker.len() + 1)
}

/// Prints rows. Each row contains a label, and a command or a path. Commands and paths are not
/// wrapped, so that learners can copy them.
pub fn rows(rows: &[(&str, String)]) {
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    for (label, value) in rows {
        line(format!("  {label:width$}  {value}"));
    }
}

/// Prints rows. Each row contains a label and a text. Wraps the lines at [`WIDTH`].
pub fn wrapped_rows(rows: &[(&str, &str)]) {
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    for (label, text) in rows {
        wrapped_row(&format!("{label:width$}"), width, text);
    }
}

/// Prints a label and a text. Wraps the lines at [`WIDTH`]. `label_width` does not include escape
/// sequences.
pub fn wrapped_row(label: &str, label_width: usize, text: &str) {
    for (index, part) in wrapped(text, WIDTH - label_width - 4).iter().enumerate() {
        match index {
            0 => line(format!("  {label}  {part}").trim_end()),
            _ => line(format!("  {:label_width$}  {part}", "")),
        }
    }
}

/// Prints the heading of a section.
pub fn heading(text: &str) {
    line("");
    styled(text, &Style::new().bold());
}

/// Prints an error to stderr.
pub fn error(error: &Error) {
    error_lines(error).iter().for_each(|line| drop(writeln!(io::stderr(), "{line}")));
}

/// Returns the lines that describe an error. Lines that contain two spaces, such as commands, are
/// not wrapped.
pub fn error_lines(error: &Error) -> Vec<String> {
    let wrap = |part: &str| match part.contains("  ") {
        true => vec![part.to_owned()],
        false => wrapped(part, WIDTH),
    };
    format!("error: {error:#}").lines().flat_map(wrap).collect()
}

/// Prints text in green, for a success.
pub fn success(text: &str) {
    styled(text, &Style::new().green().bold());
}

/// Prints text in red, for a failure.
pub fn failure(text: &str) {
    styled(text, &Style::new().red().bold());
}

/// Returns a number with its noun, such as `1 check` or `2 checks`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_items_are_reflowed_with_a_hanging_indent() {
        let source = "A paragraph\nof two lines.\n\n1. The first item has a source line that is \
                      longer than 80 columns, and\n   a second line.\n- Short.\n\n```rust\n- x\n\
                      y\n```";
        let expected = "A paragraph of two lines.\n\n1. The first item has a source line that is \
                        longer than 80 columns, and a second\n   line.\n- Short.\n\n```rust\n- \
                        x\ny\n```\n\n";
        assert_eq!(capture(|| markdown(source)), expected);
    }
}
