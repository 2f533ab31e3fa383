//! `measure report` generates a page of results. `measure diff` compares two records.

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, anyhow, bail};
use benches::records::{self, NOW};
use benches::report;
use harness::record::Record;

use crate::output::print;

const EXAMPLES: &str = "\
Examples:
  just report
      Generate a page in target/report from the results of the last runs.
  just record --machine my-laptop
      Save the results and the page in benches/records/DATE-my-laptop.
  just report --from benches/records/2026-11-25-linux-2-cores
      Generate the page of a record again.

Exit codes: 0 if the page was written, 2 if an error occurred.";

const DIFF_EXAMPLES: &str = "\
Example:
  just bench-diff 2026-11-25-linux-2-cores now
      Compare a record with the last runs on this machine.

Exit codes: 0 if the records were compared, 2 if an error
occurred.";

const HELP: &str = "help: run `just bench-quick`, `just footprint` or both";

/// Generate a page from the last runs or from a record
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Save the results, the page and the charts as a record
    #[arg(long)]
    record: bool,

    /// Name of the machine
    ///
    /// The name of the record's folder is DATE-MACHINE.
    #[arg(long, value_name = "NAME", default_value = "linux-2-cores", value_parser = machine_name)]
    machine: String,

    /// Record to use instead of the last runs
    #[arg(long, value_name = "DIR", conflicts_with = "record")]
    from: Option<PathBuf>,

    /// Folder for the page and the charts
    ///
    /// The default is target/report or, with --from, the folder of the record.
    #[arg(long, value_name = "DIR", conflicts_with = "record")]
    out: Option<PathBuf>,
}

/// Compare two records and mark the differences that are noise
#[derive(clap::Args)]
#[command(after_long_help = DIFF_EXAMPLES)]
pub struct DiffArgs {
    /// Name or folder of a record, or `now` for the last runs
    a: String,

    /// Name or folder of the other record
    b: String,
}

/// Parses the name of the machine. Accepts only characters that all systems permit in the names of
/// folders.
fn machine_name(name: &str) -> Result<String, String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    match !name.is_empty() && name.chars().all(is_allowed) {
        true => Ok(name.to_owned()),
        false => Err("use only letters, digits, `-` and `.`, for example my-laptop".to_owned()),
    }
}

pub fn run(args: Args) -> anyhow::Result<bool> {
    let (record, out) = match args.from {
        Some(from) => (load(&from.to_string_lossy())?, args.out.unwrap_or(from)),
        None if args.record => {
            let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
            let folder = records::folder_of(&now, &args.machine);
            let mut runs = load(NOW)?;
            // Do not save the last race, because it may have measured only some servers. `measure
            // race` writes a record itself.
            runs.runs.retain(|run| run.program != "race");
            if runs.runs.is_empty() {
                bail!("there are no results to save\n{HELP}");
            }
            let record = records::add(&folder, &runs).context("cannot write the record")?;
            (record, folder)
        }
        None => {
            let default = || records::target_folder().join("report");
            (load(NOW)?, args.out.unwrap_or_else(default))
        }
    };
    let page = report::write(&record, &out)
        .with_context(|| format!("cannot write to `{}`", out.display()))?;
    let page = page.canonicalize().unwrap_or(page);
    print(format_args!("{}\n", page.display()));
    Ok(true)
}

pub fn diff(args: DiffArgs) -> anyhow::Result<bool> {
    let tables = report::diff(&load(&args.a)?, &load(&args.b)?).map_err(anyhow::Error::msg)?;
    for table in tables {
        print(format_args!("{table}\n"));
    }
    Ok(true)
}

fn load(name: &str) -> anyhow::Result<Record> {
    let record = records::load(name).map_err(|error| {
        let help = "list the records with `ls benches/records`, or use `now` for the last runs";
        anyhow!("cannot read the record {error}\nhelp: {help}")
    })?;
    if record.runs.is_empty() {
        bail!("`{name}` contains no results\n{HELP}");
    }
    Ok(record)
}
