//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::check;
use crate::exercise::Exercise;
use crate::learn;
use crate::place::Place;
use crate::progress::Progress;
use crate::proofs::{self, Kinds};
use crate::watch;

const AFTER_HELP: &str = "\
Without a command, this program prints what to do next. Name an exercise by its
number (5, 05) or its folder (05-survive-errors). The default is the first
exercise that is not done.

Every exercise fails at first. Before a command overwrites your work, it makes
a copy.

Exit code: 0 passed, 1 failed, 2 the command could not run.";

const CHECK_HELP: &str = "\
Examples:
  workshop check 05
  workshop check 05 --cmd 'node my.mjs {file} {port}'

For a server in another language, --cmd is the command that starts it in the
current folder. Its placeholders are those of conformance: {file}, {port}, and,
if exercise.toml contains them, {chunk}, {preamble}, {stall} and {limit}.";

const WARM_HELP: &str = "\
Run this command before a class, while you have a network. It runs `cargo fetch`
for the kit and for the exercises, and builds every exercise with all its
dependencies. Afterwards, a build on this computer needs no network.

To copy the sources to other computers, run `cargo vendor` in both folders (the
kit's and lessons/exercises). It writes the sources into a folder, and prints
the lines for .cargo/config.toml that use this folder.";

/// Exercises in which you fix servers, graded by what clients receive
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, max_term_width = 80, disable_help_subcommand = true)]
struct Options {
    /// Folder of the exercises [default: the kit's own]
    #[arg(long, value_name = "FOLDER", global = true)]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print what to do next
    Next,
    /// List all exercises and their state
    List,
    /// Build and grade an exercise
    #[command(after_help = CHECK_HELP)]
    Check {
        #[command(flatten)]
        selection: Selection,
        /// Command that starts the server to grade
        #[arg(long, requires = "exercise")]
        cmd: Option<String>,
        /// Run all proofs below (for authors and CI)
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        kinds: Kinds,
    },
    /// Check now, and again after each save
    Watch(Selection),
    /// Print the next of three hints
    Hint {
        #[command(flatten)]
        selection: Selection,
        /// Print the hints that you have already taken
        #[arg(long)]
        again: bool,
    },
    /// Print a solution, after a confirmation
    Solution {
        #[command(flatten)]
        selection: Selection,
        /// Skip the confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Start your server, so that you can connect to it
    Run {
        #[command(flatten)]
        selection: Selection,
        /// Port to listen on
        #[arg(long, default_value_t = 4000)]
        port: u16,
    },
    /// Restore the starter of an exercise, and keep a copy of your work
    Reset {
        /// Number or folder
        #[arg(value_name = "NN")]
        exercise: String,
    },
    /// Fetch and build everything, so that no network is needed
    #[command(after_help = WARM_HELP)]
    Warm,
    /// Copy src/ to starter/ (for authors)
    #[command(hide = true)]
    Keep(Selection),
}

#[derive(Args, Debug)]
struct Selection {
    /// Number or folder
    #[arg(value_name = "NN")]
    exercise: Option<String>,
}

impl Selection {
    /// Returns the exercise that the command line names.
    fn named<'p>(&self, place: &'p Place) -> Result<Option<&'p Exercise>> {
        self.exercise.as_ref().map(|name| place.find(name)).transpose()
    }

    /// Returns the named exercise, or by default the first one that is not done.
    fn find<'p>(&self, place: &'p Place) -> Result<&'p Exercise> {
        let progress = Progress::read(&place.folder)?;
        let first = self.named(place)?.or_else(|| place.next(&progress));
        Ok(first.or(place.exercises.last()).expect("a place has exercises"))
    }
}

/// Runs the command on the command line. Returns whether everything passed.
pub fn run() -> Result<bool> {
    let options = Options::parse();
    harness::cleanup::on_interrupt().context("cannot handle Ctrl-C")?;
    let place = Place::open(options.dir)?;
    match options.command.unwrap_or(Command::Next) {
        Command::Next => learn::next(&place),
        Command::List => learn::list(&place),
        Command::Check { selection, all, kinds, .. } if all || kinds != Kinds::default() => {
            proofs::prove(&place, selection.named(&place)?, kinds)
        }
        Command::Check { selection, cmd, .. } => {
            check::check(&place, selection.find(&place)?, cmd.as_deref())
        }
        Command::Watch(selection) => watch::watch(&place, selection.find(&place)?),
        Command::Hint { selection, again } => learn::hint(&place, selection.find(&place)?, again),
        Command::Solution { selection, yes } => {
            learn::solution(&place, selection.find(&place)?, yes)
        }
        Command::Run { selection, port } => learn::run(&place, selection.find(&place)?, port),
        Command::Reset { exercise } => learn::reset(&place, place.find(&exercise)?),
        Command::Warm => learn::warm(&place),
        Command::Keep(selection) => learn::keep(match selection.named(&place)? {
            Some(exercise) => std::slice::from_ref(exercise),
            None => &place.exercises,
        }),
    }
}
