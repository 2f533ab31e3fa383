//! The command `compare`, which shows two siblings side by side and marks the differences.

use std::env;

use anyhow::bail;
use clap::builder::PossibleValuesParser;
use console::Term;

use super::compare;
use super::show::View;
use crate::common::SIBLINGS;
use crate::page_error::did_you_mean;
use crate::repo::Repo;

const EXAMPLES: &str = "\
Examples:
  docs-tool compare async-std smol
  docs-tool compare std tokio --function send_file
  docs-tool compare tokio smol --only-differences

Functions, types and constants are compared by name. If the terminal has at
least 110 columns, the siblings are shown side by side. Otherwise, the siblings
are shown one below the other.";

/// The width of the output if the terminal does not report its width.
const COLUMNS: u16 = 80;

/// The minimum width of the output.
const COLUMNS_MIN: u16 = 20;

/// Show two siblings side by side, and mark the differences
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// First sibling
    #[arg(value_name = "A", value_parser = PossibleValuesParser::new(SIBLINGS.map(|it| it.0)))]
    first: String,
    /// Second sibling
    #[arg(value_name = "B", value_parser = PossibleValuesParser::new(SIBLINGS.map(|it| it.0)))]
    second: String,
    /// Show only this function, type or constant
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Omit the code that is the same in both siblings
    #[arg(long)]
    only_differences: bool,
    /// Width of the output in characters, at least 110 for two columns [default: the width of the
    /// terminal]
    #[arg(long, value_name = "COLUMNS")]
    width: Option<u16>,
}

impl Args {
    pub fn run(self, repo: &Repo) -> anyhow::Result<bool> {
        let source = |name: &str| {
            let sibling = SIBLINGS.iter().find(|sibling| sibling.0 == name);
            let files = sibling.map_or(&[] as &[_], |sibling| sibling.1);
            let texts = files.iter().map(|file| repo.read(file)).collect::<Result<Vec<_>, _>>();
            texts.map(|texts| texts.join("\n")).map_err(anyhow::Error::msg)
        };
        let mut compared = compare(&source(&self.first)?, &source(&self.second)?);
        if let Some(function) = &self.function {
            let names: Vec<String> = compared.iter().map(|section| section.name.clone()).collect();
            compared.retain(|section| section.name == *function);
            if compared.is_empty() {
                let help = match did_you_mean(function, names.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("use one of {}", names.join(", ")),
                };
                bail!("neither sibling has a function `{function}`\nhelp: {help}");
            }
        }
        let terminal = Term::stdout().size_checked().map(|(_, columns)| columns);
        let variable = || env::var("COLUMNS").ok()?.parse().ok();
        let columns = self.width.or(terminal).or_else(variable).unwrap_or(COLUMNS);
        let view = View {
            names: [self.first, self.second],
            columns: columns.max(COLUMNS_MIN).into(),
            only_differences: self.only_differences,
        };
        view.print(&compared);
        Ok(true)
    }
}
