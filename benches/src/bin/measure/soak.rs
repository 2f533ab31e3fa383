//! Implements `measure soak`, which runs all siblings for a long time with mixed clients.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use benches::servers::Participant;
use benches::soak::{BEHAVIORS, Soak, markdown, tables};
use benches::{records, report};
use clap::builder::PossibleValuesParser;
use harness::machine::Machine;
use harness::record::{Measurement, Record, Run};

use crate::output::{note, print};
use crate::results;

const EXAMPLES: &str = "\
Examples:
  just soak --minutes 60 --record benches/records/2026-11-29-linux-2-cores-soak
      Run all siblings for one hour, and save the results as a record.
  just soak --minutes 1 --server tokio,tokio-zero-copy
      Run one sibling in both modes for one minute.

Exit codes: 0 if all checks passed, 1 if a check failed, 2 if the program could
not run.";

/// The maximum number of minutes, which is one week.
const MINUTES_MAX: f64 = 7.0 * 24.0 * 60.0;

/// Run all siblings for a long time with mixed clients, and check that nothing breaks or leaks
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Duration of the load in minutes
    ///
    /// All siblings run at the same time. Starting the siblings, waiting for the last clients and
    /// stopping the siblings take up to a minute more.
    #[arg(long, value_name = "N", default_value = "1", value_parser = minutes)]
    minutes: f64,

    /// Siblings, separated by commas [default: all]
    ///
    /// The names are std, tokio, async-std, smol and mio. Each name can have the suffix -zero-copy.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(siblings().map(|it| it.name)))]
    server: Vec<String>,

    /// Folder for the results
    ///
    /// The default is target/measure/soak. The soak writes its values to summary.json, its tables to
    /// soak.md, and charts.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

fn minutes(text: &str) -> Result<f64, String> {
    let is_valid = |minutes: &f64| *minutes > 0.0 && *minutes <= MINUTES_MAX;
    let help =
        || format!("pass a number of minutes between 0 and {MINUTES_MAX}, such as 60 or 0.5");
    text.parse().ok().filter(is_valid).ok_or_else(help)
}

fn siblings() -> impl Iterator<Item = Participant> {
    Participant::all().into_iter().filter(|participant| participant.approach().is_some())
}

pub fn run(args: Args) -> anyhow::Result<bool> {
    let is_selected = |name: &String| args.server.is_empty() || args.server.contains(name);
    let servers: Vec<Participant> = siblings().filter(|it| is_selected(&it.name)).collect();
    let clients = BEHAVIORS.iter().map(|behavior| behavior.clients).sum::<u64>();
    if servers.len() as u64 * clients > benches::load::descriptors() {
        bail!(
            "the limit on open file descriptors is too low\nhelp: raise it with `ulimit -n 4096`"
        );
    }
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    // The description contains the commit, which may change during a long soak.
    let machine = Machine::current();
    // The files must be on a disk, because some in-memory file systems do not support
    // `RWF_NOWAIT`.
    let folder = records::target_folder().join("measure");
    let mut soak =
        Soak::start(&servers, &env::current_exe()?, &folder).context("cannot start the servers")?;
    let duration = Duration::from_secs_f64(args.minutes * 60.0);
    note(format_args!("{} servers, {clients} clients per server", servers.len()));
    let bar = results::progress_bar(duration.as_secs() as usize);
    bar.set_message("load");
    soak.run(duration, |elapsed| bar.set_position(elapsed.as_secs()))?;
    bar.set_message("waiting until the servers have released their resources");
    let (measurements, problems) = soak.finish();
    bar.finish_and_clear();
    let names: Vec<&str> = servers.iter().map(|it| it.name.as_str()).collect();
    let options = [
        ("minutes", args.minutes.into()),
        ("servers", names.into()),
        ("clients_per_server", clients.into()),
    ];
    let options = options.map(|(name, value): (_, serde_json::Value)| (name.to_owned(), value));
    let program = "soak".to_owned();
    let run = Run { program, date, machine, options: options.into(), problems, measurements };
    tables(&run).iter().for_each(|table| print(format_args!("{table}\n")));
    print(summary(&run));
    let folder = args.record.unwrap_or_else(|| folder.join("soak"));
    save(&run, &folder).with_context(|| format!("cannot write `{}`", folder.display()))?;
    note(format_args!("saved the results in `{}`", folder.display()));
    Ok(run.problems.is_empty())
}

fn summary(run: &Run) -> String {
    let cores = run.get("cores").and_then(Measurement::spread).map_or(0.0, |cores| cores.median);
    let verdict = if run.problems.is_empty() { "passed" } else { "failed" };
    let problems = run.problems.iter().map(|problem| format!("problem: {problem}\n"));
    let text =
        format!("soak {verdict}; the servers and clients used {cores:.2} cores on average\n");
    problems.chain([text]).collect()
}

fn save(run: &Run, folder: &Path) -> io::Result<()> {
    let record = Record::new([run.clone()]);
    report::write_charts(&record, folder)?;
    record.write(folder)?;
    fs::write(folder.join("soak.md"), markdown(run))
}
