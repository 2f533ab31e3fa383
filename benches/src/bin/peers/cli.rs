//! The command line.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use benches::units;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::measures::{self, Measure, Sizes};
use crate::peer::{self, Peer};
use crate::race::{self, Options};
use crate::record::Record;

const EXAMPLES: &str = "\
Examples:
  peers
      everything: each of the kit's servers (copying, and with --zero-copy),
      nginx, the note's Node server, and a floor; writes a record
  peers --measure river --server tokio-zero-copy,nginx --rounds 3 --no-record
      a quick look while tuning
  peers --measure large --server tokio --no-record \\
      --server-cmd old='/tmp/old/serve-tokio {file} --port {port} --log json'
      two builds of one server in one race

Measures:
  large  one client takes 1 GiB: bytes for each second, and each CPU-second
  river  16 clients at once take the river: the same in connections
  bytes  100 kB, one byte at a time: seconds
  held   9,900 clients who read nothing: memory for each, and how a fresh client
         fares meanwhile
  log    what it costs to log

Servers are started anew for every measurement, in turns, round after round.
Ratios are taken within a round. Those who cannot take part are named.
Exit code: 0 all was measured, 1 something failed, 2 it could not run.";

/// Something could not be measured.
const EXIT_FAILED: u8 = 1;

pub fn main() -> ExitCode {
    match main_or_message(&command().get_matches()) {
        Ok(record) if record.failures.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(EXIT_FAILED),
        Err(message) => {
            let _ = writeln!(io::stderr(), "peers: {message}");
            ExitCode::from(crate::EXIT_UNABLE)
        }
    }
}

fn command() -> Command {
    Command::new("peers")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Lets the kit's servers race against nginx, Node, and each other")
        .after_help(EXAMPLES)
        .args(what_args())
        .args(size_args())
        .args(record_args())
}

fn what_args() -> [Arg; 4] {
    let measures = measures::ALL.map(Measure::name);
    let servers: Vec<String> = peer::known().into_iter().map(|peer| peer.name).collect();
    let list = servers
        .join(" ")
        .replace("zero-copy async", "zero-copy\nasync")
        .replace("copy smol ", "copy\nsmol ");
    [
        option("measure", "NAMES", "What to measure, with commas between [default:\nall]")
            .value_delimiter(',')
            .value_parser(PossibleValuesParser::new(measures))
            .hide_possible_values(true),
        option("server", "NAMES", format!("Who takes part, with commas between [default:\nall]: {list}"))
            .value_delimiter(',')
            .value_parser(PossibleValuesParser::new(servers))
            .hide_possible_values(true),
        option(
            "server-cmd",
            "NAME=CMD",
            "One more, from elsewhere; CMD has {file} and\n{port}, perhaps {chunk}; may be given several\ntimes",
        )
        .action(ArgAction::Append)
        .value_parser(Peer::of_command),
        option("rounds", "N", "How many times\n")
            .default_value("7")
            .value_parser(units::at_least_one),
    ]
}

fn size_args() -> [Arg; 4] {
    [
        option("large-size", "SIZE", "The large file\n")
            .default_value("1GiB")
            .value_parser(units::positive_bytes),
        option("river-clients", "N", "How many take the river at once\n")
            .default_value("16")
            .value_parser(units::at_least_one),
        option("held-clients", "N", "How many are held (std: 2000 at most)\n")
            .default_value("9900")
            .value_parser(units::at_least_one),
        option("job-time", "TIME", "How long a timed job takes, about\n")
            .default_value("1s")
            .value_parser(units::time),
    ]
}

fn record_args() -> [Arg; 3] {
    [
        option(
            "record",
            "DIR",
            "Where peers.json and peers.md go\n[default: benches/records/DATE-MACHINE]",
        )
        .value_parser(value_parser!(PathBuf)),
        Arg::new("no-record")
            .long("no-record")
            .action(ArgAction::SetTrue)
            .conflicts_with("record")
            .help("Write no record: to try something out"),
        option("machine", "NAME", "What the machine is called in the record's folder\n")
            .default_value("linux-2-cores"),
    ]
}

/// The help has its own line ends, for 80 columns.
fn option(name: &'static str, value: &'static str, help: impl Into<String>) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help.into()).allow_negative_numbers(true)
}

fn main_or_message(matches: &ArgMatches) -> Result<Record, String> {
    let record = race::run(options(matches))?;
    print(&record.to_text());
    if !matches.get_flag("no-record") {
        let folder = record_folder(matches);
        let written = record.write(&folder);
        let path =
            written.map_err(|error| format!("cannot write {}: {error}", folder.display()))?;
        print(&format!("recorded: {}\n", path.display()));
    }
    Ok(record)
}

fn options(matches: &ArgMatches) -> Options {
    let number = |name: &str| matches.get_one::<u64>(name).copied().unwrap_or(1);
    let names = |name: &str| -> Vec<String> {
        matches.get_many(name).unwrap_or_default().cloned().collect()
    };
    let (measures, servers) = (names("measure"), names("server"));
    let is_chosen = |list: &[String], name: &str| list.is_empty() || list.iter().any(|n| n == name);
    let mut peers = peer::known();
    peers.retain(|peer| is_chosen(&servers, &peer.name));
    peers.extend(matches.get_many("server-cmd").unwrap_or_default().cloned());
    let mut chosen = measures::ALL.to_vec();
    chosen.retain(|measure| is_chosen(&measures, measure.name()));
    Options {
        measures: chosen,
        peers,
        rounds: number("rounds") as usize,
        sizes: Sizes {
            large_bytes: number("large-size"),
            river_clients: number("river-clients"),
            held_clients: number("held-clients"),
            job_time: matches.get_one::<Duration>("job-time").copied().unwrap_or(Duration::ZERO),
        },
    }
}

fn record_folder(matches: &ArgMatches) -> PathBuf {
    if let Some(folder) = matches.get_one::<PathBuf>("record") {
        return folder.clone();
    }
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let date = now.split('T').next().unwrap_or_default();
    let machine = matches.get_one::<String>("machine").map_or("", String::as_str);
    Path::new(env!("CARGO_MANIFEST_DIR")).join("records").join(format!("{date}-{machine}"))
}

/// Prints to stdout, which may be closed.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &str) -> Result<Options, String> {
        let args = ["peers"].into_iter().chain(args.split_whitespace());
        let matches = command().try_get_matches_from(args).map_err(|error| error.to_string())?;
        Ok(options(&matches))
    }

    #[test]
    fn by_default_all_take_part_in_all() {
        let options = parsed("").unwrap();
        assert_eq!((options.measures.len(), options.peers.len(), options.rounds), (5, 11, 7));
        assert_eq!(options.sizes.large_bytes, 1 << 30);
        assert_eq!(options.sizes.held_clients, 9_900);
    }

    #[test]
    fn some_can_be_chosen() {
        let options = parsed(
            "--measure river,large --server nginx,tokio-zero-copy --rounds 3 \
             --server-cmd old={file}:{port}",
        );
        let options = options.unwrap();
        assert_eq!(options.measures, [Measure::Large, Measure::River]);
        let names: Vec<&str> = options.peers.iter().map(|peer| peer.name.as_str()).collect();
        assert_eq!(names, ["tokio-zero-copy", "nginx", "old"]);
        assert!(parsed("--server apache").is_err());
        assert!(parsed("--measure rivers").is_err());
        assert!(parsed("--server-cmd old=x").is_err());
    }

    #[test]
    fn the_help_fits_into_80_columns() {
        let help = command().render_help().to_string();
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
