//! Implements `measure footprint`, which measures the cost of each server as a process.

use std::env;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use benches::footprint::{Footprints, NON_READING_CLIENTS, tables, why_no_strace};
use benches::records;
use benches::servers::Participant;
use benches::suite::{CHUNK_SIZES, file_bytes_for};
use clap::builder::PossibleValuesParser;
use harness::machine::Machine;
use harness::record::{Measurement, Run};
use harness::text;

use crate::output::note;
use crate::results;

const EXAMPLES: &str = "\
Examples:
  just footprint
      Measure all servers, with chunks of 1 B to 1 MiB and with non-reading
      clients.
  just footprint --server tokio,node --chunk-size 1B,64KiB --skip-non-reading
      Take only a few measurements.

Each server is a separate process, and all servers do the same work. Times are
measured without strace. System calls are counted with strace in a separate run.

Exit codes: 0 if all measurements succeeded, 1 if a measurement failed, 2 if the
program could not run.";

/// Measure the cost of each server as a process
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Servers, separated by commas [default: all]
    ///
    /// The names are node, std, tokio, async-std, smol and mio. The names of the siblings (all names
    /// except node) can have the suffix -zero-copy.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(participants().map(|it| it.name)))]
    server: Vec<String>,

    /// Chunk sizes, separated by commas [default: all]
    ///
    /// The sizes are 1B, 64B, 1KiB, 8KiB, 64KiB and 1MiB.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(CHUNK_SIZES.map(|size| size.0)))]
    chunk_size: Vec<String>,

    /// Approximate duration of each job
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = text::duration)]
    job_time: Duration,

    /// Do not count system calls
    #[arg(long)]
    no_strace: bool,

    /// Skip the measurements with non-reading clients
    #[arg(long, alias = "no-held")]
    skip_non_reading: bool,

    /// File for the values
    ///
    /// The default is target/measure/footprint.json.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Returns all servers whose chunk size can be set.
fn participants() -> impl Iterator<Item = Participant> {
    Participant::all().into_iter().filter(Participant::has_chunk_size)
}

/// A measurement. The fields are its description, and the function that measures the values.
type Step = (String, Box<dyn Fn(&mut Footprints) -> io::Result<Vec<Measurement>>>);

pub fn run(args: Args) -> anyhow::Result<bool> {
    let no_strace = match args.no_strace {
        true => Some("`--no-strace` is set".to_owned()),
        false => why_no_strace(),
    };
    let mut problems: Vec<String> =
        no_strace.iter().map(|why| format!("system calls are not counted: {why}")).collect();
    problems.iter().for_each(note);
    // The files that the servers send must be on a disk, because some in-memory file systems do not
    // support `RWF_NOWAIT`.
    let folder = records::target_folder().join("measure");
    let footprints =
        Footprints::new(env::current_exe()?, &folder, args.job_time, no_strace.is_none());
    let mut footprints = footprints.context("cannot create a temporary folder")?;
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let (mut measurements, mut is_complete) = (Vec::new(), true);
    let steps = args.steps();
    let bar = results::progress_bar(steps.len());
    for (index, (name, measure)) in steps.iter().enumerate() {
        bar.set_message(name.clone());
        if bar.is_hidden() {
            note(format_args!("[{}/{}] {name}", index + 1, steps.len()));
        }
        match measure(&mut footprints) {
            Ok(values) => measurements.extend(values),
            Err(error) => {
                problems.push(format!("{name} could not be measured: {error}"));
                is_complete = false;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let options = [("job_time_s".to_owned(), args.job_time.as_secs_f64().into())].into();
    let machine = Machine::current();
    let program = "footprint".to_owned();
    let run = Run { program, date, machine, options, problems, measurements };
    results::save(&run, &tables(&run), args.out)?;
    Ok(is_complete)
}

impl Args {
    fn steps(&self) -> Vec<Step> {
        let is_selected =
            |names: &[String], name: &str| names.is_empty() || names.iter().any(|it| it == name);
        let participants = || participants().filter(|it| is_selected(&self.server, &it.name));
        let sizes = CHUNK_SIZES.into_iter().filter(|size| is_selected(&self.chunk_size, size.0));
        let chunks = sizes.flat_map(|(chunk, bytes)| {
            participants().map(move |it| -> Step {
                let name = format!("{} with chunks of {chunk}", it.name);
                let file_bytes = file_bytes_for(bytes);
                (name, Box::new(move |to| to.measure_chunks(&it, chunk, file_bytes)))
            })
        });
        let clients = NON_READING_CLIENTS.into_iter().filter(|_| !self.skip_non_reading);
        let non_reading = clients.flat_map(|clients| {
            participants().map(move |it| -> Step {
                let name = format!("{} with {clients} non-reading clients", it.name);
                (name, Box::new(move |to| to.measure_non_reading(&it, clients)))
            })
        });
        chunks.chain(non_reading).collect()
    }
}
