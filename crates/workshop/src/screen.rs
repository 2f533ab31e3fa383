//! Shows text in the terminal and reads keys without Enter.

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::time::Duration;

use console::measure_text_width;
use crossterm::cursor::MoveTo;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal::{self, Clear, ClearType};
use harness::cleanup;

/// The terminal in raw mode. Dropping the value, an interrupt or a panic restores the previous
/// mode.
#[derive(Debug)]
pub struct Screen(());

/// An event of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    Key(char),
    /// The size of the terminal changed.
    Resized,
}

impl Screen {
    /// Opens the terminal. Returns `None` if stdin or stdout is not a terminal.
    pub fn open() -> io::Result<Option<Self>> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Ok(None);
        }
        // An interrupt ends the program without running destructors.
        cleanup::before_end(restore);
        let print_panic = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let _ = terminal::disable_raw_mode();
            print_panic(panic);
        }));
        terminal::enable_raw_mode()?;
        Ok(Some(Self(())))
    }

    /// Waits for an event until the timeout expires. Ctrl-C ends the program.
    pub fn read(&self, timeout: Duration) -> io::Result<Option<Input>> {
        if !event::poll(timeout)? {
            return Ok(None);
        }
        Ok(match event::read()? {
            Event::Resize(..) => Some(Input::Resized),
            Event::Key(key) if key.kind == KeyEventKind::Release => None,
            Event::Key(key) => match key.code {
                // In raw mode, Ctrl-C does not send a signal.
                KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                    cleanup::end(130);
                }
                KeyCode::Char(character) => Some(Input::Key(character.to_ascii_lowercase())),
                KeyCode::Enter => Some(Input::Key('r')),
                _ => None,
            },
            _ => None,
        })
    }

    /// Replaces the content of the terminal. If the text does not fit between the lines at the top
    /// and at the bottom, shows the lines around the line with the index `focus`. If `is_whole` is
    /// true, prints all lines, so that the terminal scrolls.
    pub fn draw(
        &self,
        top: &[String],
        (text, focus): (&str, usize),
        bottom: &str,
        is_whole: bool,
    ) -> io::Result<()> {
        let (columns, rows) = terminal::size().unwrap_or((80, 24));
        let size = (!is_whole).then_some((columns.into(), rows.into()));
        let shown = fit(top, (text, focus), bottom, size);
        let mut bytes = Vec::new();
        crossterm::queue!(bytes, MoveTo(0, 0), Clear(ClearType::All))?;
        bytes.extend(shown.join("\r\n").into_bytes());
        let mut stdout = io::stdout();
        stdout.write_all(&bytes)?;
        stdout.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the previous mode of the terminal, and moves the cursor below the last line.
fn restore() {
    let _ = terminal::disable_raw_mode();
    let _ = writeln!(io::stdout());
}

/// Returns the lines to show in a terminal of `size` (columns and rows). If `size` is `None`,
/// returns all lines. The shown part of the text contains the line with the index `focus`.
fn fit(
    top: &[String],
    (text, focus): (&str, usize),
    bottom: &str,
    size: Option<(usize, usize)>,
) -> Vec<String> {
    let text: Vec<&str> = text.trim_end().lines().collect();
    let room = size.map_or(usize::MAX, |(_, rows)| rows.saturating_sub(top.len() + 3).max(1));
    let mut lines = top.to_vec();
    lines.push(String::new());
    let is_wide =
        size.is_some_and(|(columns, _)| text.iter().any(|line| measure_text_width(line) > columns));
    if text.len() > room || is_wide {
        let count = text.len().min(room - 1);
        // Keep one line of context after the line that must be visible.
        let start = (focus + 2).saturating_sub(count).min(text.len() - count);
        lines.extend(text[start..start + count].iter().map(|&line| line.to_owned()));
        lines.push(match text.len() - count {
            0 => "… long lines are cut; press a for the full text".to_owned(),
            more => format!("… {more} more lines; press a for the full text"),
        });
    } else {
        lines.extend(text.iter().map(|&line| line.to_owned()));
    }
    lines.extend([String::new(), bottom.to_owned()]);
    let truncated = |line: String| match size {
        Some((columns, _)) => console::truncate_str(&line, columns, "…").into_owned(),
        None => line,
    };
    lines.into_iter().map(truncated).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_fits_into_the_terminal() {
        let text: String = (0..30).map(|line| format!("line {line}\n")).collect();
        let lines = fit(&["top".to_owned()], (&text, 0), "bottom", Some((5, 24)));
        assert_eq!(lines.len(), 24);
        assert_eq!(lines[..4], ["top", "", "line…", "line…"]);
        assert_eq!(lines[21..], ["… 11…", "", "bott…"]);
        assert_eq!(fit(&["top".to_owned()], (&text, 0), "bottom", None).len(), 34);
        assert_eq!(fit(&[], ("text\n", 0), "bottom", Some((80, 24))), ["", "text", "", "bottom"]);
        let cut = "… long lines are cut; press a for the full text";
        let wide = "x".repeat(81);
        assert_eq!(fit(&[], (&wide, 0), "bottom", Some((80, 24)))[2], cut);
        let focused = fit(&["top".to_owned()], (&text, 25), "bottom", Some((80, 24)));
        assert_eq!(focused[2..4], ["line 8", "line 9"]);
        assert_eq!(focused[19..21], ["line 25", "line 26"]);
        // A terminal that is too small still shows something.
        assert!(fit(&[], (&text, 0), "bottom", Some((1, 1))).len() > 1);
    }
}
