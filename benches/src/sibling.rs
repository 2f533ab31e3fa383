//! The kit's own servers as processes, in both their ways to send.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use serve_core::Approach;

/// A sibling in one of its ways to send.
#[derive(Clone, Copy, Debug)]
pub struct Sibling {
    /// From the table.
    pub approach: &'static Approach,
    /// With `--zero-copy`.
    pub is_zero_copy: bool,
}

impl Sibling {
    /// All of them, copying and not.
    pub fn all() -> impl Iterator<Item = Self> {
        let ways = |approach| [false, true].map(|is_zero_copy| Self { approach, is_zero_copy });
        approaches::ALL.into_iter().flat_map(ways)
    }

    /// In tables and records.
    #[must_use]
    pub fn name(self) -> String {
        let way = if self.is_zero_copy { "-zero-copy" } else { "" };
        format!("{}{way}", self.approach.name)
    }

    /// The words that start it on this machine alone; `program` is one that asks
    /// `approaches::main_of_server` first. More flags may follow.
    #[must_use]
    pub fn words(self, program: &OsStr, file: &Path, port: u16, log: &str) -> Vec<OsString> {
        let server = format!("serve-{}", self.approach.name);
        let mut words = vec![program.to_owned(), server.into(), file.into()];
        let flags = ["--host", "127.0.0.1", "--log", log, "--port", &port.to_string()];
        words.extend(flags.map(OsString::from));
        words.extend(self.is_zero_copy.then(|| "--zero-copy".into()));
        words
    }
}
