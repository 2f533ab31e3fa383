//! Markers: comments, alone on their line, that say where what follows comes from.

use std::time::Duration;

use crate::fault::did_you_mean;

/// How long a command may take, unless its marker says otherwise.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);

/// What a marker asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A file, or what is between an anchor of it.
    Code {
        /// From the repository's root.
        path: String,
        /// The whole file without one.
        anchor: Option<String>,
    },
    /// An anchor of all four siblings.
    Siblings {
        /// From the root, with `{}` where the sibling's name stands; the siblings' own without one.
        pattern: Option<String>,
        /// Which.
        anchor: Option<String>,
    },
    /// Where the four end.
    SiblingsEnd,
    /// Commands and their output.
    Run(Options),
    /// A server that stays.
    Serve(Options),
    /// What it has said since.
    Log(Options),
    /// Its end.
    Stop,
}

/// How a run is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What each command should end with.
    pub exit: i32,
    /// How output is compared with what is shown.
    pub compare: Compare,
    /// Why it is never run by `--check`.
    pub once: Option<String>,
    /// So many lines are shown of each command.
    pub lines: Option<usize>,
    /// How long a command may take.
    pub limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let compare = Compare::default();
        Self { exit: 0, compare, once: None, lines: None, limit: TIME_LIMIT }
    }
}

/// How output is compared with what is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compare {
    /// Numbers and columns' widths may differ.
    pub vary: bool,
    /// Only the words of each shown line have to be there.
    pub shape: bool,
    /// Lines may come in any order.
    pub any_order: bool,
}

const KINDS: [&str; 7] = ["code", "siblings", "/siblings", "run", "serve", "log", "stop"];

const OPTIONS: &str = "the options are `exit N`, `vary`, `shape`, `any order`, `lines N`, \
                       `within SECONDS` and `once: REASON`, with commas between";

/// The description of an error, and how to fix it.
pub type Error = (String, String);

/// The marker that a comment is; none if it is just a comment.
///
/// # Errors
///
/// When it wants to be one and is not.
pub fn parse(comment: &str) -> Result<Option<Marker>, Error> {
    let inside = comment.trim().strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
    let Some(inside) = inside.map(str::trim) else { return Ok(None) };
    let (kind, rest) = match inside.split_once(':') {
        Some((kind, rest)) => (kind.trim(), rest.trim()),
        None => (inside, ""),
    };
    let marker = match kind {
        "code" => {
            let (path, anchor) = place(rest);
            let path = path.ok_or_else(|| {
                let help = "name a file: `<!-- code: crates/serve-std/src/lib.rs#copy -->`";
                ("the marker `code` names no file".to_owned(), help.to_owned())
            })?;
            Marker::Code { path, anchor }
        }
        "siblings" => {
            let (pattern, anchor) = siblings(rest)?;
            Marker::Siblings { pattern, anchor }
        }
        "/siblings" => Marker::SiblingsEnd,
        "run" => Marker::Run(options(rest)?),
        "serve" => Marker::Serve(options(rest)?),
        "log" => Marker::Log(options(rest)?),
        "stop" => Marker::Stop,
        _ => return none_of_them(kind, inside),
    };
    Ok(Some(marker))
}

/// A comment may say what it likes, unless it looks like a slip of the pen.
fn none_of_them(kind: &str, inside: &str) -> Result<Option<Marker>, Error> {
    if kind == "figure" {
        let what = "a figure at a line's beginning hides its line on GitHub".to_owned();
        return Err((what, "put a word of its line before it".to_owned()));
    }
    let first = kind.split_whitespace().next().unwrap_or("");
    if KINDS.contains(&first) && first != kind {
        let what = format!("the marker `{first}` needs a colon before what it says");
        return Err((what, format!("write `<!-- {first}: {} -->`", inside[first.len()..].trim())));
    }
    match did_you_mean(kind, KINDS) {
        Some(near) if !kind.contains(' ') => {
            Err((format!("there is no marker `{kind}`"), format!("did you mean `{near}`?")))
        }
        _ => Ok(None),
    }
}

/// A path and its anchor.
fn place(text: &str) -> (Option<String>, Option<String>) {
    let (path, anchor) = match text.split_once('#') {
        Some((path, anchor)) => (path.trim(), Some(anchor.trim().to_owned())),
        None => (text, None),
    };
    ((!path.is_empty()).then(|| path.to_owned()), anchor)
}

