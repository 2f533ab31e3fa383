//! The lines that a server prints.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;

use harness::text::{count_bytes, printable};
use serde::Deserialize;

use crate::trace::{Event, Line};

/// The maximum length of a line in bytes. A longer line becomes several lines.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// The maximum number of characters of [`Event::details`].
const DETAILS_CHARS_MAX: usize = 200;

/// The maximum number of lines per second that are not events.
const OTHER_LINES_MAX: u64 = 20;

/// An event in a log (see docs/CONTRACT.md).
#[derive(Deserialize)]
pub(super) struct Logged<'a> {
    pub at_us: u64,
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    pub conn: Option<u64>,
    pub peer: Option<SocketAddr>,
    pub addr: Option<SocketAddr>,
    pub bytes: Option<u64>,
    #[serde(borrow)]
    pub preview: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub message: Option<Cow<'a, str>>,
    pub sent: Option<u64>,
    pub received: Option<u64>,
    pub events: Option<u64>,
}

impl Logged<'_> {
    /// Returns the fields of the event as readable text.
    pub fn details(&self) -> String {
        let bytes = count_bytes(self.bytes.unwrap_or_default());
        match (&*self.event, self) {
            ("connected", Self { peer: Some(addr), .. })
            | ("listening", Self { addr: Some(addr), .. }) => addr.to_string(),
            ("data", Self { preview: Some(preview), .. }) => format!("{bytes}: {preview}"),
            ("file_ended", _) => bytes,
            ("error", Self { kind: Some(kind), message: Some(message), .. }) => {
                format!("{kind}: {message}")
            }
            ("disconnected", Self { sent: Some(sent), received: Some(received), .. }) => {
                format!("sent {sent}, received {received} bytes")
            }
            ("dropped", Self { events: Some(events), .. }) => format!("{events} events"),
            _ => String::new(),
        }
    }
}

/// Limits the rate of lines that are not events.
#[derive(Default)]
pub(super) struct OtherLines {
    second: u64,
    count: u64,
}

impl OtherLines {
    /// Returns the lines for the trace: the event, and the number of events that were dropped
    /// before it.
    pub fn add(&mut self, event: Event) -> Vec<Line> {
        let second = event.at_us / 1_000_000;
        let mut lines = Vec::new();
        if second != self.second {
            let dropped = self.count.saturating_sub(OTHER_LINES_MAX);
            if dropped > 0 {
                let details = format!("{dropped} lines of {}", event.event);
                lines.push(Event { event: "dropped".to_owned(), details, ..event.clone() });
            }
            (self.second, self.count) = (second, 0);
        }
        self.count += 1;
        if self.count <= OTHER_LINES_MAX {
            lines.push(event);
        }
        lines.into_iter().map(Line::Event).collect()
    }
}

/// Calls `on_line` with each line, and with `None` whenever no complete line is available.
pub(super) fn read_lines(pipe: impl Read, mut on_line: impl FnMut(Option<&str>)) {
    let mut pipe = BufReader::with_capacity(LINE_BYTES_MAX as usize, pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match pipe.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => on_line(Some(String::from_utf8_lossy(&line).trim_end())),
        }
        if !pipe.buffer().contains(&b'\n') {
            on_line(None);
        }
    }
}

/// Limits the length of text from a server, and escapes characters that control a terminal.
pub(super) fn shortened(text: &str) -> String {
    let mut short = printable(&text.chars().take(DETAILS_CHARS_MAX).collect::<String>());
    if text.chars().nth(DETAILS_CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}
