//! Reads a recorded trace.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{anyhow, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::hub::{Hub, MAX_HISTORY_BYTES};
use crate::trace::{Header, Line, VERSION};

/// The maximum length of a trace in bytes. A trace that the page saves is longer than the history,
/// because it also contains the header, newlines, and values of earlier lines.
const BYTES_MAX: u64 = 2 * MAX_HISTORY_BYTES as u64;

/// The number of lines that are added to the hub at a time.
const LINES_PER_PUSH: usize = 1000;

const HELP: &str = "pass a file that `flow record` wrote";

/// The types of lines that this version knows.
const TYPES: [&str; 9] =
    ["server", "scenario", "client", "connection", "thread", "usage", "event", "note", "end"];

/// A trace that has been read.
pub struct Replay {
    /// Contains all lines.
    pub hub: Hub,
    /// The reason why the trace is not complete. The trace also contains this message as a note.
    pub warning: Option<String>,
}

/// Reads a trace. If the end of the trace is missing, for example because the disk was full, the
/// other lines are used.
///
/// # Errors
///
/// Fails if the file cannot be read, if it is not a trace of this version, if it is too long, or if
/// a line is invalid. The message contains a second line, which starts with `help: `.
pub fn read(path: &Path) -> anyhow::Result<Replay> {
    let name = path.display();
    let file =
        File::open(path).map_err(|error| anyhow!("cannot open `{name}`: {error}\nhelp: {HELP}"))?;
    let mut lines = Lines::new(file);
    let cannot_read = |error: io::Error| anyhow!("cannot read `{name}`: {error}\nhelp: {HELP}");
    let header = lines.next().map_err(cannot_read)?;
    let header = header.unwrap_or_default();
    let mut reader = Reader::new(parse_header(&name.to_string(), &header.text)?);
    loop {
        let line = lines.next().map_err(cannot_read)?;
        if lines.bytes > BYTES_MAX {
            bail!(
                "the trace `{name}` is too long: the maximum is {BYTES_MAX} bytes\n\
                 help: record a shorter time (`--duration`), or fewer clients"
            );
        }
        let Some(line) = line else { break };
        // The last line of a truncated trace is usually incomplete.
        if let Err(error) = reader.add(&line.text) {
            if !line.is_complete {
                break;
            }
            bail!(
                "line {} of the trace `{name}` is not valid: {error:#}\n\
                 help: record the trace again",
                lines.number
            );
        }
    }
    Ok(reader.finish(&name.to_string()))
}

fn parse_header(name: &str, line: &[u8]) -> anyhow::Result<Header> {
    let value = serde_json::from_slice::<Value>(line).unwrap_or_default();
    let Some(version) = value.get("flow_trace").and_then(Value::as_u64) else {
        bail!("`{name}` is not a trace\nhelp: {HELP}");
    };
    if version != u64::from(VERSION) {
        bail!(
            "the trace `{name}` has the format version {version}, but this program reads version \
             {VERSION}\nhelp: use the version of `flow` that recorded the trace, or record it again"
        );
    }
    let header: Header = serde_json::from_slice(line).map_err(|error| {
        anyhow!("the header of the trace `{name}` is not valid: {error}\nhelp: record it again")
    })?;
    if header.servers.is_empty() {
        bail!("the trace `{name}` contains no server\nhelp: {HELP}");
    }
    Ok(header)
}

/// Collects the lines after the header.
struct Reader {
    hub: Hub,
    pending: Vec<Line>,
    last_us: u64,
    has_ended: bool,
}

impl Reader {
    fn new(header: Header) -> Self {
        Self {
            hub: Hub::with_max(header, usize::MAX),
            pending: Vec::new(),
            last_us: 0,
            has_ended: false,
        }
    }

    fn add(&mut self, text: &[u8]) -> anyhow::Result<()> {
        #[derive(Deserialize)]
        struct Common {
            r#type: String,
            at_us: u64,
            #[serde(default)]
            server: usize,
        }
        let line: Common = serde_json::from_slice(text)?;
        if self.has_ended {
            bail!("it follows the end of the trace");
        }
        let servers = self.hub.header().servers.len();
        if line.server >= servers {
            bail!("expected a server from 0 to {}, got {}", servers - 1, line.server);
        }
        self.last_us = self.last_us.max(line.at_us);
        // A later version of the program may have added types.
        if !TYPES.contains(&line.r#type.as_str()) {
            return Ok(());
        }
        let line = serde_json::from_slice(text)?;
        self.has_ended = matches!(line, Line::End { .. });
        self.pending.push(line);
        if self.pending.len() >= LINES_PER_PUSH {
            self.hub.push(self.pending.drain(..));
        }
        Ok(())
    }

    fn finish(mut self, name: &str) -> Replay {
        let s = self.last_us as f64 / 1e6;
        let warning = (!self.has_ended).then(|| {
            format!("the trace `{name}` is truncated after {s:.1} s: its last line is missing")
        });
        if let Some(message) = &warning {
            self.pending.push(Line::Note { at_us: self.last_us, message: message.clone() });
            self.pending.push(Line::End { at_us: self.last_us });
        }
        self.hub.push(self.pending);
        Replay { hub: self.hub, warning }
    }
}

/// Reads the lines of a file.
struct Lines {
    file: BufReader<io::Take<File>>,
    /// The number of the last line, counted from 1.
    number: u64,
    /// The length of all lines that have been read.
    bytes: u64,
}

#[derive(Default)]
struct TextLine {
    text: Vec<u8>,
    /// Indicates whether the line ends with a newline.
    is_complete: bool,
}

impl Lines {
    fn new(file: File) -> Self {
        // Even a single line must not use more memory than the longest trace.
        Self { file: BufReader::new(file.take(BYTES_MAX + 1)), number: 0, bytes: 0 }
    }

    /// Returns the next line, or `None` at the end of the file.
    fn next(&mut self) -> io::Result<Option<TextLine>> {
        let mut text = Vec::new();
        let bytes = self.file.read_until(b'\n', &mut text)?;
        self.number += 1;
        self.bytes += bytes as u64;
        let is_complete = text.ends_with(b"\n");
        Ok((bytes > 0).then_some(TextLine { text, is_complete }))
    }
}
