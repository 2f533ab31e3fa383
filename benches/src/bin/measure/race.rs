//! Implements `measure race`, which compares the siblings with nginx, the original Node server and
//! a baseline.

mod runner;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use benches::load::descriptors;
use benches::race::{Values, markdown, measurements, order, tables};
use benches::records;
use benches::servers::{Launcher, Participant};
use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use harness::machine::Machine;
use harness::record::{Measurement, Record, Run};
use serde_json::Value;

use crate::output::{note, print};
use crate::results;
use runner::{Runner, Scenario, Sizes};

const EXAMPLES: &str = "\
Examples:
  just peers
      Run all scenarios with each sibling in both modes, nginx, the original
      Node server and a baseline. The race takes about 20 minutes and writes a
      record.
  just peers --scenario river --server tokio,nginx --rounds 3 --no-record
      Compare two servers quickly, for example while you change one of them.
  just peers --scenario large --server tokio --no-record \\
      --server-cmd old='/tmp/old/serve-tokio {file} --port {port} --log json'
      Compare two builds of a server in one race.

Scenarios:
  large        bytes per second and per CPU-second while one client receives
               1 GiB
  river        clients per second and per CPU-second while 16 clients at a time
               receive river.webp
  bytes        seconds until one client has received 100 kB in chunks of one
               byte
  non-reading  memory per client and latency of a new client while 9900 clients
               read nothing
  log          ratio of the speeds with and without a log in large and river

Each measurement starts its own server. The servers take turns in each round,
and ratios are computed within a round.

Exit codes: 0 if all measurements succeeded, 1 if a measurement failed, 2 if the
race could not run.";

/// Compare the siblings with nginx, Node and each other
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Scenarios, separated by commas [default: all]
    ///
    /// The scenarios are large, river, bytes, non-reading and log.
    #[arg(long, alias = "measure", value_name = "NAMES", value_delimiter = ',')]
    #[arg(hide_possible_values = true)]
    scenario: Vec<Scenario>,

    /// Servers, separated by commas [default: all]
    ///
    /// The names are nginx, node, baseline, std, tokio, async-std, smol and mio. The names of the
    /// siblings (all names after baseline) can have the suffix -zero-copy.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', hide_possible_values = true)]
    #[arg(value_parser = server_names())]
    server: Vec<String>,

    /// Additional server (can be repeated)
    ///
    /// NAME is the name of the server in the results. CMD is the command that starts the server.
    /// CMD must contain {file} and {port}, and can contain {chunk}. These placeholders are replaced
    /// with the path of the file, the port and the chunk size in bytes.
    #[arg(long, value_name = "NAME=CMD", value_parser = Participant::from_command)]
    server_cmd: Vec<Participant>,

    /// Number of rounds
    #[arg(long, value_name = "N", default_value = "7")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,

    #[command(flatten)]
    sizes: Sizes,

    /// Folder of the record
    ///
    /// The default is benches/records/DATE-MACHINE. The race writes its values to summary.json and
    /// its tables to race.md. The values of the suites and of the footprint in summary.json do not
    /// change.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,

    /// Do not write a record
    #[arg(long, conflicts_with = "record")]
    no_record: bool,

    /// Name of the machine
    ///
    /// The name of the record's folder contains the name of the machine.
    #[arg(long, value_name = "NAME", default_value = "linux-2-cores")]
    machine: String,
}

fn server_names() -> PossibleValuesParser {
    PossibleValuesParser::new(Participant::all().into_iter().map(|participant| participant.name))
}

/// A scenario, a server, and one entry per round. An entry contains the values of the round, or
/// `None` if the round failed.
struct Step<'a> {
    scenario: Scenario,
    participant: &'a Participant,
    samples: Vec<Option<Values>>,
}

impl Step<'_> {
    fn name(&self) -> String {
        format!("{} with {}", self.scenario.name(), self.participant.name)
    }

    fn measurements(&self) -> Vec<Measurement> {
        let id = format!("{}/{}", self.scenario.name(), self.participant.name);
        measurements(&id, &self.samples)
    }
}

pub fn run(args: Args) -> anyhow::Result<bool> {
    let mut scenarios = Scenario::value_variants().to_vec();
    scenarios.retain(|scenario| args.scenario.is_empty() || args.scenario.contains(scenario));
    let mut participants = Participant::all();
    participants.retain(|it| args.server.is_empty() || args.server.contains(&it.name));
    participants.extend_from_slice(&args.server_cmd);
    check_descriptors(&scenarios, args.sizes.non_reading_clients)?;
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let launcher = Launcher::new(env::current_exe()?, &env::temp_dir());
    let launcher = launcher.context("cannot create a temporary folder")?;
    let runner = Runner::new(launcher, args.sizes);
    let mut runner = runner.context("cannot copy `assets/river.webp`")?;

    let mut problems = Vec::new();
    let mut available = Vec::new();
    for participant in &participants {
        match runner.check(participant) {
            Ok(()) => available.push(participant),
            Err(error) => problems.push(format!("{} was not measured: {error}", participant.name)),
        }
    }
    problems.iter().for_each(note);
    if available.is_empty() {
        bail!("no server could be started\nhelp: fix the problems that are listed above");
    }
    let options = args.options(&scenarios, &available);
    let missing_count = problems.len();
    let rounds = usize::try_from(args.rounds)?;
    let steps = race(&mut runner, (&scenarios, &available), rounds, &mut problems);
    let run = Run {
        program: "race".to_owned(),
        date,
        machine: Machine::current(),
        options: options.into(),
        measurements: steps.iter().flat_map(Step::measurements).collect(),
        problems,
    };
    results::save(&run, &tables(&run), None)?;
    args.record(&run)?;
    Ok(run.problems.len() == missing_count)
}

