//! Formats tables for the terminal and for Markdown.

use std::fmt;

/// The text in a cell that has no value.
const NO_VALUE: &str = "–";

/// A table of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The title.
    pub title: String,
    /// The headers. Each column has one header.
    pub headers: Vec<String>,
    /// The rows. Each row has one cell per column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table without rows.
    pub fn new(title: impl Into<String>, headers: impl IntoIterator<Item: Into<String>>) -> Self {
        let headers = headers.into_iter().map(Into::into).collect();
        Self { title: title.into(), headers, rows: Vec::new() }
    }

    /// Adds a row. A cell that has no value contains a dash.
    pub fn push(&mut self, name: &str, cells: impl IntoIterator<Item = Option<String>>) {
        let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| NO_VALUE.to_owned()));
        self.rows.push(std::iter::once(name.to_owned()).chain(cells).collect());
    }

    /// Returns whether any cell has a value. Ignores the cells of the first column, which contain
    /// names.
    #[must_use]
    pub fn has_values(&self) -> bool {
        self.rows.iter().any(|row| row[1..].iter().any(|cell| cell != NO_VALUE))
    }

    /// Returns the table as Markdown. The title of the table is a heading of level 3.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rules: Vec<String> = (0..self.headers.len())
            .map(|column| if column == 0 { "---" } else { "---:" }.to_owned())
            .collect();
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("### {}\n\n{}{}{rows}", self.title, line(&self.headers), line(&rules))
    }
}

/// Writes the title and the columns of the table. The first column is left-aligned, and the other
/// columns are right-aligned.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = || std::iter::once(&self.headers).chain(&self.rows);
        let width = |column: usize| {
            let cells = lines().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.headers.len()).map(width).collect();
        writeln!(f, "{}", self.title)?;
        for line in lines() {
            let cells = line.iter().zip(&widths).enumerate();
            let cells = cells.map(|(column, (cell, &width))| match column {
                0 => format!("{cell:width$}"),
                _ => format!("  {cell:>width$}"),
            });
            writeln!(f, "{}", cells.collect::<String>().trim_end())?;
        }
        Ok(())
    }
}
