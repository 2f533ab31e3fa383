//! `docs-tool` keeps the lessons and pictures up to date, compares siblings and builds the book.
//!
//! A lesson is a Markdown file that GitHub shows without further processing. *Markers*, which are
//! comments, name sources of content: code between anchors, the output of commands, and
//! measurements from records. `fill` inserts the content into the page, and `check` reports content
//! that is out of date.

mod anchors;
mod book;
mod common;
mod compare;
mod console;
mod excerpts;
mod fill;
mod links;
mod markers;
mod output;
mod page;
mod page_error;
mod paths;
mod pictures;
mod process;
mod reading_time;
mod references;
mod refresh;
mod repo;
mod runs;
mod stage;
mod values;
mod wrap;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::common::report;
use crate::repo::Repo;

/// The exit code if a page or a picture has errors or is out of date.
const EXIT_ERRORS: u8 = 1;
/// The exit code for all other errors.
const EXIT_UNABLE: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  docs-tool fill                              fill in all lessons
  docs-tool fill lessons/04-backpressure.md   fill in one lesson
  docs-tool check                             check all lessons
  docs-tool compare tokio smol                show two siblings side by side
  docs-tool book --open                       build the book and open it

Exit code: 0 success, 1 errors in pages or pictures, 2 other errors.";

/// Keep the lessons and pictures up to date, compare siblings, and build the book
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, max_term_width = 80, propagate_version = true)]
struct Cli {
    /// Root of the repository [default: the repository that contains the current directory]
    #[arg(long, value_name = "FOLDER", global = true)]
    root: Option<PathBuf>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Fill(refresh::FillArgs),
    Check(refresh::CheckArgs),
    Compare(compare::command::Args),
    Pictures(pictures::Args),
    Book(book::command::Args),
}

fn main() -> ExitCode {
    let Cli { root, task } = Cli::parse();
    let _cleanup = match harness::cleanup::on_interrupt() {
        Ok(cleanup) => cleanup,
        Err(error) => {
            report(format_args!("error: cannot handle Ctrl-C: {error}"));
            return ExitCode::from(EXIT_UNABLE);
        }
    };
    let repo = root.map_or_else(Repo::found, Repo::at);
    let has_succeeded = match task {
        Task::Fill(args) => args.run(&repo),
        Task::Check(args) => args.run(&repo, true),
        Task::Compare(args) => args.run(&repo),
        Task::Pictures(args) => args.run(&repo),
        Task::Book(args) => args.run(&repo),
    };
    match has_succeeded {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_ERRORS),
        Err(error) => {
            report(format_args!("error: {error:#}"));
            ExitCode::from(EXIT_UNABLE)
        }
    }
}
