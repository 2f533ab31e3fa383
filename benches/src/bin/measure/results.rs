//! Shows the progress of the race and the footprint. Saves the results.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use benches::records;
use harness::record::Run;
use harness::table::Table;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{note, print};

/// Creates a progress bar, which is visible only if stderr is a terminal.
pub fn progress_bar(steps: usize) -> ProgressBar {
    let template = "{bar:20} {pos}/{len} {elapsed}, {eta} left, {msg}";
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    let bar = ProgressBar::new(steps as u64).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// Prints the tables and the problems of a run. Writes the run to a file. The default path of this
/// file is `target/measure/PROGRAM.json`.
pub fn save(run: &Run, tables: &[Table], path: Option<PathBuf>) -> anyhow::Result<()> {
    tables.iter().for_each(|table| print(format_args!("{table}\n")));
    run.problems.iter().for_each(|problem| print(format_args!("{problem}\n")));
    let path = path.unwrap_or_else(|| records::measured_file(&run.program));
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    run.write(&path)?;
    note(format_args!("saved the values in `{}`", path.display()));
    Ok(())
}
