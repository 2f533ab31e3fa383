//! Puts short excerpts of the siblings into a table, so that GitHub shows the excerpts side by
//! side.

use crate::markers::Error;
use crate::wrap::formatted;

/// The number of excerpts in a row of the table.
const PER_ROW: usize = 2;
/// The number of columns of a code block that takes half of the width of a page on GitHub. In a
/// window of 1,280 pixels, a page is 830 pixels wide. A character of a code block is 8.2 pixels
/// wide.
pub const COLUMNS_MAX: usize = 43;
/// The maximum number of lines of an excerpt. With this number, two rows of the table fit in a
/// window of 1,080 pixels. A line is 20 pixels high.
const LINES_MAX: usize = 20;

/// Fits the lines of an excerpt to the width of the table.
///
/// # Errors
///
/// Returns an error if `rustfmt` cannot be started, or if there are too many lines.
pub fn narrowed(path: &str, lines: &[String]) -> Result<Vec<String>, Error> {
    let lines = formatted(lines, COLUMNS_MAX).map_err(|error| {
        let help = "install rustfmt with `rustup component add rustfmt`";
        (format!("cannot format the excerpt of `{path}`: {error}"), help.to_owned())
    })?;
    if lines.len() > LINES_MAX {
        let count = lines.len();
        let what = format!(
            "the excerpt of `{path}` is too long: expected at most {LINES_MAX} lines of \
             {COLUMNS_MAX} columns, got {count} lines"
        );
        return Err((what, "put the anchor around fewer lines, or remove `, table`".to_owned()));
    }
    Ok(lines)
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
