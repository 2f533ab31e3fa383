//! `load`: loads a server, and looks closely at what it gets.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use benches::load::{Amount, Expected, Hold, Job, Plan, PreambleKind, Report, descriptors};
use benches::units;
use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueEnum, value_parser};
use indicatif::{ProgressBar, ProgressStyle};

const EXAMPLES: &str = r#"Examples:
  load localhost:4000 --expect assets/river.webp
      one client, and whether it gets the river whole
  load localhost:4000 --total 10000 --connections 16 --expect assets/river.webp
      16 at once, as fast as the server can
  load localhost:4000 --rate 500 --duration 10s
      500 new ones a second, whether or not the server keeps up; latency counts
      from when a client was due, so that waiting in line is seen
  load localhost:4000 --connections 5000 --hold 10s --max-segment 536
      5,000 clients who read nothing for 10 s, then all
  load localhost:4000 --connections 100 --slow 20KiB
      a hundred slow readers
  load localhost:4000 --total 1000 --connections 50 --reset-after 64KiB
      clients who vanish in the middle
  load localhost:4000 --discard --expect big.bin
      what the server itself can do: the client copies nothing

Sizes have a unit or are bytes: 536, 64KiB, 1GiB. Times: 500ms, 5s, 2m.
Exit code: 0 all was right, 1 something was wrong, 2 it could not run."#;

/// Something was wrong with a connection.
const EXIT_WRONG: u8 = 1;
/// It could not run.
const EXIT_UNABLE: u8 = 2;

const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    match load(&command().get_matches()) {
        Ok(report) if report.wrong_count() == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(EXIT_WRONG),
        Err(message) => {
            let _ = writeln!(io::stderr(), "load: {message} (--help lists all flags)");
            ExitCode::from(EXIT_UNABLE)
        }
    }
}

fn command() -> Command {
    Command::new("load")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Loads a server, and looks closely at what it gets")
        .after_help(EXAMPLES)
        .arg(
            Arg::new("server")
                .value_name("HOST:PORT")
                .required(true)
                .value_parser(address)
                .help("The server"),
        )
        .args(amount_args())
        .args(behaviour_args())
        .args(socket_args())
        .args(reply_args())
        .arg(switch("json", "The report as one JSON object"))
}

fn amount_args() -> [Arg; 5] {
    [
        option(
            "connections",
            "N",
            "Connections at once [default: 1; with --rate:\nas many as it takes]",
        )
        .value_parser(units::at_least_one),
        option("total", "N", "Connections in all [default: as many as at once]")
            .value_parser(units::at_least_one)
            .conflicts_with_all(["duration", "hold"]),
        option(
            "duration",
            "TIME",
            "Begin new ones until so long after the start, and\nfinish those",
        )
        .value_parser(units::time)
        .conflicts_with("hold"),
        option("rate", "N", "Begin so many a second, however fast the server\nis")
            .value_parser(value_parser!(f64)),
        option("threads", "N", "Event loops, each with its share of connections\n")
            .default_value("1")
            .value_parser(units::at_least_one),
    ]
}

fn behaviour_args() -> [Arg; 4] {
    [
        option("hold", "TIME", "Connect all, and read nothing until so long after\nthe last was answered; then read to the end")
            .value_parser(units::time),
        option("slow", "SIZE", "The most that each client takes in a second")
            .value_parser(units::positive_bytes),
        option("reset-after", "SIZE", "Reset each connection when so much was taken;\n0: as soon as it is connected")
            .value_parser(units::bytes),
        option("timeout", "TIME", "How long a connection may be without any byte\n")
            .default_value("30s")
            .value_parser(units::time),
    ]
}

fn socket_args() -> [Arg; 4] {
    [
        option("source", "IP", "The address of this machine that clients come\nfrom")
            .value_parser(value_parser!(IpAddr)),
        option("receive-buffer", "SIZE", "The kernel's buffer for what is unread\n(SO_RCVBUF); larger when a hold is over")
            .value_parser(units::positive_bytes),
        option(
            "max-segment",
            "SIZE",
            "The largest TCP segment. Within one machine they\nare of 64 KiB, and the kernel takes megabytes for\n\
             a client that reads nothing; 536 is a network's",
        )
        .value_parser(value_parser!(u32).range(88..=32_767)),
        switch(
            "discard",
            "Let the kernel throw the bytes away (MSG_TRUNC,\nLinux): lengths are verified, hashes are not",
        ),
    ]
}