fn siblings(text: &str) -> Result<(Option<String>, Option<String>), Error> {
    let example = "`<!-- siblings: copy -->`, or `<!-- siblings: lessons/snippets/{}.rs#copy -->`";
    match text {
        "" => Err(("the marker `siblings` names no anchor".to_owned(), format!("write {example}"))),
        pattern if pattern.contains("{}") => Ok(place(pattern)),
        path if path.contains(['/', '#']) => {
            let what = "the marker `siblings` names one file for all four".to_owned();
            Err((what, format!("put `{{}}` where the sibling's name stands: {example}")))
        }
        anchor => Ok((None, Some(anchor.to_owned()))),
    }
}

fn options(text: &str) -> Result<Options, Error> {
    let mut options = Options::default();
    let mut rest = text;
    while !rest.is_empty() {
        // A reason may have commas, so it is the last.
        if let Some(reason) = rest.strip_prefix("once") {
            let reason = reason.trim_start_matches(':').trim();
            if reason.is_empty() {
                let what = "`once` gives no reason".to_owned();
                return Err((what, "say why it cannot run again: `once: REASON`".to_owned()));
            }
            options.once = Some(reason.to_owned());
            break;
        }
        let (option, after) = rest.split_once(',').unwrap_or((rest, ""));
        rest = after.trim();
        let words: Vec<&str> = option.split_whitespace().collect();
        let unknown = || (format!("there is no option `{}`", option.trim()), OPTIONS.to_owned());
        match words[..] {
            ["vary"] => options.compare.vary = true,
            ["shape"] => options.compare.shape = true,
            ["any", "order"] => options.compare.any_order = true,
            ["exit", code] => options.exit = code.parse().map_err(|_| unknown())?,
            ["lines", count] => options.lines = Some(count.parse().map_err(|_| unknown())?),
            ["within", seconds] => {
                options.limit = Duration::from_secs(seconds.parse().map_err(|_| unknown())?);
            }
            _ => return Err(unknown()),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(path: &str, anchor: Option<&str>) -> Option<Marker> {
        Some(Marker::Code { path: path.to_owned(), anchor: anchor.map(str::to_owned) })
    }

    fn run(marker: &str) -> Options {
        match parse(marker) {
            Ok(Some(Marker::Run(options))) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn markers_are_read() {
        assert_eq!(parse("<!-- code: a/b.rs#c -->").unwrap(), code("a/b.rs", Some("c")));
        assert_eq!(parse("<!-- code: a.mjs -->").unwrap(), code("a.mjs", None));
        assert_eq!(parse("<!-- stop -->").unwrap(), Some(Marker::Stop));
        let pattern = Some("x/{}.rs".to_owned());
        let anchor = Some("row".to_owned());
        let siblings = Marker::Siblings { pattern, anchor };
        assert_eq!(parse("<!-- siblings: x/{}.rs#row -->").unwrap(), Some(siblings));
        let anchor = Some("copy".to_owned());
        let siblings = Marker::Siblings { pattern: None, anchor };
        assert_eq!(parse("<!-- siblings: copy -->").unwrap(), Some(siblings));
    }

    #[test]
    fn options_are_read() {
        assert_eq!(run("<!-- run -->"), Options::default());
        let options = run("<!-- run: exit 1, vary, lines 12, within 90, once: slow, and so on -->");
        assert_eq!((options.exit, options.compare.vary, options.lines), (1, true, Some(12)));
        assert_eq!(options.limit, Duration::from_secs(90));
        assert_eq!(options.once.as_deref(), Some("slow, and so on"));
        assert!(parse("<!-- run: exit -->").unwrap_err().0.contains("`exit`"));
        assert!(parse("<!-- run: once -->").unwrap_err().0.contains("no reason"));
    }

    #[test]
    fn slips_are_told_and_comments_left_alone() {
        let help = |comment: &str| parse(comment).unwrap_err().1;
        assert_eq!(help("<!-- codes: a.rs -->"), "did you mean `code`?");
        assert_eq!(help("<!-- run exit 1 -->"), "write `<!-- run: exit 1 -->`");
        assert_eq!(help("<!-- figure: race/x -->"), "put a word of its line before it");
        assert!(help("<!-- siblings: a/b.rs#c -->").contains("{}"));
        assert_eq!(parse("<!-- Written by hand: see below. -->").unwrap(), None);
        assert_eq!(parse("<!-- to here -->").unwrap(), None);
    }
}