impl Args {
    /// Returns the options of this race for the record. The options include the names of the
    /// servers that could be started.
    fn options(&self, scenarios: &[Scenario], available: &[&Participant]) -> [(String, Value); 7] {
        let scenarios: Vec<String> = scenarios.iter().map(|scenario| scenario.name()).collect();
        let servers: Vec<&str> = available.iter().map(|it| it.name.as_str()).collect();
        [
            ("rounds", Value::from(self.rounds)),
            ("scenarios", scenarios.into()),
            ("servers", servers.into()),
            ("large_bytes", self.sizes.large_size.into()),
            ("river_clients", self.sizes.river_clients.into()),
            ("non_reading_clients", self.sizes.non_reading_clients.into()),
            ("job_time_s", self.sizes.job_time.as_secs_f64().into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }

    /// Writes a record, unless `--no-record` is set.
    fn record(&self, run: &Run) -> anyhow::Result<()> {
        if self.no_record {
            return Ok(());
        }
        let default = || records::folder_of(&run.date, &self.machine);
        let folder = self.record.clone().unwrap_or_else(default);
        let page = folder.join("race.md");
        records::add(&folder, &Record::new([run.clone()]))
            .and_then(|_| fs::write(&page, markdown(run)))
            .with_context(|| format!("cannot write `{}`", folder.display()))?;
        print(format_args!("saved the record in `{}`\n", folder.display()));
        Ok(())
    }
}

/// Checks whether the file descriptor limit is sufficient. The servers inherit the limit of this
/// program. A server needs two file descriptors per non-reading client.
fn check_descriptors(scenarios: &[Scenario], clients: u64) -> anyhow::Result<()> {
    let clients_max = descriptors() / 2;
    if scenarios.contains(&Scenario::NonReading) && clients > clients_max {
        bail!(
            "the file descriptor limit permits only {clients_max} non-reading clients\n\
             help: use `--non-reading-clients {clients_max}`, or raise the limit with `ulimit -Hn`"
        );
    }
    Ok(())
}

/// Measures all servers in turn in each round. If a measurement fails, adds a description of the
/// failure to `problems`.
fn race<'a>(
    runner: &mut Runner,
    (scenarios, participants): (&[Scenario], &[&'a Participant]),
    rounds: usize,
    problems: &mut Vec<String>,
) -> Vec<Step<'a>> {
    let steps = scenarios.iter().flat_map(|&scenario| {
        let participants = participants.iter().filter(move |it| scenario.applies_to(it));
        participants.map(move |&participant| Step { scenario, participant, samples: Vec::new() })
    });
    let mut steps: Vec<Step<'a>> = steps.collect();
    note(format_args!("{} measurements per round", steps.len()));
    let bar = results::progress_bar(steps.len() * (rounds + 1));
    steps.retain(|step| {
        bar.set_message(format!("warm-up: {}", step.name()));
        let result = runner.warm_up(step.scenario, step.participant);
        bar.inc(if result.is_ok() { 1 } else { 1 + rounds as u64 });
        let failure = result
            .as_ref()
            .map_err(|error| format!("the warm-up of {} failed: {error}", step.name()));
        problems.extend(failure.err());
        result.is_ok()
    });
    for round in 1..=rounds {
        let started = Instant::now();
        let scenarios: Vec<Scenario> = steps.iter().map(|step| step.scenario).collect();
        for index in order(&scenarios, round) {
            let step = &mut steps[index];
            if round <= step.scenario.rounds(rounds) {
                bar.set_message(format!("round {round} of {rounds}: {}", step.name()));
                let values = runner.measure(step.scenario, step.participant, round);
                let values = values.map_err(|error| {
                    problems.push(format!("round {round} of {} failed: {error}", step.name()));
                });
                step.samples.push(values.ok());
            }
            bar.inc(1);
        }
        if bar.is_hidden() {
            let left_s = started.elapsed().as_secs() * (rounds - round) as u64;
            let left = humantime::format_duration(Duration::from_secs(left_s));
            note(format_args!("completed round {round} of {rounds}; about {left} left"));
        }
    }
    bar.finish_and_clear();
    steps
}
