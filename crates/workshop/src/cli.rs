//! The command line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

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
if exercise.toml contains them, {chunk}, {preamble}, {stall} and {cap}.";

const WARM_HELP: &str = "\
Run this command before a class, while you have a network. It runs `cargo fetch`
for the kit and for the exercises, and builds every exercise with all its
dependencies. Afterwards, a build on this computer needs no network.

To copy the sources to other computers, run `cargo vendor` in both folders (the
kit's and lessons/exercises). It writes the sources into a folder, and prints
the lines for .cargo/config.toml that use this folder.";

/// Runs the command on the command line. Returns whether everything passed.
///
/// # Errors
///
/// Fails if the command could not run.
pub fn run() -> Result<bool, String> {
    let matches = command().get_matches();
    harness::cleanup::on_interrupt().map_err(|error| error.to_string())?;
    let place = Place::open(matches.get_one("dir"))?;
    let Some((name, matches)) = matches.subcommand() else { return learn::next(&place) };
    let named = match matches.try_get_one::<String>("exercise") {
        Ok(Some(called)) => Some(place.find(called)?),
        _ => None,
    };
    if name == "check" && (matches.get_flag("all") || kinds(matches) != Kinds::default()) {
        return proofs::prove(&place, named, kinds(matches));
    }
    let selected = || -> Result<&Exercise, String> {
        let progress = Progress::read(&place.folder)?;
        let first = named.or_else(|| place.next(&progress));
        Ok(first.or(place.exercises.last()).expect("a place has exercises"))
    };
    match name {
        "list" => learn::list(&place),
        "check" => check::check(&place, selected()?, matches.get_one("cmd").map(String::as_str)),
        "watch" => watch::watch(&place, selected()?),
        "hint" => learn::hint(&place, selected()?, matches.get_flag("again")),
        "solution" => learn::solution(&place, selected()?, matches.get_flag("yes")),
        "reset" => learn::reset(&place, selected()?),
        "run" => learn::run(&place, selected()?, *matches.get_one("port").expect("has a default")),
        "warm" => learn::warm(&place),
        "keep" => match named {
            Some(exercise) => learn::keep(&[exercise]),
            None => learn::keep(&place.exercises.iter().collect::<Vec<_>>()),
        },
        _ => learn::next(&place),
    }
}

fn command() -> Command {
    let exercise = || Arg::new("exercise").value_name("NN").help("Number or folder");
    let named = || exercise().required(true);
    let one = |name: &'static str, about: &'static str| Command::new(name).about(about);
    Command::new("workshop")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Exercises in which you fix servers, graded by what clients receive")
        .after_help(AFTER_HELP)
        .max_term_width(80)
        .disable_help_subcommand(true)
        .arg(
            Arg::new("dir")
                .long("dir")
                .value_name("FOLDER")
                .help("Folder of the exercises [default: the kit's own]")
                .value_parser(value_parser!(PathBuf))
                .global(true),
        )
        .subcommands([
            one("next", "Print what to do next"),
            one("list", "List all exercises and their state"),
            check_command(exercise()),
            one("watch", "Check now, and again after each save").arg(exercise()),
            one("hint", "Print the next of three hints")
                .arg(exercise())
                .arg(flag("again", "Print the hints that you have already taken")),
            one("solution", "Print one of many solutions, after a question")
                .arg(exercise())
                .arg(flag("yes", "Skip the question")),
            one("run", "Start your server, so that you can connect to it").arg(exercise()).arg(
                Arg::new("port")
                    .long("port")
                    .help("Port to listen on")
                    .value_parser(value_parser!(u16))
                    .default_value("4000"),
            ),
            one("reset", "Restore the starter of an exercise, and keep a copy of your work")
                .arg(named()),
            one("warm", "Fetch and build everything, so that no network is needed")
                .after_help(WARM_HELP),
            one("keep", "Copy src/ to starter/ (for authors)").arg(exercise()).hide(true),
        ])
}

fn check_command(exercise: Arg) -> Command {
    Command::new("check").about("Build and grade an exercise").after_help(CHECK_HELP).args([
        exercise,
        Arg::new("cmd")
            .long("cmd")
            .value_name("CMD")
            .help("Command that starts the server to grade")
            .requires("exercise"),
        flag("all", "Run all proofs below (for authors and CI)"),
        flag("starters", "Prove that starters fail for their stated reason"),
        flag("solutions", "Prove that solutions pass"),
        flag("wrongs", "Prove that wrong answers fail with their diagnosis"),
        flag("links", "Prove that lessons and exercises link to each other"),
    ])
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).action(ArgAction::SetTrue)
}

fn kinds(matches: &ArgMatches) -> Kinds {
    Kinds {
        starters: matches.get_flag("starters"),
        solutions: matches.get_flag("solutions"),
        wrongs: matches.get_flag("wrongs"),
        links: matches.get_flag("links"),
    }
}
