//! The command `compare`: shows two siblings side by side and marks the differences.

use std::env;
use std::io::{self, IsTerminal};

use anyhow::bail;
use clap::builder::PossibleValuesParser;
use console::Term;

use super::show::{View, show};
use super::{Compared, compare};
use crate::common::SIBLINGS;
use crate::fault::did_you_mean;
use crate::repo::Repo;

const EXAMPLES: &str = "\
Examples:
  docs-tool compare async-std smol
  docs-tool compare std tokio --function send_file
  docs-tool compare tokio smol --only-differences

Functions are compared by name, and all other code by its anchor. If the
terminal has at least 110 columns, the siblings are shown side by side,
otherwise one below the other.";

/// The width of a terminal that does not report its width.
const COLUMNS: usize = 80;

/// The minimum width of the output.
const COLUMNS_MIN: usize = 20;

/// Show two siblings side by side, with their differences marked
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// First sibling
    #[arg(value_name = "A", value_parser = PossibleValuesParser::new(SIBLINGS.map(|it| it.0)))]
    first: String,
    /// Second sibling
    #[arg(value_name = "B", value_parser = PossibleValuesParser::new(SIBLINGS.map(|it| it.0)))]
    second: String,
    /// Show only this function, or the code at this anchor
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Omit the code that is the same
    #[arg(long)]
    only_differences: bool,
    /// Width of the output; from 110 on, in two columns [default: the terminal's]
    #[arg(long, value_name = "COLUMNS")]
    width: Option<u16>,
}

impl Args {
    pub fn run(self, repo: &Repo) -> anyhow::Result<bool> {
        let source = |name: &str| {
            let folder = SIBLINGS.iter().find(|sibling| sibling.0 == name).map_or("", |it| it.1);
            repo.read(&format!("{folder}/src/lib.rs")).map_err(anyhow::Error::msg)
        };
        let mut compared = compare(&source(&self.first)?, &source(&self.second)?);
        if let Some(function) = &self.function {
            only(&mut compared, function)?;
        }
        let columns = self.width.map_or_else(columns, usize::from);
        let view = View {
            names: [self.first, self.second],
            columns: columns.max(COLUMNS_MIN),
            is_colored: io::stdout().is_terminal()
                && env::var_os("NO_COLOR").is_none_or(|it| it.is_empty()),
            only_differences: self.only_differences,
        };
        crate::common::print(show(&compared, &view).trim_end_matches('\n'));
        Ok(true)
    }
}

/// Keeps only the section of this function.
fn only(compared: &mut Vec<Compared>, function: &str) -> anyhow::Result<()> {
    let names: Vec<String> = compared.iter().map(|section| section.name.clone()).collect();
    compared.retain(|section| section.name == function);
    if !compared.is_empty() {
        return Ok(());
    }
    let help = match did_you_mean(function, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("name one of {}", names.join(", ")),
    };
    bail!("neither sibling has a function `{function}`\nhelp: {help}")
}

/// Returns the width of the terminal, or else the value of `COLUMNS`.
fn columns() -> usize {
    let variable = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let actual = Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
    if io::stdout().is_terminal() { actual.or(variable) } else { variable }.unwrap_or(COLUMNS)
}
