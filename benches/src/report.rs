//! Generates a page and charts from the results in a record. Compares two records.

mod charts;
mod diff;
mod page;
mod svg;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use harness::record::Record;

use charts::Section;

pub use diff::diff;

/// Writes the charts to a folder, without the page.
///
/// # Errors
///
/// Fails if a file cannot be written.
pub fn write_charts(record: &Record, folder: &Path) -> io::Result<()> {
    write_files(&charts::sections(record), folder)
}

/// Writes the page and the charts to a folder. Returns the path of the page.
///
/// # Errors
///
/// Fails if a file cannot be written.
pub fn write(record: &Record, folder: &Path) -> io::Result<PathBuf> {
    let sections = charts::sections(record);
    write_files(&sections, folder)?;
    let path = folder.join("report.html");
    fs::write(&path, page::page(record, &sections))?;
    Ok(path)
}

fn write_files(sections: &[Section], folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for chart in sections.iter().flat_map(|section| &section.charts) {
        fs::write(folder.join(format!("{}.svg", chart.name)), chart.file())?;
    }
    Ok(())
}

/// Escapes the special characters of HTML and SVG.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Formats a number of nanoseconds in a suitable unit.
fn time_text(ns: f64) -> String {
    match ns {
        1e9.. => format!("{:.2} s", ns / 1e9),
        1e6.. => format!("{:.2} ms", ns / 1e6),
        1e3.. => format!("{:.1} µs", ns / 1e3),
        _ => format!("{ns:.0} ns"),
    }
}
