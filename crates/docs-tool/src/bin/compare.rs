//! `compare`: two siblings side by side in the terminal, with what really differs marked.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use console::Term;
use docs_tool::SIBLINGS;
use docs_tool::compare::show::{BESIDE_COLUMNS_MIN, Look, show};
use docs_tool::compare::{Compared, compare};
use docs_tool::fault::did_you_mean;
use docs_tool::repo::Repo;

const EXAMPLES: &str = "\
Examples:
  compare async-std smol
  compare std tokio --function send_file
  compare tokio smol --only-differences

Functions are compared with those of the same name, what stands outside of them
by its anchor. From 110 columns on the two stand beside each other, below that
one under the other.";

/// It could not run.
const EXIT_UNABLE: u8 = 2;

/// As wide as a terminal is that does not say.
const COLUMNS: usize = 80;

/// Narrower than this nothing can be read.
const COLUMNS_MIN: usize = 20;

fn main() -> ExitCode {
    match compared(&command().get_matches()) {
        Ok(text) => {
            // A closed pipe is no error of ours.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(message) => {
            let _ = writeln!(io::stderr(), "compare: {message}");
            ExitCode::from(EXIT_UNABLE)
        }
    }
}

fn command() -> Command {
    let names = || PossibleValuesParser::new(SIBLINGS.map(|(name, _)| name));
    Command::new("compare")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Two siblings side by side, with what really differs marked")
        .after_help(EXAMPLES)
        .max_term_width(80)
        .args([
            Arg::new("first")
                .value_name("A")
                .help("A sibling")
                .value_parser(names())
                .required(true),
            Arg::new("second").value_name("B").help("Another").value_parser(names()).required(true),
            Arg::new("function")
                .long("function")
                .value_name("NAME")
                .help("Only this function, or what stands outside by its anchor"),
            Arg::new("only-differences")
                .long("only-differences")
                .help("Leave out what is the same")
                .action(ArgAction::SetTrue),
            Arg::new("width")
                .long("width")
                .value_name("COLUMNS")
                .help(format!(
                    "By default the terminal's; from {BESIDE_COLUMNS_MIN} on in two columns"
                ))
                .value_parser(value_parser!(u16)),
        ])
}

fn compared(matches: &ArgMatches) -> Result<String, String> {
    let name = |id| matches.get_one::<String>(id).cloned().unwrap_or_default();
    let names = [name("first"), name("second")];
    let repo = Repo::found();
    let source = |name: &String| {
        let folder = SIBLINGS.iter().find(|sibling| sibling.0 == name).map_or("", |it| it.1);
        repo.read(&format!("{folder}/src/lib.rs"))
    };
    let mut compared = compare(&source(&names[0])?, &source(&names[1])?);
    if let Some(function) = matches.get_one::<String>("function") {
        only(&mut compared, function)?;
    }
    let columns = match matches.get_one::<u16>("width") {
        Some(&columns) => usize::from(columns),
        None => columns(),
    };
    let look = Look {
        names,
        columns: columns.max(COLUMNS_MIN),
        is_coloured: io::stdout().is_terminal()
            && env::var_os("NO_COLOR").is_none_or(|it| it.is_empty()),
        only_differences: matches.get_flag("only-differences"),
    };
    Ok(show(&compared, &look))
}

fn only(compared: &mut Vec<Compared>, function: &str) -> Result<(), String> {
    let names: Vec<String> = compared.iter().map(|section| section.name.clone()).collect();
    compared.retain(|section| section.name == function);
    if !compared.is_empty() {
        return Ok(());
    }
    let near = did_you_mean(function, names.iter().map(String::as_str));
    let help = near.map_or_else(
        || format!("there are {}", names.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    Err(format!("neither has a function `{function}`; {help}"))
}

/// The terminal's, or what `COLUMNS` says.
fn columns() -> usize {
    let said = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let asked = Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
    if io::stdout().is_terminal() { asked.or(said) } else { said }.unwrap_or(COLUMNS)
}
