//! `docs-tool`: fills the lessons with code by anchor, output from runs, and figures from records.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, io};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use docs_tool::refresh::{Options, Outcome, refresh};
use docs_tool::repo::Repo;

const ABOUT: &str = "Keeps the lessons true: fills in the code, output and figures that they show";

const EXAMPLES: &str = "\
Examples:
  docs-tool                             fill in all lessons anew
  docs-tool lessons/04-backpressure.md  one of them
  docs-tool --check                     change nothing, tell what is not as it shows

In a lesson, a comment alone on its line governs the fence below it:

  <!-- code: crates/serve-std/src/lib.rs#copy -->   code between anchors
  <!-- siblings: copy -->  <!-- /siblings -->       the same of all four
  A word, then <!-- figure: race/large/tokio/gb_per_s / node -->3.1<!-- /figure -->

CONTRIBUTING.md has all markers.

Exit code: 0 all is true, 1 something is not, 2 it could not run.";

/// The exit code if a page has errors.
const EXIT_FAULTS: u8 = 1;
/// It could not run.
const EXIT_UNABLE: u8 = 2;

fn main() -> ExitCode {
    let matches = command().get_matches();
    let repo = matches.get_one::<PathBuf>("root").map_or_else(Repo::found, Repo::at);
    let options = match options(&repo, &matches) {
        Ok(options) => options,
        Err(message) => {
            let _ = writeln!(io::stderr(), "docs-tool: {message}");
            return ExitCode::from(EXIT_UNABLE);
        }
    };
    #[cfg(target_os = "linux")]
    if let Err(error) = conformance::kill_all_on_interrupt() {
        let _ = writeln!(io::stderr(), "docs-tool: Ctrl-C would leave servers behind: {error}");
        return ExitCode::from(EXIT_UNABLE);
    }
    let mut progress = |words: &str| {
        let _ = writeln!(io::stderr(), "{words}");
    };
    let outcome = refresh(&repo, &options, &mut progress);
    print(summary(&options, &outcome));
    match outcome.faults.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_FAULTS),
    }
}

fn command() -> Command {
    Command::new("docs-tool")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(EXAMPLES)
        .max_term_width(80)
        .args([
            Arg::new("files")
                .value_name("FILE")
                .help("Pages to fill in; without any, all lessons and docs/INSTRUCTOR.md")
                .value_parser(value_parser!(PathBuf))
                .num_args(0..),
            Arg::new("check")
                .long("check")
                .help("Write nothing; fail if anything is not as it is shown")
                .action(ArgAction::SetTrue),
            Arg::new("no-run")
                .long("no-run")
                .help("Leave out the commands: only code, figures, references and links")
                .action(ArgAction::SetTrue),
            Arg::new("root")
                .long("root")
                .value_name("FOLDER")
                .help("The repository; by default the one around the current directory")
                .value_parser(value_parser!(PathBuf)),
        ])
}

fn options(repo: &Repo, matches: &ArgMatches) -> Result<Options, String> {
    let files = matches.get_many::<PathBuf>("files").unwrap_or_default();
    let files = files.map(|file| page(repo, file)).collect::<Result<_, _>>()?;
    let (is_check, no_run) = (matches.get_flag("check"), matches.get_flag("no-run"));
    Ok(Options { files, is_check, no_run })
}

fn page(repo: &Repo, file: &Path) -> Result<String, String> {
    let shown = file.display();
    if file.extension() != Some(OsStr::new("md")) {
        return Err(format!("{shown} is no Markdown; name a page that ends in .md"));
    }
    // From the root, if it is not there from here.
    let candidates = [file.to_owned(), repo.root().join(file)];
    let found = candidates.iter().find(|candidate| candidate.is_file());
    let found = found.ok_or_else(|| format!("there is no {shown}; `ls lessons` shows what is"))?;
    repo.from_root(found).ok_or_else(|| format!("{shown} is not in the repository"))
}

fn summary(options: &Options, outcome: &Outcome) -> String {
    let Outcome { pages, written, faults, runs, left_out, missing } = outcome;
    let mut out = String::new();
    for fault in faults {
        out.push_str(&format!("{fault}\n"));
    }
    for file in written {
        out.push_str(&format!("{file}: filled in anew\n"));
    }
    if *left_out > 0 {
        let missing: Vec<&str> = missing.iter().copied().collect();
        let why = match () {
            () if cfg!(not(target_os = "linux")) => ": only Linux runs them".to_owned(),
            () if !missing.is_empty() => format!(", since {} is missing", missing.join(", ")),
            () => String::new(),
        };
        out.push_str(&format!("{} left out{why}\n", counted(*left_out, "command")));
    }
    out.push_str(&format!("{}, {}", counted(*pages, "page"), counted(*runs, "run")));
    if !options.is_check {
        out.push_str(&format!(", {} filled in anew", written.len()));
    }
    out.push_str(&match faults.len() {
        0 => ": all is as it is shown\n".to_owned(),
        1 => ": 1 thing not as it should be\n".to_owned(),
        count => format!(": {count} things not as they should be\n"),
    });
    out
}

fn counted(count: usize, of: &str) -> String {
    format!("{count} {of}{}", if count == 1 { "" } else { "s" })
}

/// A closed pipe is no error of ours.
fn print(text: impl Display) {
    let _ = write!(io::stdout(), "{text}");
}
