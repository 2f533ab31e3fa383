//! The program `conformance`, which checks a server against the contract.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use conformance::{ALL, Check, Format, Progress, RENAMED, Record, Target, Verdict};
use indicatif::{ProgressBar, ProgressStyle};

const EXAMPLES: &str = "\
Examples:
  conformance --approach tokio                      one of the kit's servers
  conformance --all                                 all of the kit's servers
  conformance -- node server.mjs {file} {port}      any command
  conformance --only half-close -- ./mine {file} {port}

Each check replaces {file} and {port} in the command, and these optional
placeholders: {chunk} (chunk size in bytes), {preamble} (bare, http or none),
{limit} (connection limit), and {stall}, {linger} and {grace} (stall timeout,
linger timeout and grace period in seconds). Without {linger} or {grace}, the
checks assume the contract's default of 5 s. If a check needs another
placeholder that the command lacks, the check is skipped. With --approach or
--all, the arguments after -- are additional flags for the servers.

Exit code: 0 if no check failed, 1 if a check failed, 2 if the checks could not
run.";

const START_HELP: &str =
    "help: run the command yourself with a file and a free port to see its output";

/// The exit code if a check failed.
const EXIT_FAILED: u8 = 1;
/// The exit code if the checks could not run.
const EXIT_UNABLE: u8 = 2;

/// Check a server, in any language, against the contract (docs/CONTRACT.md)
#[derive(Parser)]
#[command(version, after_help = EXAMPLES, max_term_width = 80)]
struct Arguments {
    /// Check one of the kit's servers
    #[arg(long, value_name = "NAME", conflicts_with = "all",
        value_parser = PossibleValuesParser::new(approaches::built().map(|approach| approach.name)))]
    approach: Option<String>,
    /// Check all of the kit's servers
    #[arg(long)]
    all: bool,
    /// Run only this check; can be repeated
    #[arg(long, value_name = "ID", hide_possible_values = true,
        value_parser = check_parser())]
    only: Vec<&'static Check>,
    /// List all checks
    #[arg(long)]
    list: bool,
    /// Format of the report
    #[arg(long, default_value = "text")]
    format: Format,
    /// Command that starts the server
    #[arg(value_name = "CMD", last = true)]
    words: Vec<String>,
}

fn main() -> ExitCode {
    if let Some(ended) = approaches::main_of_server() {
        return ended;
    }
    let arguments = Arguments::parse();
    if arguments.list {
        checks().for_each(|check| {
            print(format_args!("{:>2}  {:20}  {}\n", check.clause, check.id, check.title));
        });
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(records) => match records.iter().any(|r| matches!(r.verdict, Verdict::Fail(_))) {
            true => ExitCode::from(EXIT_FAILED),
            false => ExitCode::SUCCESS,
        },
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(EXIT_UNABLE)
        }
    }
}

fn checks() -> impl Iterator<Item = &'static Check> {
    ALL.iter().copied().flatten()
}

/// Returns a parser for the name of a check. The parser also accepts names from earlier versions.
fn check_parser() -> impl TypedValueParser<Value = &'static Check> {
    let aliases = |id| RENAMED.iter().filter(move |(_, new)| *new == id).map(|(old, _)| *old);
    let names = checks().map(move |check| PossibleValue::new(check.id).aliases(aliases(check.id)));
    PossibleValuesParser::new(names).map(|name| {
        let renamed = RENAMED.iter().find(|(old, _)| *old == name).map(|(_, new)| *new);
        let id = renamed.unwrap_or(&name);
        checks().find(|check| check.id == id).expect("clap accepts only names of checks")
    })
}

fn run(arguments: &Arguments) -> Result<Vec<Record>> {
    let _cleanup = harness::cleanup::on_interrupt().context("cannot handle signals")?;
    let targets = targets(arguments)?;
    let is_selected = |check: &&Check| {
        arguments.only.is_empty() || arguments.only.iter().any(|only| only.id == check.id)
    };
    let checks: Vec<&'static Check> = checks().filter(is_selected).collect();
    for target in &targets {
        conformance::preflight(target)
            .map_err(|why| anyhow!("cannot check {}: {why}\n{START_HELP}", target.name))?;
    }
    let bar = ProgressBar::new((targets.len() * checks.len()) as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}")?);
    let progress: Progress<'_> = &|record| {
        bar.set_message(match &record.verdict {
            Verdict::Fail(_) => format!("{} failed", record.check.id),
            _ => record.check.id.to_owned(),
        });
        bar.inc(1);
    };
    let records = conformance::run(&targets, &checks, progress);
    bar.finish_and_clear();
    print(conformance::render(arguments.format, &targets, &records)?);
    Ok(records)
}

fn targets(arguments: &Arguments) -> Result<Vec<Target>> {
    let words = &arguments.words;
    let selected: Vec<_> = approaches::built()
        .filter(|approach| arguments.all || arguments.approach.as_deref() == Some(approach.name))
        .collect();
    if selected.is_empty() {
        return Ok(vec![Target::of_command(words)?]);
    }
    let targets = selected.into_iter().map(|approach| Target::of_approach(approach, words));
    Ok(targets.collect::<io::Result<_>>()?)
}

/// Prints text to stdout. Ignores errors, because stdout may be closed.
fn print(text: impl Display) {
    let _ = write!(io::stdout(), "{text}");
}
