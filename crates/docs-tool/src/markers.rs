//! Parses markers. A marker is a comment on a separate line. It names the source of the text below
//! the comment.

use std::time::Duration;

use crate::page_error::did_you_mean;

/// The default time limit of a command. A marker can set a different limit.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A whole file, or the code at one anchor of the file. If `is_table` is true, the code block is
    /// in a cell of a table, so the code is formatted for the width of the cell.
    Code {
        path: String,
        anchor: Option<String>,
        is_table: bool,
    },
    /// The code of all siblings at an anchor. `pattern` is a path with `{}` in place of the
    /// sibling's name. If `pattern` is `None`, the code is in `src/lib.rs` of each sibling. If
    /// `is_table` is true, the code is in a table, so that GitHub shows two siblings beside each
    /// other.
    Siblings {
        pattern: Option<String>,
        anchor: Option<String>,
        is_table: bool,
    },
    /// The end of the code that belongs to the marker `Siblings`.
    SiblingsEnd,
    /// Commands and their output.
    Run(Options),
    /// A server that runs until the marker `Stop`, or until the end of the page.
    Serve(Options),
    /// The server's output since the last marker `Serve` or `Log`.
    Log(Options),
    Stop,
}

/// The limits of commands, and the rules for the comparison of their output with the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The expected exit code of the last command in the code block.
    pub exit: i32,
    /// Indicates whether numbers and the widths of columns can differ from the page.
    pub vary: bool,
    /// Indicates whether only words are compared. For each line of the page, one line of the output
    /// must contain the same words.
    pub shape: bool,
    /// Indicates whether the order of the lines can differ from the page.
    pub any_order: bool,
    /// The maximum number of lines of output that the page shows per command.
    pub lines: Option<usize>,
    /// The time limit of each command in the code block, or `None` for [`TIME_LIMIT`].
    pub limit: Option<Duration>,
}

const KINDS: [&str; 7] = ["code", "siblings", "/siblings", "run", "serve", "log", "stop"];

const OPTIONS: &str = "use only `exit N`, `vary`, `shape`, `any order`, `lines N` and \
                       `within SECONDS`, separated by commas";

/// A description of an error, and an instruction for the author of the page.
pub type Error = (String, String);

fn error<T>(what: impl Into<String>, help: impl Into<String>) -> Result<T, Error> {
    Err((what.into(), help.into()))
}

/// Parses a comment. Returns `None` if the comment is not a marker.
///
/// # Errors
///
/// Returns an error if the comment is a malformed marker.
pub fn parse(comment: &str) -> Result<Option<Marker>, Error> {
    let inside = comment.trim().strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
    let Some(inside) = inside.map(str::trim) else { return Ok(None) };
    let (kind, rest) = inside.split_once(':').unwrap_or((inside, ""));
    let (kind, rest) = (kind.trim(), rest.trim());
    let (rest, is_table) = match rest.strip_suffix("table").map(str::trim_end) {
        Some(rest) if ["code", "siblings"].contains(&kind) && rest.ends_with(',') => {
            (&rest[..rest.len() - 1], true)
        }
        _ => (rest, false),
    };
    let (path, anchor) = match rest.split_once('#') {
        Some((path, anchor)) => (path.trim(), Some(anchor.trim().to_owned())),
        None => (rest, None),
    };
    let example = "`<!-- siblings: copy -->` or `<!-- siblings: lessons/snippets/{}.rs#copy -->`";
    Ok(Some(match kind {
        "code" if path.is_empty() => {
            let help = "name a file: `<!-- code: crates/serve-std/src/lib.rs#copy -->`";
            return error("the marker `code` does not name a file", help);
        }
        "code" => Marker::Code { path: path.to_owned(), anchor, is_table },
        "siblings" if rest.is_empty() => {
            return error(
                "the marker `siblings` does not name an anchor",
                format!("write {example}"),
            );
        }
        "siblings" if path.contains("{}") => {
            Marker::Siblings { pattern: Some(path.to_owned()), anchor, is_table }
        }
        "siblings" if rest.contains(['/', '#']) => {
            let what = "the marker `siblings` names one file for all siblings";
            return error(what, format!("write `{{}}` in place of the sibling's name: {example}"));
        }
        "siblings" => {
            Marker::Siblings { pattern: None, anchor: Some(rest.trim_end().to_owned()), is_table }
        }
        "/siblings" => Marker::SiblingsEnd,
        "run" => Marker::Run(options(rest)?),
        "serve" => Marker::Serve(options(rest)?),
        "log" => Marker::Log(options(rest)?),
        "stop" => Marker::Stop,
        _ => return other_comment(kind, inside),
    }))
}

/// Returns an error if the comment is probably meant to be a marker, or else `None`.
fn other_comment(kind: &str, inside: &str) -> Result<Option<Marker>, Error> {
    if kind == "figure" {
        let what = "the marker `figure` at the start of a line hides that line on GitHub";
        return error(what, "begin the line with a word, not with the marker");
    }
    let first = kind.split_whitespace().next().unwrap_or("");
    if KINDS.contains(&first) && first != kind {
        let rest = inside[first.len()..].trim();
        let what = format!("the marker `{first}` needs a colon");
        return error(what, format!("write `<!-- {first}: {rest} -->`"));
    }
    match did_you_mean(kind, KINDS) {
        Some(near) if !kind.contains(' ') => {
            error(format!("there is no marker `{kind}`"), format!("did you mean `{near}`?"))
        }
        _ => Ok(None),
    }
}

fn options(text: &str) -> Result<Options, Error> {
    let mut options = Options::default();
    for option in text.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        let unknown = || (format!("markers have no option `{option}`"), OPTIONS.to_owned());
        match option.split_whitespace().collect::<Vec<_>>()[..] {
            ["vary"] => options.vary = true,
            ["shape"] => options.shape = true,
            ["any", "order"] => options.any_order = true,
            ["exit", code] => options.exit = code.parse().map_err(|_| unknown())?,
            ["lines", count] => options.lines = Some(count.parse().map_err(|_| unknown())?),
            ["within", seconds] => {
                let seconds = seconds.parse().map_err(|_| unknown())?;
                options.limit = Some(Duration::from_secs(seconds));
            }
            _ => return Err(unknown()),
        }
    }
    Ok(options)
}
