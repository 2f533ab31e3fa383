//! Draws the pictures of the lessons from their sources in `lessons/pictures/`.
//!
//! A source `NAME.txt` describes a sequence of messages or a diagram of boxes. A source
//! `flow-NAME.jsonl` is a trace of `flow`. From each source, this module draws the picture `NAME.svg`.
//! The same source always produces the same picture.

mod diagram;
mod record;
mod sequence;
mod source;
mod strip_chart;
mod svg;
mod trace;

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use self::source::Source;
use crate::common::{print, report};
use crate::page_error::PageError;
use crate::repo::Repo;

/// The folder of the pictures and their sources.
pub const FOLDER: &str = "lessons/pictures";

/// The prefix of the names of traces.
pub const TRACE_PREFIX: &str = "flow-";

/// The command that draws the pictures.
const DRAW: &str = "cargo run -p docs-tool -- pictures";

const EXAMPLES: &str = "\
Examples:
  docs-tool pictures                     draw all pictures
  docs-tool pictures pipe seq-end        draw two pictures
  docs-tool pictures --check             fail if a picture is out of date
  docs-tool pictures --record-traces     run the scenarios that the lessons show,
                                         and save the traces

The sources are in lessons/pictures. The first line of NAME.txt states the kind
of the picture (see seq-end.txt and pipe.txt). flow-NAME.jsonl is a trace.";

/// Draw the pictures of the lessons from their sources
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Pictures to draw [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Fail if a picture is out of date, and write nothing
    #[arg(long)]
    check: bool,
    /// Record new traces from real runs, then draw the pictures
    #[arg(long, conflicts_with_all = ["check", "names"])]
    record_traces: bool,
}

impl Args {
    pub fn run(self, repo: &Repo) -> anyhow::Result<bool> {
        if self.record_traces {
            record::traces(&repo.path(FOLDER))?;
        }
        if self.check {
            let errors = errors(repo, &self.names)?;
            errors.iter().for_each(report);
            return Ok(errors.is_empty());
        }
        for (source, drawn) in outdated(repo, &self.names)? {
            let picture = source.picture();
            let written = fs::write(repo.path(&picture), drawn);
            written.with_context(|| format!("cannot write `{picture}`"))?;
            print(picture);
        }
        Ok(true)
    }
}

/// Returns an error for each named picture that is out of date. If `names` is empty, checks all
/// pictures, and also returns an error for each picture that has no source.
pub fn errors(repo: &Repo, names: &[String]) -> anyhow::Result<Vec<PageError>> {
    let outdated = outdated(repo, names)?.into_iter().map(|(source, _)| {
        let what = format!("the picture does not match `{}`", source.path);
        PageError::new(source.picture(), 1, what, format!("run `{DRAW}`"))
    });
    let mut errors: Vec<PageError> = outdated.collect();
    let sources: Vec<String> = sources(repo)?.iter().map(Source::picture).collect();
    for picture in repo.files_below(FOLDER, &[".svg"]) {
        if names.is_empty() && !sources.contains(&picture) {
            let what = "the picture has no source";
            errors.push(PageError::new(picture, 1, what, "delete the picture, or add a source"));
        }
    }
    Ok(errors)
}

/// Draws the named pictures, or all pictures if `names` is empty. For each picture that differs
/// from its file, returns the source and the new content of the file.
fn outdated(repo: &Repo, names: &[String]) -> anyhow::Result<Vec<(Source, String)>> {
    let sources = sources(repo)?;
    if let Some(name) = names.iter().find(|name| !sources.iter().any(|s| s.name == **name)) {
        let known: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        bail!("there is no picture `{name}`\nhelp: use one of {}", known.join(", "));
    }
    let mut outdated = Vec::new();
    for source in sources {
        if names.is_empty() || names.contains(&source.name) {
            let drawn = draw(&source).map_err(anyhow::Error::msg)?;
            if repo.read(&source.picture()).ok().as_ref() != Some(&drawn) {
                outdated.push((source, drawn));
            }
        }
    }
    Ok(outdated)
}

fn draw(source: &Source) -> Result<String, String> {
    if source.path.ends_with(".jsonl") {
        return strip_chart::draw(source);
    }
    match source.text.lines().next().and_then(|line| line.split_once(": ")) {
        Some(("sequence", title)) => sequence::draw(source, title),
        Some(("diagram", title)) => diagram::draw(source, title),
        other => {
            let help = "write `sequence: TITLE` or `diagram: TITLE` in the first line";
            let kind = other.map_or("", |(kind, _)| kind);
            Err(source.error(1, &format!("there is no kind of picture `{kind}`"), help))
        }
    }
}

/// Returns the sources of all pictures, sorted by path.
fn sources(repo: &Repo) -> anyhow::Result<Vec<Source>> {
    let paths = repo.files_below(FOLDER, &[".txt", ".jsonl"]).into_iter();
    let sources = paths.map(|path| {
        let text = repo.read(&path).map_err(anyhow::Error::msg)?;
        let name = Path::new(&path).file_stem().unwrap_or_default().to_string_lossy().into();
        Ok(Source { path, name, text })
    });
    sources.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_shows_its_source() {
        assert_eq!(errors(&Repo::found(), &[]).unwrap(), []);
    }
}
