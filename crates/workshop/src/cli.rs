//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};

use crate::check;
use crate::course::{Course, called_as};
use crate::exercise::Exercise;
use crate::export;
use crate::grading::Watched;
use crate::learn::{self, Hints};
use crate::packages;
use crate::progress::Progress;
use crate::proofs::{self, FOR_AUTHORS, Kinds};
use crate::report::Format;
use crate::watch;

const AFTER_HELP: &str = "\
Without a command, this program prints the next exercise and its commands. To
choose an exercise, use its number (5, 05) or its folder (05-survive-errors).
The default is the next exercise that is not done.

Every exercise fails at first. Before a command overwrites your work, it copies
your work to another folder.

Exit code: 0 if all checks passed, 1 if a check failed, 2 if the command could
not run.";

const CHECK_HELP: &str = "\
Examples:
  workshop check 05
  workshop check 05 --cmd 'node my.mjs {file} {port}'

Use --cmd to check a server in another language. The command runs in the
current folder. The command must contain {file} and {port}, and each of {chunk},
{preamble}, {stall}, {limit}, {linger} and {grace} that the page of the exercise
lists. The checks replace these placeholders with values.

An exercise is also done if only a server in another language has passed. `list`
then shows \"passed with --cmd\" until your Rust program passes, too.";

const WATCH_HELP: &str = "\
Each key acts immediately, without Enter: h shows the next hint, a shows the full
text and all checks, r runs the checks again, n and p change the exercise, l
lists all exercises, and q quits. After a hint or the list, any other key shows
the result again. If you save a file during a check, the check is canceled and
starts again.";

const EXPORT_HELP: &str = "\
The JSON contains the version of the kit and the current time. For each exercise,
it contains the number, the name and the title, the time at which the exercise
was done, whether only a server of --cmd has passed, the number of hints taken,
whether the solution was seen, and the name of the last failed check. It
contains your name only if you pass --name. This command does not send anything.

Examples:
  workshop export
  workshop export --name Ada --output ada.json";

const WARM_HELP: &str = "\
Run this command before a class, while you are connected to the network. It runs
`cargo fetch` for the kit and for the exercises, and builds every exercise with
its dependencies. Afterward, a build on this computer needs no network.

To copy the sources of the dependencies to other computers, run `cargo vendor`
in the root folder of the kit and in lessons/exercises. `cargo vendor` writes
the sources into a folder and prints the lines that .cargo/config.toml needs.";

/// Run the exercises of the kit and check your solutions
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, max_term_width = 80, disable_help_subcommand = true)]
struct Options {
    /// Folder of the exercises [default: lessons/exercises]
    #[arg(long, value_name = "FOLDER", global = true)]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the next exercise and its commands
    Next,
    /// List all exercises and your progress
    List,
    /// Build and grade an exercise
    #[command(after_help = CHECK_HELP)]
    Check {
        #[command(flatten)]
        selection: Selection,
        /// Command that starts the server to grade
        #[arg(long, requires = "exercise")]
        cmd: Option<String>,
        /// Run all proofs
        #[arg(long, help_heading = FOR_AUTHORS, hide_short_help = true)]
        all: bool,
        #[command(flatten)]
        kinds: Kinds,
        /// The format for `watch`, which ends this check by closing stdin
        #[arg(long, hide = true)]
        watched: Option<Watched>,
    },
    /// Check an exercise now, and again after each save
    #[command(after_help = WATCH_HELP)]
    Watch {
        #[command(flatten)]
        selection: Selection,
        /// Rejected with an explanation
        #[arg(long, hide = true)]
        cmd: Option<String>,
    },
    /// Print the next of three hints
    Hint {
        #[command(flatten)]
        selection: Selection,
        /// Print the hints that you have already taken
        #[arg(long)]
        again: bool,
    },
    /// Print a solution after a confirmation
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
    /// Restore the starter of an exercise and keep a copy of your work
    Reset {
        /// Number or folder of the exercise
        #[arg(value_name = "NN")]
        exercise: String,
    },
    /// Write your progress as JSON, for example for an instructor
    #[command(after_help = EXPORT_HELP)]
    Export {
        /// Name to add to the JSON
        #[arg(long)]
        name: Option<String>,
        /// File to write [default: stdout]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Fetch and build everything, so that the exercises need no network
    #[command(after_help = WARM_HELP)]
    Warm,
}

#[derive(Args, Debug)]
struct Selection {
    /// Number or folder of the exercise
    #[arg(value_name = "NN")]
    exercise: Option<String>,
}

impl Selection {
    /// Returns the exercise that is specified on the command line, or `None` if none is specified.
    fn named<'p>(&self, course: &'p Course) -> Result<Option<&'p Exercise>> {
        self.exercise.as_ref().map(|name| course.find(name)).transpose()
    }

    /// Returns the exercise that is specified on the command line. The default is the next
    /// exercise that is not done, or the last exercise if all are done.
    fn find<'p>(&self, course: &'p Course) -> Result<&'p Exercise> {
        let progress = Progress::read(&course.work)?;
        let first = self.named(course)?.or_else(|| course.next(&progress));
        Ok(first.or(course.exercises.last()).expect("a course has at least one exercise"))
    }
}

/// Runs the command that is specified on the command line. Returns whether all checks passed.
pub fn run() -> Result<bool> {
    let options = Options::parse();
    let _cleanup = harness::cleanup::on_interrupt().context("cannot handle Ctrl-C")?;
    let course = Course::open(options.dir)?;
    let command = options.command.unwrap_or(Command::Next);
    if !matches!(&command, Command::Check { all, kinds, .. } if *all || *kinds != Kinds::default())
    {
        packages::prepare_learner(&course)?;
    }
    match command {
        Command::Next => learn::next(&course),
        Command::List => learn::list(&course),
        Command::Check { selection, all, kinds, .. } if all || kinds != Kinds::default() => {
            proofs::prove(&course, selection.named(&course)?, kinds)
        }
        Command::Check { selection, cmd, watched, .. } => {
            watched.inspect(|watched| watched.prepare());
            let format = watched.map_or(Format::Lines, Watched::format);
            check::check(&course, selection.find(&course)?, cmd.as_deref(), format)
        }
        Command::Watch { cmd: Some(_), .. } => {
            let check = called_as("check");
            bail!("`watch` grades only your Rust program\nhelp: use `--cmd` with:\n  {check}")
        }
        Command::Watch { selection, cmd: None } => watch::watch(&course, selection.find(&course)?),
        Command::Hint { selection, again } => {
            let which = if again { Hints::Taken } else { Hints::Next };
            learn::hint(&course, selection.find(&course)?, which)
        }
        Command::Solution { selection, yes } => {
            learn::solution(&course, selection.find(&course)?, yes)
        }
        Command::Run { selection, port } => learn::run(&course, selection.find(&course)?, port),
        Command::Reset { exercise } => learn::reset(&course, course.find(&exercise)?),
        Command::Export { name, output } => {
            export::export(&course, name.as_deref(), output.as_deref())
        }
        Command::Warm => learn::warm(&course),
    }
}
