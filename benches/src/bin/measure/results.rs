//! Output of the race and the footprint. A closed stdout or stderr is not an error.

use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use benches::records;
use harness::record::Run;
use harness::table::Table;
use indicatif::{ProgressBar, ProgressStyle};

/// Creates a bar that is drawn on stderr if stderr is a terminal.
pub fn progress_bar(steps: usize) -> ProgressBar {
    let template = "{bar:20} {pos}/{len} {elapsed}, {eta} left, {msg}";
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    let bar = ProgressBar::new(steps as u64).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// Prints a line to stderr.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints a line to stdout.
pub fn print(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints the tables of a run, and what could not be measured.
pub fn print_tables(tables: &[Table], problems: &[String]) {
    tables.iter().for_each(print);
    problems.iter().for_each(print);
}

/// Writes a run to a file. The default is `target/measure/PROGRAM.json`.
pub fn write(run: &Run, path: Option<PathBuf>) -> anyhow::Result<()> {
    let default = || records::target_folder().join(format!("measure/{}.json", run.program));
    let path = path.unwrap_or_else(default);
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    run.write(&path)?;
    note(format_args!("saved: {}", path.display()));
    Ok(())
}
