//! The command line.

use clap::Parser;
use clap::builder::PossibleValuesParser;

const EXAMPLES: &str = "\
Examples:
  faults                               all faults, all servers
  faults fairness --approach tokio     one fault, one server
  faults --write                       update the table in docs/FAULTS.md

Exit code: 0 if every server handled every fault, 1 if not, 2 if the results
could not be written. On a machine that cannot cause a fault, the fault is
skipped.";

/// Run every server on a machine that fails, and report how it behaves (Linux)
#[derive(Parser)]
#[command(version, after_help = EXAMPLES, max_term_width = 80)]
pub struct Arguments {
    /// Run only the faults whose name contains this text
    #[arg(value_name = "FAULT")]
    pub names: Vec<String>,
    /// Run only this server; can be repeated
    #[arg(long, value_name = "NAME",
        value_parser = PossibleValuesParser::new(approaches::ALL.map(|approach| approach.name)))]
    pub approach: Vec<String>,
    /// Print the results as one JSON document
    #[arg(long)]
    pub json: bool,
    /// Write the results to the table in docs/FAULTS.md
    #[arg(long, conflicts_with_all = ["names", "approach"])]
    pub write: bool,
    /// List all faults
    #[arg(long)]
    pub list: bool,
}
