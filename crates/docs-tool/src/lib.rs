//! Keeps the lessons true to the code, and makes the book of them.
//!
//! A lesson is Markdown that shows on GitHub as it stands. *Markers*, which are comments, say where
//! what it shows comes from: code between anchors, the output of commands, figures of records.
//! [`refresh`] fills all of it in, or checks that it is filled in truly.

pub mod anchors;
pub mod book;
pub mod compare;
pub mod console;
pub mod fault;
pub mod figures;
pub mod fill;
pub mod links;
pub mod markers;
pub mod output;
pub mod page;
mod paths;
#[cfg(target_os = "linux")]
pub mod process;
pub mod references;
pub mod refresh;
pub mod repo;
mod runs;
#[cfg(target_os = "linux")]
pub mod stage;
#[cfg(not(target_os = "linux"))]
#[path = "stage_elsewhere.rs"]
pub mod stage;

/// The siblings, in the order in which they are shown, and the folder of each.
pub const SIBLINGS: [(&str, &str); 4] = [
    ("std", "crates/serve-std"),
    ("tokio", "crates/serve-tokio"),
    ("async-std", "crates/serve-async-std"),
    ("smol", "crates/serve-smol"),
];