fn reply_args() -> [Arg; 3] {
    [
        option(
            "request",
            "TEXT",
            "What each client says first; may be empty; knows\n\\r \\n \\t \\\\ \\xNN [default: GET / HTTP/1.0 and an\nempty line]",
        )
        .value_parser(units::unescaped),
        option("expect", "FILE", "What each should get after the preamble: length\nand hash are verified")
            .value_parser(value_parser!(PathBuf)),
        option(
            "preamble",
            "KIND",
            "How replies begin: bare (HTTP/1.1 and two line\nends), http (a header), none, or auto: bare or\nhttp, whichever comes",
        )
        .default_value("auto")
        .hide_possible_values(true)
        .value_parser(value_parser!(Kind)),
    ]
}

/// The help has its own line ends, for 80 columns.
fn option(name: &'static str, value: &'static str, help: impl Into<String>) -> Arg {
    let arg = Arg::new(name).long(name).value_name(value).help(help.into());
    // So that the error for -3 speaks of the value.
    arg.allow_negative_numbers(true)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// The preamble's kind, as the command line names it.
#[derive(Clone, Copy, Debug)]
struct Kind(PreambleKind);

impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Self] {
        use PreambleKind::{Auto, Bare, Http, None};
        &[Self(Auto), Self(Bare), Self(Http), Self(None)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self.0 {
            PreambleKind::Auto => "auto",
            PreambleKind::Bare => "bare",
            PreambleKind::Http => "http",
            PreambleKind::None => "none",
        }))
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let help = "name host and port: localhost:4000";
    let found = text.to_socket_addrs().map_err(|error| format!("{error}; {help}"))?;
    let addresses: Vec<SocketAddr> = found.collect();
    // A name may have both, and the kit's servers listen on version 4 unless told otherwise.
    let first = addresses.iter().find(|addr| addr.is_ipv4()).or(addresses.first());
    first.copied().ok_or_else(|| format!("it has no address; {help}"))
}

fn load(matches: &ArgMatches) -> Result<Report, String> {
    let plan = plan(matches)?;
    let bar = progress_bar(&plan)?;
    let job = Job::new(plan)?;
    let report = watched(&job, &bar)?;
    if matches.get_flag("json") {
        let json = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        print(format!("{json}\n"));
    } else {
        print(&report);
    }
    Ok(report)
}

fn plan(matches: &ArgMatches) -> Result<Plan, String> {
    let addr = *matches.get_one::<SocketAddr>("server").ok_or("name a server")?;
    let number = |name: &str| matches.get_one::<u64>(name).copied();
    let time = |name: &str| matches.get_one::<Duration>(name).copied();
    let rate_per_s = matches.get_one::<f64>("rate").copied();
    let hold = time("hold");
    let connections = match number("connections") {
        Some(connections) => connections,
        None if rate_per_s.is_some() && hold.is_none() => descriptors(),
        None => 1,
    };
    let amount = match (number("total"), time("duration")) {
        (Some(total), _) => Amount::Total(total),
        (_, Some(duration)) => Amount::During(duration),
        (None, None) if number("connections").is_none() && rate_per_s.is_some() => {
            return Err("--rate wants an end: say --total N or --duration TIME".to_owned());
        }
        (None, None) => Amount::Total(connections),
    };
    let is_discarding = matches.get_flag("discard");
    let mut plan = Plan::new(addr).with_connections(1, connections);
    plan.amount = amount;
    plan.rate_per_s = rate_per_s;
    plan.hold = hold.map(Hold::For);
    plan.slow_bytes_per_s = number("slow");
    plan.reset_after_bytes = number("reset-after");
    plan.source = matches.get_one::<IpAddr>("source").copied();
    plan.receive_buffer_bytes = number("receive-buffer").map(|bytes| bytes as usize);
    plan.max_segment_bytes = matches.get_one::<u32>("max-segment").copied();
    if let Some(request) = matches.get_one::<Vec<u8>>("request") {
        plan.request.clone_from(request);
    }
    plan.expected = match matches.get_one::<PathBuf>("expect") {
        Some(path) => Some(expected(path, is_discarding)?),
        None => None,
    };
    plan.preamble = matches.get_one::<Kind>("preamble").map_or(PreambleKind::Auto, |kind| kind.0);
    plan.is_discarding = is_discarding;
    plan.timeout = time("timeout").unwrap_or(benches::load::DEFAULT_TIMEOUT);
    plan.threads = number("threads").map_or(1, |threads| threads as usize);
    Ok(plan)
}

