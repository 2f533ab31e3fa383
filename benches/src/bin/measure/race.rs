//! `measure race`: compares the siblings with nginx, the original Node server and a baseline.

mod course;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use benches::load::descriptors;
use benches::race::{Figures, markdown, measurements, order, tables};
use benches::records;
use benches::servers::{Launcher, Participant};
use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use harness::machine::Machine;
use harness::record::{Measurement, Record, Run};
use serde_json::Value;

use crate::output::{note, print};
use crate::results;
use course::{Course, Measure, Sizes};

const EXAMPLES: &str = "\
Examples:
  just peers
      Everything: each sibling in both modes, nginx, the original Node server
      and a baseline. This takes about 20 minutes and writes a record.
  just peers --measure river --server tokio,nginx --rounds 3 --no-record
      A first impression while you change a server.
  just peers --measure large --server tokio --no-record \\
      --server-cmd old='/tmp/old/serve-tokio {file} --port {port} --log json'
      Two builds of a server in one race.

Measurements:
  large  one client receives 1 GiB: bytes per second and per CPU-second
  river  16 clients at a time receive river.webp: clients per second and per
         CPU-second
  bytes  100 kB in chunks of one byte: seconds
  held   9900 clients read nothing: memory per client, and the latency of a new
         client
  log    the cost of a log

Each measurement starts its server. The servers take turns in each round, and
ratios are computed within a round.

Exit codes: 0 if everything was measured, 1 if a measurement failed, 2 if the
race could not run.";

/// Compare the servers with nginx, Node and each other
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Measurements, separated by commas [default: all]
    ///
    /// large, river, bytes, held or log
    #[arg(long, value_name = "NAMES", value_delimiter = ',', hide_possible_values = true)]
    measure: Vec<Measure>,

    /// Servers, separated by commas [default: all]
    ///
    /// std, tokio, async-std, smol, each of them also with -zero-copy; nginx, node, and
    /// floor, the baseline.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', hide_possible_values = true)]
    #[arg(value_parser = server_names())]
    server: Vec<String>,

    /// Another server; can be repeated
    ///
    /// The command contains {file} and {port}, and possibly {chunk}.
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
    /// The default is benches/records/DATE-MACHINE. The values are written to its
    /// summary.json, which keeps the values of the other programs, and the tables to
    /// race.md.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,

    /// Write no record
    #[arg(long, conflicts_with = "record")]
    no_record: bool,

    /// Name of the machine
    ///
    /// It is a part of the name of the record's folder.
    #[arg(long, value_name = "NAME", default_value = "linux-2-cores")]
    machine: String,
}

fn server_names() -> PossibleValuesParser {
    PossibleValuesParser::new(Participant::all().into_iter().map(|participant| participant.name))
}

/// A measurement of a server, and its values by round. `None` stands for a failed round.
struct Step<'a> {
    measure: Measure,
    participant: &'a Participant,
    samples: Vec<Option<Figures>>,
}

impl Step<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.measure.name(), self.participant.name)
    }

    fn measurements(&self) -> Vec<Measurement> {
        let id = format!("{}/{}", self.measure.name(), self.participant.name);
        measurements(&id, &self.samples)
    }
}

pub fn run(args: Args) -> anyhow::Result<bool> {
    let mut measures = Measure::value_variants().to_vec();
    measures.retain(|measure| args.measure.is_empty() || args.measure.contains(measure));
    let mut participants = Participant::all();
    participants.retain(|it| args.server.is_empty() || args.server.contains(&it.name));
    participants.extend_from_slice(&args.server_cmd);
    check_descriptors(&measures, args.sizes.held_clients)?;
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let launcher = Launcher::new(env::current_exe()?, &env::temp_dir());
    let launcher = launcher.context("cannot create a temporary folder")?;
    let course = Course::new(launcher, args.sizes);
    let mut course = course.context("cannot copy `assets/river.webp`")?;

    let mut problems = Vec::new();
    let mut present = Vec::new();
    for participant in &participants {
        match course.check(participant) {
            Ok(()) => present.push(participant),
            Err(error) => problems.push(format!("absent: {}: {error}", participant.name)),
        }
    }
    problems.iter().for_each(note);
    if present.is_empty() {
        bail!("no server could be started");
    }
    let options = args.options(&measures, &present);
    let absent_count = problems.len();
    let rounds = usize::try_from(args.rounds)?;
    let steps = race(&mut course, (&measures, &present), rounds, &mut problems);
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
    Ok(run.problems.len() == absent_count)
}

