//! Parses markers. A marker is a comment, alone on its line, that names the source of the text
//! below it.

use std::time::Duration;

use crate::page_error::did_you_mean;

/// The time limit of a command, unless its marker contains a different limit.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A file, or the code at one of its anchors.
    Code {
        path: String,
        anchor: Option<String>,
    },
    /// The code of all siblings at an anchor. The path has `{}` in place of the sibling's name.
    /// `None` stands for the siblings' own files. A table shows two siblings beside each other on
    /// GitHub.
    Siblings {
        pattern: Option<String>,
        anchor: Option<String>,
        is_table: bool,
    },
    /// The end of the siblings' code.
    SiblingsEnd,
    /// Commands and their output.
    Run(Options),
    /// A server that runs until `Stop`, or until the end of the page.
    Serve(Options),
    /// The server's output since the last `Serve` or `Log`.
    Log(Options),
    Stop,
}

/// The rules for the comparison of output with the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The exit code of the last command.
    pub exit: i32,
    /// Indicates whether numbers and the widths of columns can differ.
    pub vary: bool,
    /// Indicates whether only the words of each shown line have to occur.
    pub shape: bool,
    /// Indicates whether the order of the lines can differ.
    pub any_order: bool,
    /// The maximum number of lines that are shown per command.
    pub lines: Option<usize>,
    /// The time limit of a command, if the limit is not [`TIME_LIMIT`].
    pub limit: Option<Duration>,
}

const KINDS: [&str; 7] = ["code", "siblings", "/siblings", "run", "serve", "log", "stop"];

const OPTIONS: &str = "use only `exit N`, `vary`, `shape`, `any order`, `lines N` and \
                       `within SECONDS`, separated by commas";

/// The description of an error, and the instruction that fixes it.
pub type Error = (String, String);

fn error<T>(what: impl Into<String>, help: impl Into<String>) -> Result<T, Error> {
    Err((what.into(), help.into()))
}

/// Parses a comment. Returns `None` if the comment is not a marker.
///
/// # Errors
///
/// Returns an error for a malformed marker.
pub fn parse(comment: &str) -> Result<Option<Marker>, Error> {
    let inside = comment.trim().strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
    let Some(inside) = inside.map(str::trim) else { return Ok(None) };
    let (kind, rest) = inside.split_once(':').unwrap_or((inside, ""));
    let (kind, rest) = (kind.trim(), rest.trim());
    let (rest, is_table) = match rest.strip_suffix("table").map(str::trim_end) {
        Some(rest) if kind == "siblings" && rest.ends_with(',') => (&rest[..rest.len() - 1], true),
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
            return error("the marker `code` names no file", help);
        }
        "code" => Marker::Code { path: path.to_owned(), anchor },
        "siblings" if rest.is_empty() => {
            return error("the marker `siblings` names no anchor", format!("write {example}"));
        }
        "siblings" if path.contains("{}") => {
            Marker::Siblings { pattern: Some(path.to_owned()), anchor, is_table }
        }
        "siblings" if rest.contains(['/', '#']) => {
            let what = "the marker `siblings` names one file for all siblings";
            return error(what, format!("write `{{}}` in place of the name: {example}"));
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

/// Reports a comment that is probably meant to be a marker.
fn other_comment(kind: &str, inside: &str) -> Result<Option<Marker>, Error> {
    if kind == "figure" {
        let what = "the marker `figure` at the start of a line hides that line on GitHub";
        return error(what, "put a word of the line before the marker");
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
        let unknown = || (format!("there is no option `{option}`"), OPTIONS.to_owned());
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