fn expected(path: &Path, is_discarding: bool) -> Result<Expected, String> {
    let expected = match is_discarding {
        false => Expected::of_file(path),
        // Nothing would be compared with the hash.
        true => std::fs::metadata(path).map(|file| Expected { bytes: file.len(), xxh3: None }),
    };
    expected.map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// One that is drawn on stderr, where that is a terminal.
fn progress_bar(plan: &Plan) -> Result<ProgressBar, String> {
    if !io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let (bar, template) = match plan.amount {
        Amount::Total(total) => (ProgressBar::new(total), "{bar:30} {pos}/{len} {elapsed} {msg}"),
        Amount::During(_) => (ProgressBar::new_spinner(), "{spinner} {pos} {elapsed} {msg}"),
    };
    let style = ProgressStyle::with_template(template).map_err(|error| error.to_string())?;
    Ok(bar.with_style(style))
}

/// Runs a job, and draws how far it is.
fn watched(job: &Job, bar: &ProgressBar) -> Result<Report, String> {
    thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        scope.spawn(move || {
            while is_done.recv_timeout(PROGRESS_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let (ended, bytes) = job.progress();
                bar.set_position(ended);
                let held = match job.held() {
                    0 => String::new(),
                    held => format!(", {held} held"),
                };
                bar.set_message(format!("{:.2} GB{held}", bytes as f64 / 1e9));
            }
            bar.finish_and_clear();
        });
        let report = job.run();
        drop(done);
        report
    })
}

/// Prints to stdout, which may be closed.
fn print(text: impl Display) {
    let mut stdout = io::stdout().lock();
    let _ = write!(stdout, "{text}").and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(args: &str) -> Result<Plan, String> {
        let args = ["load", "127.0.0.1:1"].into_iter().chain(args.split_whitespace());
        let matches = command().try_get_matches_from(args).map_err(|error| error.to_string())?;
        plan(&matches)
    }

    #[test]
    fn flags_become_a_plan() {
        let one = planned("").unwrap();
        assert_eq!((one.connections, one.amount), (1, Amount::Total(1)));
        assert_eq!(one.request, b"GET / HTTP/1.0\r\n\r\n");
        let many = planned("--connections 16 --total 100 --timeout 2s --threads 2").unwrap();
        assert_eq!((many.connections, many.amount), (16, Amount::Total(100)));
        assert_eq!((many.timeout, many.threads), (Duration::from_secs(2), 2));
        let held = planned("--connections 16 --hold 1s --max-segment 536").unwrap();
        assert_eq!(
            (held.hold, held.amount),
            (Some(Hold::For(Duration::from_secs(1))), Amount::Total(16))
        );
        let rated = planned("--rate 500 --duration 2s").unwrap();
        assert!(rated.connections > 100);
        assert_eq!(rated.amount, Amount::During(Duration::from_secs(2)));
        assert_eq!(planned("--request \\x41\\r\\n").unwrap().request, b"A\r\n");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (args, part) in [
            ("--rate 5", "--total N or --duration TIME"),
            ("--total 5 --hold 1s", "--hold"),
            ("--connections 0", "from 1 up"),
            ("--slow 0", "the minimum is 1"),
            ("--timeout 5", "500ms"),
            ("--request \\q", "after \\"),
            ("--expect /no/such/file", "cannot be read"),
            ("--max-segment 5", "88"),
        ] {
            let error = planned(args).map(|_| ()).unwrap_err();
            assert!(error.contains(part), "{args}: {error}");
        }
    }

    #[test]
    fn the_help_fits_into_80_columns() {
        let help = command().render_help().to_string();
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