impl Args {
    /// Returns the options for the record, with the servers that could be started.
    fn options(&self, measures: &[Measure], present: &[&Participant]) -> [(String, Value); 7] {
        let measures: Vec<String> = measures.iter().map(|measure| measure.name()).collect();
        let servers: Vec<&str> = present.iter().map(|it| it.name.as_str()).collect();
        [
            ("rounds", Value::from(self.rounds)),
            ("measures", measures.into()),
            ("servers", servers.into()),
            ("large_bytes", self.sizes.large_size.into()),
            ("river_clients", self.sizes.river_clients.into()),
            ("held_clients", self.sizes.held_clients.into()),
            ("job_time_s", self.sizes.job_time.as_secs_f64().into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }

    /// Writes the values into a record by default.
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
        print(format_args!("recorded: {}\n", page.display()));
        Ok(())
    }
}

/// A server needs two file descriptors per non-reading client, and inherits the limit of this
/// program.
fn check_descriptors(measures: &[Measure], clients: u64) -> anyhow::Result<()> {
    let clients_max = descriptors() / 2;
    if measures.contains(&Measure::Held) && clients > clients_max {
        bail!(
            "the limit of file descriptors permits only {clients_max} non-reading clients\n\
             help: use `--held-clients {clients_max}`, or raise the limit with `ulimit -Hn`"
        );
    }
    Ok(())
}

/// Measures all servers in turns, and adds what failed to the problems.
fn race<'a>(
    course: &mut Course,
    (measures, participants): (&[Measure], &[&'a Participant]),
    rounds: usize,
    problems: &mut Vec<String>,
) -> Vec<Step<'a>> {
    let steps = measures.iter().flat_map(|&measure| {
        let participants = participants.iter().filter(move |it| measure.applies_to(it));
        participants.map(move |&participant| Step { measure, participant, samples: Vec::new() })
    });
    let mut steps: Vec<Step<'a>> = steps.collect();
    note(format_args!("measurements per round: {}", steps.len()));
    let bar = results::progress_bar(steps.len() * (rounds + 1));
    steps.retain(|step| {
        bar.set_message(format!("warm-up: {}", step.name()));
        let result = course.warm_up(step.measure, step.participant);
        bar.inc(if result.is_ok() { 1 } else { 1 + rounds as u64 });
        let failure = result.as_ref().map_err(|error| format!("failed: {}: {error}", step.name()));
        problems.extend(failure.err());
        result.is_ok()
    });
    for round in 1..=rounds {
        let started = Instant::now();
        let measures: Vec<Measure> = steps.iter().map(|step| step.measure).collect();
        for index in order(&measures, round) {
            let step = &mut steps[index];
            if round <= step.measure.rounds(rounds) {
                bar.set_message(format!("round {round} of {rounds}: {}", step.name()));
                let figures = course.measure(step.measure, step.participant, round);
                let figures = figures.map_err(|error| {
                    problems.push(format!("failed: round {round}, {}: {error}", step.name()));
                });
                step.samples.push(figures.ok());
            }
            bar.inc(1);
        }
        if bar.is_hidden() {
            let left_s = started.elapsed().as_secs() * (rounds - round) as u64;
            let left = humantime::format_duration(Duration::from_secs(left_s));
            note(format_args!("round {round} of {rounds}, about {left} left"));
        }
    }
    bar.finish_and_clear();
    steps
}
