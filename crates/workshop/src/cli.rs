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
Without a command it says what to do next. An exercise is named by its number
(5, 05) or its folder (05-survive-errors); without one, the first that is not
done is meant.

Every exercise begins red. No command overwrites your work without a copy.

Exit code: 0 green, 1 red, 2 it could not run.";

const CHECK_HELP: &str = "\
Examples:
  workshop check 05
  workshop check 05 --cmd 'node my.mjs {file} {port}'

A server in another language is started by its command, seen from the folder
that you are in. It has the places of conformance: {file}, {port}, and if its
exercise.toml has them {chunk}, {preamble}, {stall} and {cap}.";

const WARM_HELP: &str = "\
Before a class, with a network: it runs `cargo fetch` for the kit and for the
exercises, and builds every exercise with all its dependencies. Afterwards a
build needs no network on this computer.

To hand the sources to computers that have none, `cargo vendor` in both
folders (the kit's and lessons/exercises) writes them into a folder, and
prints the lines for .cargo/config.toml that use it.";

/// Does what the command line says; false if something is red.
///
/// # Errors
///
/// When it could not be done.
pub fn run() -> Result<bool, String> {
    let matches = command().get_matches();
    conformance::kill_all_on_interrupt().map_err(|error| error.to_string())?;
    let place = Place::open(matches.get_one("dir"))?;
    let Some((name, matches)) = matches.subcommand() else { return learn::next(&place) };
    let named = match matches.try_get_one::<String>("exercise") {
        Ok(Some(called)) => Some(place.find(called)?),
        _ => None,
    };
    if name == "check" && (matches.get_flag("all") || kinds(matches) != Kinds::default()) {
        return proofs::prove(&place, named, kinds(matches));
    }
    let meant = || -> Result<&Exercise, String> {
        let progress = Progress::read(&place.folder)?;
        let first = named.or_else(|| place.next(&progress));
        Ok(first.or(place.exercises.last()).expect("a place has exercises"))
    };
    match name {
        "list" => learn::list(&place),
        "check" => check::check(&place, meant()?, matches.get_one("cmd").map(String::as_str)),
        "watch" => watch::watch(&place, meant()?),
        "hint" => learn::hint(&place, meant()?, matches.get_flag("again")),
        "solution" => learn::solution(&place, meant()?, matches.get_flag("yes")),
        "reset" => learn::reset(&place, meant()?),
        "run" => learn::run(&place, meant()?, *matches.get_one("port").expect("has a default")),
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
        .about("Exercises in which you mend servers, graded by what clients see")
        .after_help(AFTER_HELP)
        .max_term_width(80)
        .disable_help_subcommand(true)
        .arg(
            Arg::new("dir")
                .long("dir")
                .value_name("FOLDER")
                .help("The exercises' folder, if it is not the kit's own")
                .value_parser(value_parser!(PathBuf))
                .global(true),
        )
        .subcommands([
            one("next", "What to do next"),
            one("list", "All exercises: what is done, what is next"),
            check_command(exercise()),
            one("watch", "Check now, and again whenever you save").arg(exercise()),
            one("hint", "The next of three hints")
                .arg(exercise())
                .arg(flag("again", "Those that you have taken, once more")),
            one("solution", "One solution of many, after a question")
                .arg(exercise())
                .arg(flag("yes", "Ask no question")),
            one("run", "Start your server, to open it yourself").arg(exercise()).arg(
                Arg::new("port")
                    .long("port")
                    .help("Where it listens")
                    .value_parser(value_parser!(u16))
                    .default_value("4000"),
            ),
            one("reset", "Begin an exercise anew; your work is kept as a copy").arg(named()),
            one("warm", "Fetch and build all, so that no network is needed").after_help(WARM_HELP),
            one("keep", "For authors: what src/ holds becomes the starter")
                .arg(exercise())
                .hide(true),
        ])
}

fn check_command(exercise: Arg) -> Command {
    Command::new("check").about("Build and grade an exercise").after_help(CHECK_HELP).args([
        exercise,
        Arg::new("cmd")
            .long("cmd")
            .value_name("CMD")
            .help("Grade the server that this command starts")
            .requires("exercise"),
        flag("all", "Prove all exercises, in every way below (for authors and CI)"),
        flag("starters", "Prove that starters are red for their reason"),
        flag("solutions", "Prove that solutions are green"),
        flag("wrongs", "Prove that wrong answers are red, with words that fit"),
        flag("links", "Prove that lesson and exercise link to each other"),
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
