//! Implements `measure footprint`, which measures the cost of each server as a process.

use std::env;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use benches::footprint::{Footprints, NonReading, tables, why_no_strace};
use benches::records;
use benches::servers::{Kind, Participant};
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
    /// The names are node, nginx, std, tokio, async-std, smol and mio. The names of the siblings
    /// (all names after nginx) can have the suffix -zero-copy. nginx is measured only if this
    /// option names it, and only with non-reading clients, because it has no chunk size.
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

    /// Non-reading clients
    ///
    /// The numbers of clients are separated by commas. `measure` needs one file descriptor per
    /// client, and a server needs two.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,16,256,1024")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    clients: Vec<u64>,

    /// Receive buffer per client
    ///
    /// A non-reading client requests a receive buffer of this size, and the kernel doubles the
    /// size. With thousands of clients and large buffers, the memory of all sockets exceeds the
    /// kernel's limit, and the kernel shrinks the buffers.
    #[arg(long, value_name = "SIZE", default_value = "16KiB", value_parser = text::positive_bytes)]
    receive_buffer: u64,

    /// File size for non-reading clients
    ///
    /// The size must be larger than the data that the kernel accepts per client. After the
    /// measurement, the clients read the whole file.
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = text::positive_bytes)]
    file_size: u64,

    /// Skip the measurements with chunks
    #[arg(long, conflicts_with_all = ["chunk_size", "skip_non_reading"])]
    skip_chunks: bool,

    /// Skip the measurements with non-reading clients
    #[arg(long, alias = "no-held")]
    skip_non_reading: bool,

    /// File for the values
    ///
    /// The default is target/measure/footprint.json.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Returns all servers that can serve several clients at a time.
fn participants() -> impl Iterator<Item = Participant> {
    Participant::all().into_iter().filter(|it| !matches!(it.kind, Kind::Baseline))
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
    let options = [
        ("job_time_s".to_owned(), args.job_time.as_secs_f64().into()),
        ("receive_buffer_bytes".to_owned(), args.receive_buffer.into()),
        ("non_reading_file_bytes".to_owned(), args.file_size.into()),
    ];
    let options = options.into();
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
        let is_default = |it: &Participant| it.has_chunk_size() || !self.server.is_empty();
        let participants =
            || participants().filter(|it| is_default(it) && is_selected(&self.server, &it.name));
        let sizes = CHUNK_SIZES.into_iter().filter(|size| is_selected(&self.chunk_size, size.0));
        let sizes = sizes.filter(|_| !self.skip_chunks);
        let chunks = sizes.flat_map(|(chunk, bytes)| {
            participants().filter(Participant::has_chunk_size).map(move |it| -> Step {
                let name = format!("{} with chunks of {chunk}", it.name);
                let file_bytes = file_bytes_for(bytes);
                (name, Box::new(move |to| to.measure_chunks(&it, chunk, file_bytes)))
            })
        });
        let clients = self.clients.iter().copied().filter(|_| !self.skip_non_reading);
        let non_reading = clients.flat_map(|clients| {
            let (buffer_bytes, file_bytes) = (self.receive_buffer as usize, self.file_size);
            let amount = NonReading { clients, buffer_bytes, file_bytes };
            participants().map(move |it| -> Step {
                let name = format!("{} with {clients} non-reading clients", it.name);
                (name, Box::new(move |to| to.measure_non_reading(&it, amount)))
            })
        });
        chunks.chain(non_reading).collect()
    }
}
