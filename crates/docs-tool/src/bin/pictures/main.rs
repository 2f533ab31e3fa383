//! `pictures`: draws the lessons' pictures from their sources in `lessons/pictures/`.
//!
//! `NAME.txt` is a sequence of messages or a diagram of boxes, `NAME.jsonl` the log of a run; each
//! becomes `NAME.svg`, always the same for the same source.

mod diagram;
mod record;
mod sequence;
mod source;
mod svg;
mod timeline;

use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::source::Source;

const EXAMPLES: &str = "\
Examples:
  pictures                        draw all
  pictures pipe seq-end           draw these
  pictures --check                fail if one is not what its source says
  pictures --record-timelines     run each sibling with four clients, one of
                                  them slow, and keep what it logs

Sources are in lessons/pictures/: NAME.txt, whose first line says what it is
(look at seq-end.txt and pipe.txt), and NAME.jsonl, the log of a run.

Exit code: 0 done, 1 a picture is stale, 2 it could not be done.";

/// A picture is stale.
const EXIT_STALE: u8 = 1;
/// It could not be done.
const EXIT_UNABLE: u8 = 2;

fn main() -> ExitCode {
    match run(&folder(), &command().get_matches()) {
        Ok(stale) if stale.is_empty() => ExitCode::SUCCESS,
        Ok(stale) => {
            for line in stale {
                complain(line);
            }
            ExitCode::from(EXIT_STALE)
        }
        Err(message) => {
            complain(message);
            ExitCode::from(EXIT_UNABLE)
        }
    }
}

fn command() -> Command {
    Command::new("pictures")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Draws the lessons' pictures from their sources")
        .after_help(EXAMPLES)
        .max_term_width(80)
        .args([
            Arg::new("names").value_name("NAME").num_args(0..).help("These alone"),
            Arg::new("check")
                .long("check")
                .action(ArgAction::SetTrue)
                .help("Write nothing; fail if a picture is stale"),
            Arg::new("record-timelines")
                .long("record-timelines")
                .action(ArgAction::SetTrue)
                .conflicts_with_all(["check", "names"])
                .help("Record the logs of the timelines anew, then draw"),
        ])
}

/// Does what was asked; what is stale, a line each, if that was the question.
fn run(folder: &Path, matches: &ArgMatches) -> Result<Vec<String>, String> {
    if matches.get_flag("record-timelines") {
        record::timelines(folder)?;
    }
    let names: Vec<&String> = matches.get_many("names").unwrap_or_default().collect();
    let sources = sources(folder)?;
    if let Some(unknown) = names.iter().find(|name| !sources.iter().any(|s| s.name == ***name)) {
        let known: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        return Err(format!("there is no picture {unknown}; there are {}", known.join(", ")));
    }
    let mut stale = Vec::new();
    for source in sources.iter().filter(|s| names.is_empty() || names.contains(&&s.name)) {
        let drawn = draw(source)?;
        let path = folder.join(format!("{}.svg", source.name));
        // Git may have made other line ends of it.
        let is_fresh =
            fs::read_to_string(&path).is_ok_and(|there| there.replace('\r', "") == drawn);
        if is_fresh {
            continue;
        }
        if matches.get_flag("check") {
            let help = "help: cargo run -p docs-tool --bin pictures";
            stale.push(format!("{}: not what {} says; {help}", shown(&path), source.path));
        } else {
            fs::write(&path, drawn).map_err(|error| format!("{}: {error}", shown(&path)))?;
            say(format_args!("{}", shown(&path)));
        }
    }
    if matches.get_flag("check") && names.is_empty() {
        stale.extend(without_source(folder, &sources)?);
    }
    Ok(stale)
}

fn draw(source: &Source) -> Result<String, String> {
    if source.path.ends_with(".jsonl") {
        return timeline::draw(source);
    }
    match source.kind()? {
        ("sequence", title) => sequence::draw(source, title),
        ("diagram", title) => diagram::draw(source, title),
        (other, _) => {
            let help = "the first line is `sequence: TITLE` or `diagram: TITLE`";
            Err(source.error(1, &format!("there is no kind `{other}`"), help))
        }
    }
}

/// All sources, in the order of their names.
fn sources(folder: &Path) -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    for (path, name) in files(folder, &["txt", "jsonl"])? {
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", shown(&path)))?;
        sources.push(Source { path: shown(&path), name, text: text.replace('\r', "") });
    }
    Ok(sources)
}

/// Pictures that nobody can draw again.
fn without_source(folder: &Path, sources: &[Source]) -> Result<Vec<String>, String> {
    let has_none = |(_, name): &(PathBuf, String)| !sources.iter().any(|s| s.name == *name);
    let alone = files(folder, &["svg"])?.into_iter().filter(has_none);
    let message = |(path, name): (PathBuf, String)| {
        format!("{}: there is no {name}.txt beside it; help: delete it", shown(&path))
    };
    Ok(alone.map(message).collect())
}

/// Files with one of these endings, and their names without it, sorted.
fn files(folder: &Path, endings: &[&str]) -> Result<Vec<(PathBuf, String)>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", shown(folder)))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if endings.contains(&ending) {
            files.push((path, name));
        }
    }
    files.sort();
    Ok(files)
}

fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.ancestors().nth(2).unwrap_or(crate_folder).to_owned()
}

fn folder() -> PathBuf {
    root().join("lessons").join("pictures")
}

/// A path as it stands in the repository.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string().replace('\\', "/")
}

fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(folder: &Path, args: &[&str]) -> Result<Vec<String>, String> {
        run(folder, &command().get_matches_from(["pictures"].iter().chain(args)))
    }

    #[test]
    fn every_picture_is_what_its_source_says() {
        assert_eq!(asked(&folder(), &["--check"]), Ok(Vec::new()));
    }

    #[test]
    fn what_is_stale_is_told_and_drawn() {
        let temp = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(temp.path().join(name), text).unwrap();
        let stale = || asked(temp.path(), &["--check"]).unwrap();
        let source = "sequence: A\ndescription: b\nactors: x, y\nx -> y: one\n";
        write("a.txt", source);
        // It is not there, then it is, then its source is another one.
        assert!(stale()[0].contains("a.svg: not what "), "{:?}", stale());
        assert_eq!(asked(temp.path(), &[]), Ok(Vec::new()));
        assert_eq!(stale(), Vec::<String>::new());
        write("a.txt", &source.replace("one", "two"));
        assert!(stale()[0].ends_with("a.txt says; help: cargo run -p docs-tool --bin pictures"));
        assert_eq!(asked(temp.path(), &["a"]), Ok(Vec::new()));
        // What Git makes of line ends on Windows changes nothing.
        let drawn = fs::read_to_string(temp.path().join("a.svg")).unwrap();
        write("a.svg", &drawn.replace('\n', "\r\n"));
        assert_eq!(stale(), Vec::<String>::new());
        write("b.svg", &drawn);
        assert!(stale()[0].ends_with("there is no b.txt beside it; help: delete it"));
    }

    #[test]
    fn a_picture_that_does_not_exist_is_refused() {
        let said = asked(&folder(), &["mona-lisa"]).unwrap_err();
        assert!(said.contains("there is no picture mona-lisa; there are life-of"), "{said}");
    }

    #[test]
    fn a_kind_that_does_not_exist_is_refused() {
        let source = Source::of("fresco: A title\n");
        assert!(draw(&source).unwrap_err().starts_with("a.txt:1: there is no kind `fresco`"));
    }

    #[test]
    fn the_help_fits_into_80_columns() {
        let help = command().render_help().to_string();
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    }
}
