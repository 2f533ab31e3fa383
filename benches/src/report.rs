//! A page of results that needs nothing but itself, the drawings in it as files, and what differs
//! between two records.

mod chart;
mod diff;
mod figures;
mod page;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::records::Results;

pub use diff::diff;

/// Writes the page, and each drawing as a file beside it; returns where the page is.
///
/// # Errors
///
/// When something cannot be written.
pub fn write(results: &Results, folder: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let sections = figures::sections(results);
    for drawing in sections.iter().flat_map(|section| &section.drawings) {
        fs::write(folder.join(format!("{}.svg", drawing.file)), drawing.standalone())?;
    }
    let path = folder.join("report.html");
    fs::write(&path, page::page(results, &sections))?;
    Ok(path)
}

/// Text as it may stand in HTML and SVG.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
