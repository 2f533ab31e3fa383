//! `report`: a page of results, a record of them, and what differs between two.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use benches::records::{self, Results};
use benches::report;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

const EXAMPLES: &str = "\
Examples:
  report
      a page of the last `just bench` and `just footprint`, in target/report
  report --record --machine my-laptop
      the same into benches/records/DATE-my-laptop, raw and rendered
  report --from benches/records/2026-11-25-linux-2-cores
      render a record anew
  report diff 2026-11-25-linux-2-cores now
      what differs between a record and the last runs here, and what is noise

Exit code: 0 done, 2 it could not run.";

/// It could not run.
const EXIT_UNABLE: u8 = 2;

fn main() -> ExitCode {
    let matches = command().get_matches();
    let done = match matches.subcommand() {
        Some(("diff", matches)) => diff(matches),
        _ => page(&matches),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(io::stderr(), "report: {message}");
            ExitCode::from(EXIT_UNABLE)
        }
    }
}

fn command() -> Command {
    Command::new("report")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Makes a page of what suites and footprint found")
        .after_help(EXAMPLES)
        .args_conflicts_with_subcommands(true)
        .args([
            switch("record", "Write a record: raw results, page, drawings"),
            option("machine", "NAME", "What the machine is called in the record's folder\n")
                .default_value("linux-2-cores")
                .value_parser(machine_name),
            option("from", "DIR", "Render this record instead of the last runs")
                .value_parser(value_parser!(PathBuf))
                .conflicts_with("record"),
            option(
                "out",
                "DIR",
                "Where the page goes [default: target/report; with\n--from: the record]",
            )
            .value_parser(value_parser!(PathBuf))
            .conflicts_with("record"),
        ])
        .subcommand(
            Command::new("diff").about("Compares two records, and says what is noise").args([
                Arg::new("a")
                    .value_name("A")
                    .required(true)
                    .help("A record's name or folder, or now"),
                Arg::new("b").value_name("B").required(true).help("Another"),
            ]),
        )
}

/// The help has its own line ends, for 80 columns.
fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// It becomes part of a folder's name.
fn machine_name(name: &str) -> Result<String, String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '.';
    match !name.is_empty() && name.chars().all(is_plain) {
        true => Ok(name.to_owned()),
        false => Err("letters, digits and - alone: my-laptop".to_owned()),
    }
}

fn page(matches: &ArgMatches) -> Result<(), String> {
    let folder = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let is_record = matches.get_flag("record");
    let machine = matches.get_one::<String>("machine").map_or("", String::as_str);
    let (results, out) = match folder("from") {
        Some(from) => (Results::of_record(&from)?, folder("out").unwrap_or(from)),
        None if is_record => {
            let out = record_folder(machine);
            let mut results = Results::of_here()?;
            // The race writes into the record by itself.
            results.peers = Results::of_record(&out).ok().and_then(|results| results.peers);
            (results, out)
        }
        None => {
            let usual = || records::target_folder().join("report");
            (Results::of_here()?, folder("out").unwrap_or_else(usual))
        }
    };
    if results.is_empty() {
        return Err(
            "there are no results yet: run `just bench-quick`, `just footprint` or both".into()
        );
    }
    let cannot = |error: io::Error| format!("cannot write into {}: {error}", out.display());
    if is_record {
        results.write(&out).map_err(cannot)?;
    }
    let page = report::write(&results, &out).map_err(cannot)?;
    let page = page.canonicalize().unwrap_or(page);
    print(&format!("{}\n", page.display()));
    Ok(())
}

fn record_folder(machine: &str) -> PathBuf {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let date = now.split('T').next().unwrap_or_default();
    records::records_folder().join(format!("{date}-{machine}"))
}

fn diff(matches: &ArgMatches) -> Result<(), String> {
    let named = |name: &str| {
        let name = matches.get_one::<String>(name).map_or("", String::as_str);
        let results = Results::named(name)?;
        match results.is_empty() {
            true => Err(format!("{} has no results", Path::new(name).display())),
            false => Ok(results),
        }
    };
    let (a, b) = (named("a")?, named("b")?);
    for table in report::diff(&a, &b)? {
        print(&format!("{table}\n"));
    }
    Ok(())
}

/// Prints to stdout, which may be closed.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_part_of_a_path() {
        let folder = record_folder("my-laptop");
        assert!(folder.to_string_lossy().ends_with("-my-laptop"), "{folder:?}");
        for name in ["", "../x", "a b"] {
            assert!(
                command().try_get_matches_from(["report", "--machine", name]).is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn the_help_fits_into_80_columns() {
        let help = command().render_help().to_string();
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
