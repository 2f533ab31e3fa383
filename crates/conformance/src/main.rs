//! `conformance`: judges a server by the contract.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::{env, io};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use conformance::{ALL, Check, Format, Progress, Record, Target, Verdict};
use indicatif::{ProgressBar, ProgressStyle};

const EXAMPLES: &str = "\
Examples:
  conformance --approach tokio                      one of the kit's own servers
  conformance --all                                 all of them, side by side
  conformance -- node server.mjs {file} {port}      any command
  conformance --only half-close -- ./mine {file} {port}

{file} and {port} are filled in for each check. If the server can be told them,
so are {chunk} (bytes at a time), {preamble} (bare, http or none), {stall} (the
stall timeout in seconds) and {cap} (clients at once); a check that needs one
that the command lacks is not applicable. After --approach, what follows -- are
further flags for that server.

Exit code: 0 all checks passed, 1 a check failed, 2 it could not run.";

/// The exit code if a check failed.
const EXIT_FAILED: u8 = 1;
/// The exit code if the checks could not run.
const EXIT_UNABLE: u8 = 2;

fn main() -> ExitCode {
    if let Some(ended) = approaches::main_of_server() {
        return ended;
    }
    let matches = command().get_matches();
    if matches.get_flag("list") {
        return list();
    }
    match judge(&matches) {
        Ok(records) => match records.iter().any(|r| matches!(r.verdict, Verdict::Fail(_))) {
            true => ExitCode::from(EXIT_FAILED),
            false => ExitCode::SUCCESS,
        },
        Err(message) => {
            let _ = writeln!(io::stderr(), "conformance: {message}");
            ExitCode::from(EXIT_UNABLE)
        }
    }
}

fn command() -> Command {
    let names = approaches::ALL.iter().map(|approach| approach.name);
    Command::new("conformance")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Judges a server, in any language, by the contract (docs/CONTRACT.md)")
        .after_help(EXAMPLES)
        .max_term_width(80)
        .args([
            Arg::new("approach")
                .long("approach")
                .value_name("NAME")
                .help("One of the kit's own servers")
                .value_parser(PossibleValuesParser::new(names))
                .conflicts_with("all"),
            Arg::new("all")
                .long("all")
                .help("All of the kit's own servers: checks down, servers across")
                .action(ArgAction::SetTrue),
            Arg::new("only")
                .long("only")
                .value_name("ID")
                .help("Run this check alone; may be given several times")
                .value_parser(PossibleValuesParser::new(checks().map(|check| check.id)))
                .hide_possible_values(true)
                .action(ArgAction::Append),
            Arg::new("list").long("list").help("List all checks").action(ArgAction::SetTrue),
            Arg::new("format")
                .long("format")
                .help("How the verdicts are written")
                .value_parser(["text", "json", "junit"])
                .default_value("text"),
            Arg::new("words")
                .value_name("CMD")
                .help("The server's command")
                .num_args(0..)
                .last(true),
        ])
}

fn checks() -> impl Iterator<Item = &'static Check> {
    ALL.iter().copied().flatten()
}

fn list() -> ExitCode {
    let mut out = String::new();
    for check in checks() {
        out.push_str(&format!("{:>2}  {:20}  {}\n", check.clause, check.id, check.title));
    }
    print(&out);
    ExitCode::SUCCESS
}

fn judge(matches: &ArgMatches) -> Result<Vec<Record>, String> {
    conformance::kill_all_on_interrupt().map_err(|error| error.to_string())?;
    let targets = targets(matches)?;
    let only: Vec<&String> = matches.get_many("only").unwrap_or_default().collect();
    let is_wanted =
        |check: &&'static Check| only.is_empty() || only.iter().any(|id| *id == check.id);
    let checks: Vec<&'static Check> = checks().filter(is_wanted).collect();
    for target in &targets {
        let name = &target.name;
        conformance::preflight(target).map_err(|why| format!("{name} could not run: {why}"))?;
    }
    let bar = ProgressBar::new((targets.len() * checks.len()) as u64);
    bar.set_style(style()?);
    let progress: Progress<'_> = &|record| {
        bar.set_message(match &record.verdict {
            Verdict::Fail(_) => format!("{} failed", record.check.id),
            _ => record.check.id.to_owned(),
        });
        bar.inc(1);
    };
    let records = conformance::run(&targets, &checks, progress);
    conformance::kill_all();
    bar.finish_and_clear();
    let format = match matches.get_one::<String>("format").map(String::as_str) {
        Some("json") => Format::Json,
        Some("junit") => Format::Junit,
        _ => Format::Text,
    };
    print(conformance::print(format, &targets, &records)?);
    Ok(records)
}

fn targets(matches: &ArgMatches) -> Result<Vec<Target>, String> {
    let words: Vec<String> = matches.get_many("words").unwrap_or_default().cloned().collect();
    if matches.get_flag("all") {
        let of = |approach: &&serve_core::Approach| Target::of_approach(approach, &words);
        return approaches::ALL.iter().map(of).collect();
    }
    match matches.get_one::<String>("approach").and_then(|name| approaches::by_name(name)) {
        Some(approach) => Ok(vec![Target::of_approach(approach, &words)?]),
        None => Ok(vec![Target::of_command(&words)?]),
    }
}

fn style() -> Result<ProgressStyle, String> {
    let template = "{bar:30} {pos}/{len} {elapsed} {msg}";
    ProgressStyle::with_template(template).map_err(|error| error.to_string())
}

/// Prints to stdout, which may be closed.
fn print(text: impl Display) {
    let _ = write!(io::stdout(), "{text}");
}
