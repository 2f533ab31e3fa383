//! Output for a terminal: 80 columns, readable without color.

use std::fmt::Display;
use std::io::{self, Write};

use console::{Style, style};
use harness::text::wrapped;

use crate::grade::{Graded, State};

const WIDTH: usize = 80;

/// Prints a line to stdout. Ignores a closed stdout.
pub fn line(text: impl Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints a text, wrapped to the width.
pub fn text(text: &str) {
    styled(text, &Style::new());
}

/// Prints a text in a style, wrapped to the width.
pub fn styled(text: &str, style: &Style) {
    for part in text.trim().lines() {
        wrapped(part, WIDTH).iter().for_each(|part| line(style.apply_to(part)));
    }
}

/// Prints Markdown source, wrapped to the width, except for code blocks.
pub fn markdown(text: &str) {
    let mut paragraph = String::new();
    let mut is_code = false;
    let flush = |paragraph: &mut String| {
        wrapped(paragraph, WIDTH).iter().filter(|part| !part.is_empty()).for_each(line);
        paragraph.clear();
    };
    for part in text.lines() {
        let is_fence = part.trim_start().starts_with("```");
        let is_item = part.starts_with(['-', '*', '|', '#', ' ', '>']) || part.is_empty();
        if is_code || is_fence || is_item {
            flush(&mut paragraph);
        }
        match is_code || is_fence || part.is_empty() {
            true => line(part),
            false => {
                paragraph.push_str(part);
                paragraph.push(' ');
            }
        }
        is_code ^= is_fence;
    }
    flush(&mut paragraph);
}

/// Prints rows of a label and a command or path. Does not wrap them, so that they can be copied.
pub fn rows(rows: &[(&str, String)]) {
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    for (label, value) in rows {
        line(format!("  {label:width$}  {value}"));
    }
}

/// Prints rows of a label and a text, wrapped to the width.
pub fn wrapped_rows(rows: &[(&str, &str)]) {
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    for (label, value) in rows {
        for (index, part) in wrapped(value, WIDTH - width - 4).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            line(format!("  {label:width$}  {part}"));
        }
    }
}

/// Prints one verdict.
pub fn verdict(graded: &Graded, name_width: usize) {
    const WORD_WIDTH: usize = 5;
    let (word, style) = match &graded.state {
        State::Pass => ("pass", Style::new().green()),
        State::Fail(_) => ("FAIL", Style::new().red().bold()),
        State::Skipped(_) => ("skip", Style::new().dim()),
        State::Pending => ("later", Style::new().dim()),
    };
    let title = match &graded.state {
        State::Skipped(why) => format!("{} ({why})", graded.title),
        _ => graded.title.clone(),
    };
    let width = WIDTH - WORD_WIDTH - name_width - 6;
    for (index, part) in wrapped(&title, width).iter().enumerate() {
        let (word, name) = if index == 0 { (word, graded.name) } else { ("", "") };
        let word = style.apply_to(format!("{word:WORD_WIDTH$}"));
        line(format!("  {word}  {name:name_width$}  {part}").trim_end());
    }
}

/// Prints the heading of a section.
pub fn heading(text: &str) {
    line("");
    styled(text, &Style::new().bold());
}

/// Prints an error to stderr. Does not wrap lines that contain two spaces, such as commands.
pub fn error(text: &str) {
    for part in text.lines() {
        let lines = match part.contains("  ") {
            true => vec![part.to_owned()],
            false => wrapped(part, WIDTH),
        };
        for line in lines {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
}

/// Prints a text in green.
pub fn good(text: &str) {
    styled(text, &Style::new().green().bold());
}

/// Prints a text in red.
pub fn bad(text: &str) {
    for part in wrapped(text, WIDTH) {
        line(style(part).red().bold());
    }
}

/// Returns a number with its noun: `1 check`, `2 checks`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
