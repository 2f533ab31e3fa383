//! Puts short excerpts of the siblings into a table, so that GitHub shows the excerpts side by
//! side.

use crate::markers::Error;
use crate::wrap::formatted;

/// The number of excerpts per row of the table.
const PER_ROW: usize = 2;
/// The maximum number of characters per line of an excerpt. A code block of this width takes half
/// of the width of a page on GitHub. In a window that is 1,280 pixels wide, a page is 830 pixels
/// wide, and a character in a code block is 8.2 pixels wide.
pub const COLUMNS_MAX: usize = 43;
/// The maximum number of lines of an excerpt in a table with two rows. With excerpts of this length,
/// two rows of the table fit in a window that is 1,080 pixels high. A line is 20 pixels high.
pub const LINES_MAX: usize = 20;
/// The maximum number of lines of an excerpt in a table with one row.
pub const LINES_MAX_IN_ONE_ROW: usize = 2 * LINES_MAX;

/// Fits the lines of an excerpt to the width of a table cell.
///
/// # Errors
///
/// Returns an error if `rustfmt` cannot be started, or if there are too many lines.
pub fn narrowed(path: &str, lines: &[String], lines_max: usize) -> Result<Vec<String>, Error> {
    let lines = formatted(lines, COLUMNS_MAX).map_err(|error| {
        let help = "install rustfmt with `rustup component add rustfmt`";
        (format!("cannot format the excerpt of `{path}`: {error}"), help.to_owned())
    })?;
    if lines.len() > lines_max {
        let count = lines.len();
        let what = format!(
            "the excerpt of `{path}` is too long: expected at most {lines_max} lines of \
             {COLUMNS_MAX} columns, got {count} lines"
        );
        return Err((
            what,
            "put the anchor around fewer lines, or remove `, table` from the marker".to_owned(),
        ));
    }
    Ok(lines)
}

/// Returns a table with one cell per part. Each part is Markdown that ends with a blank line.
pub fn table(parts: &[String]) -> String {
    let cell = |part: &String| format!("<td valign=\"top\">\n\n{part}</td>");
    let rows = parts.chunks(PER_ROW).map(|row| {
        let cells = row.iter().map(cell).collect::<Vec<_>>().join("\n");
        format!("<tr>\n{cells}\n</tr>\n")
    });
    format!("<table>\n{}</table>", rows.collect::<String>())
}
