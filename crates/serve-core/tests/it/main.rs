//! Tests of the public types of serve-core.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chunks;
mod events;
mod listener;
mod replies;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

/// Creates a file with this name and content in a new folder. Returns the folder and the file's
/// path. Dropping the `TempDir` removes the folder.
fn file_with(name: &str, content: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    (folder, path)
}
