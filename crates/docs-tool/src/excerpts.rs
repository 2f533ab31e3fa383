//! Short excerpts of the siblings in a table, so that GitHub shows them beside each other.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use crate::anchors;
use crate::markers::Error;
use crate::wrap::wrapped;

/// The number of excerpts in a row of the table.
const PER_ROW: usize = 2;
/// The number of columns of a code block that is half as wide as a page on GitHub: 830 pixels in a
/// window of 1,280 pixels. A character of its code is 8.2 pixels wide.
const COLUMNS_MAX: usize = 43;
/// The number of lines of a code block that is half as high as a window of 1,080 pixels. A line is
/// 20 pixels high.
const LINES_MAX: usize = 20;
/// The function in which `rustfmt` gets an excerpt, and its indentation.
const FUNCTION: (&str, &str, usize) = ("fn excerpt() {\n", "\n}\n", 4);

/// Fits the lines of an excerpt to the width of the table.
///
/// # Errors
///
/// Returns an error if `rustfmt` cannot be started, or if there are too many lines.
pub fn narrowed(path: &str, lines: &[String]) -> Result<Vec<String>, Error> {
    let text = lines.join("\n");
    let is_narrow = lines.iter().all(|line| line.chars().count() <= COLUMNS_MAX);
    let text = match is_narrow {
        true => text,
        false => formatted(&text).map_err(|error| {
            let help = "install rustfmt with `rustup component add rustfmt`";
            (format!("cannot format the excerpt of `{path}`: {error}"), help.to_owned())
        })?,
    };
    // `rustfmt` does not split comments and the arguments of macros.
    let text = wrapped(&text, COLUMNS_MAX);
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.len() > LINES_MAX {
        let count = lines.len();
        let what = format!(
            "the excerpt of `{path}` is too long: expected at most {LINES_MAX} lines of \
             {COLUMNS_MAX} columns, got {count} lines"
        );
        return Err((what, "put its anchor around fewer lines, or remove `, table`".to_owned()));
    }
    Ok(lines)
}

/// Formats statements with `rustfmt`. Returns them unchanged if they are incomplete.
fn formatted(code: &str) -> io::Result<String> {
    let (before, after, indent) = FUNCTION;
    let config = format!("max_width={},use_small_heuristics=Max", COLUMNS_MAX + indent);
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--quiet", "--edition", "2024", "--config", &config]);
    rustfmt.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = rustfmt.spawn()?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(format!("{before}{code}{after}").as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
    let inside = text.strip_prefix(before).and_then(|text| text.strip_suffix(after));
    Ok(match inside.filter(|_| output.status.success()) {
        Some(inside) => anchors::dedented(&inside.lines().collect::<Vec<_>>()).join("\n"),
        None => code.to_owned(),
    })
}

/// Returns a table with a cell for each part. Each part is Markdown that ends with a blank line.
pub fn table(parts: &[String]) -> String {
    let cell = |part: &String| format!("<td valign=\"top\">\n\n{part}</td>");
    let rows = parts.chunks(PER_ROW).map(|row| {
        let cells = row.iter().map(cell).collect::<Vec<_>>().join("\n");
        format!("<tr>\n{cells}\n</tr>\n")
    });
    format!("<table>\n{}</table>", rows.collect::<String>())
}
