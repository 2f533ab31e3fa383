//! The siblings, and the modes in which the tests run the siblings.

use serve_core::Approach;

/// A test that every sibling must pass.
pub type Test = fn(Sibling);

/// A sibling, and the mode in which it sends the file.
#[derive(Clone, Copy)]
pub struct Sibling {
    pub approach: &'static Approach,
    pub mode: SendMode,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendMode {
    Copy,
    /// Copy mode as on systems other than Linux. The server does not read directly from the page
    /// cache, so only threads that may block read the file.
    CopyByPool,
    ZeroCopy,
}

impl Sibling {
    /// Returns all siblings in all modes that the operating system supports.
    pub fn all() -> impl Iterator<Item = Self> {
        let modes: &[SendMode] = match cfg!(target_os = "linux") {
            true => &[SendMode::Copy, SendMode::CopyByPool, SendMode::ZeroCopy],
            false => &[SendMode::Copy],
        };
        approaches::built()
            .flat_map(|approach| modes.iter().map(move |&mode| Self { approach, mode }))
    }

    pub fn name(self) -> String {
        let suffix = match self.mode {
            SendMode::Copy => "",
            SendMode::CopyByPool => "-by-pool",
            SendMode::ZeroCopy => "-zero-copy",
        };
        format!("{}{suffix}", self.approach.name)
    }
}
