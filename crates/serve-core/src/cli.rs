//! The command line, the same for every sibling.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueEnum, value_parser};

use crate::approach::Approach;
use crate::config::{CHUNK_BYTES_MAX, Config, LogFormat, Preamble};

/// More threads than any machine has cores for; a million would take the machine down.
const WORKERS_MAX: usize = 1024;

/// The chunk size in zero-copy mode unless one is given, in bytes: 1 MiB. The chunk needs no memory
/// there; it bounds how long one client keeps an executor's thread.
const ZERO_COPY_CHUNK_BYTES: usize = 1 << 20;

const EXAMPLES: &str = "\
Examples:
  {bin}
      a river at http://localhost:4000/, for browsers
  {bin} notes.txt --preamble http
      a file for curl, wget and fetch, too
  {bin} --chunk-size 1 --log-chunks
      watch a file leave byte by byte
  {bin} film.mp4 --zero-copy
      a large file, with the least work (Linux)
  {bin} --host 127.0.0.1 --port 0
      for this machine alone, on any free port

Sizes have a unit or are bytes: 1, 8KiB, 1MiB. Times have a unit: 500ms, 5s, 2m.
Ctrl-C lets clients finish; a second one does not.";

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Request {
    /// To serve.
    Serve(Config),
    /// To print this, which is all: the help, or the version.
    Print(String),
}

/// Reads a command line, its first word the program's name.
///
/// # Errors
///
/// One line that says what is wrong, and the mend.
pub(crate) fn parse(
    approach: &Approach,
    clients_max: usize,
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Request, String> {
    let default_clients = approach.max_connections.min(clients_max);
    match command(approach, default_clients).try_get_matches_from(args) {
        Ok(matches) => config(&matches, default_clients).map(Request::Serve),
        Err(error) if error.exit_code() == 0 => Ok(Request::Print(error.render().to_string())),
        Err(error) => Err(one_line(&error.render().to_string())),
    }
}

fn command(approach: &Approach, default_clients: usize) -> Command {
    let name = format!("serve-{}", approach.name);
    Command::new(name.clone())
        .version(env!("CARGO_PKG_VERSION"))
        .about(format!("Sends a file to whoever connects.\n{}", approach.summary))
        .after_help(EXAMPLES.replace("{bin}", &name))
        .arg(
            Arg::new("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The file to serve, opened anew for every client [default: a river]"),
        )
        .args(address_args())
        .args(sending_args())
        .args(limit_args(approach, default_clients))
        .args(log_args())
}

fn address_args() -> [Arg; 2] {
    [
        option("host", "HOST", "Where to listen; 127.0.0.1: this machine alone\n")
            .default_value("0.0.0.0"),
        option("port", "PORT", "The port to listen on; 0 picks a free one\n")
            .default_value("4000")
            .value_parser(value_parser!(u16)),
    ]
}

fn sending_args() -> [Arg; 3] {
    [
        option(
            "chunk-size",
            "SIZE",
            "Bytes read, then written, at a time [default:\n64KiB; with --zero-copy 1MiB]",
        )
        .visible_alias("high-water-mark")
        .value_parser(chunk_bytes),
        switch(
            "zero-copy",
            "The kernel copies (sendfile), a chunk at most at a\ntime; on Linux only",
        ),
        option(
            "preamble",
            "KIND",
            "What goes before the file: bare, http (which\ncurl and its like need) or none",
        )
        .default_value("bare")
        .hide_possible_values(true)
        .value_parser(value_parser!(Preamble)),
    ]
}

fn limit_args(approach: &Approach, default_clients: usize) -> [Arg; 5] {
    let workers = if approach.has_workers {
        "Executor threads [default: one a core]"
    } else {
        "None here: each client has threads of its own,\nso this changes nothing"
    };
    let clients = "Clients at once; at the cap nobody is accepted\nuntil one ends";
    [
        option("workers", "N", workers).value_parser(workers_count),
        option("max-connections", "N", format!("{clients} [default: {default_clients}]"))
            .value_parser(at_least_one),
        option("stall-timeout", "TIME", "Cut off a client that acknowledges no byte for\nso long")
            .default_value("30s")
            .value_parser(positive_duration),
        option("linger-timeout", "TIME", "How long to wait, after the file, for the\nclient's end")
            .default_value("5s")
            .value_parser(duration),
        option("grace", "TIME", "How long a shutdown waits for clients\n")
            .default_value("5s")
            .value_parser(duration),
    ]
}

fn log_args() -> [Arg; 2] {
    [
        option(
            "log",
            "FORMAT",
            "How events are written to stdout: text, json\n(one object a line) or off",
        )
        .default_value("text")
        .hide_possible_values(true)
        .value_parser(value_parser!(LogFormat)),
        switch("log-chunks", "Write an event for every chunk, too"),
    ]
}

/// The help has its own line ends, for 80 columns: a width that clap could wrap at would cost a first
/// build two seconds.
fn option(name: &'static str, value: &'static str, help: impl Into<String>) -> Arg {
    let arg = Arg::new(name).long(name).value_name(value).help(help.into());
    // So that the error for -3 speaks of the value.
    arg.allow_negative_numbers(true)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn config(matches: &ArgMatches, default_clients: usize) -> Result<Config, String> {
    let mut config = Config::new(taken(matches, "FILE").unwrap_or_else(river));
    config.zero_copy = matches.get_flag("zero-copy");
    if config.zero_copy {
        if !cfg!(target_os = "linux") {
            let mend = "leave it out, and the file is copied chunk by chunk";
            return Err(format!("--zero-copy is for Linux only: {mend}"));
        }
        config.chunk_bytes = ZERO_COPY_CHUNK_BYTES;
    }
    config.max_connections = default_clients;
    let set = &mut config;
    take_into(matches, "host", &mut set.host);
    take_into(matches, "port", &mut set.port);
    take_into(matches, "chunk-size", &mut set.chunk_bytes);
    take_into(matches, "preamble", &mut set.preamble);
    take_into(matches, "workers", &mut set.workers);
    take_into(matches, "max-connections", &mut set.max_connections);
    take_into(matches, "stall-timeout", &mut set.stall_timeout);
    take_into(matches, "linger-timeout", &mut set.linger_timeout);
    take_into(matches, "grace", &mut set.grace);
    take_into(matches, "log", &mut set.log);
    config.log_chunks = matches.get_flag("log-chunks");
    Ok(config)
}

fn taken<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Option<T> {
    matches.get_one::<T>(name).cloned()
}

fn take_into<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str, to: &mut T) {
    if let Some(value) = taken(matches, name) {
        *to = value;
    }
}

/// The picture that the kit comes with, wherever the program is started.
fn river() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = crate_folder.ancestors().nth(2).unwrap_or(crate_folder);
    root.join("assets").join("river.webp")
}

fn chunk_bytes(text: &str) -> Result<usize, String> {
    let mend = "a size is a number from 1 up, of bytes or with a unit: 1, 8KiB, 1MiB";
    let size: ByteSize = text.trim().parse().map_err(|_| mend.to_owned())?;
    match size.as_u64() {
        0 => Err(mend.to_owned()),
        bytes if bytes > CHUNK_BYTES_MAX => Err("the most is 1GiB".to_owned()),
        bytes => usize::try_from(bytes).map_err(|error| error.to_string()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let mend = "a time is a number with a unit: 500ms, 5s, 2m";
    humantime::parse_duration(text).map_err(|_| mend.to_owned())
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        // Nobody looks at a client more often.
        short if short < Duration::from_millis(1) => Err("the least is 1ms".to_owned()),
        time => Ok(time),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a whole number from 1 up".to_owned()),
        Ok(count) => Ok(count),
    }
}

fn workers_count(text: &str) -> Result<usize, String> {
    match at_least_one(text)? {
        count if count > WORKERS_MAX => Err(format!("the most is {WORKERS_MAX}")),
        count => Ok(count),
    }
}

impl ValueEnum for Preamble {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Bare, Self::Http, Self::None]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Bare => "bare",
            Self::Http => "http",
            Self::None => "none",
        }))
    }
}

impl ValueEnum for LogFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json, Self::Off]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Off => "off",
        }))
    }
}

/// clap's words without their layout: the error, its possible values and its tips.
fn one_line(report: &str) -> String {
    let lines = report.lines().map(str::trim).filter(|line| {
        !line.is_empty() && !line.starts_with("Usage:") && !line.starts_with("For more information")
    });
    let line = lines.collect::<Vec<_>>().join(" ");
    format!("{} (--help lists all flags)", line.trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approach::TEST;

    fn parsed(args: &[&str]) -> Result<Config, String> {
        let args = ["serve-test"].iter().chain(args);
        match parse(&TEST, 10_000, args)? {
            Request::Serve(config) => Ok(config),
            Request::Print(text) => panic!("printed: {text}"),
        }
    }

    #[test]
    fn the_defaults_are_the_designs() {
        let config = parsed(&[]).unwrap();
        assert!(config.file.ends_with("assets/river.webp"), "{:?}", config.file);
        assert_eq!((config.host.as_str(), config.port), ("0.0.0.0", 4000));
        assert_eq!(config.chunk_bytes, 65_536);
        assert_eq!(config.preamble, Preamble::Bare);
        assert_eq!(config.max_connections, 2000);
        assert_eq!(config.stall_timeout, Duration::from_secs(30));
        assert_eq!(config.linger_timeout, Duration::from_secs(5));
        assert_eq!(config.grace, Duration::from_secs(5));
        assert_eq!((config.log, config.log_chunks), (LogFormat::Text, false));
    }

    #[test]
    fn few_descriptors_lower_the_default_cap_but_not_a_wish() {
        let parse = |args: &[&str]| match parse(&TEST, 6, args).unwrap() {
            Request::Serve(config) => config.max_connections,
            Request::Print(text) => panic!("printed: {text}"),
        };
        assert_eq!(parse(&["serve-test"]), 6);
        assert_eq!(parse(&["serve-test", "--max-connections", "50"]), 50);
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        let bytes = |text: &str| parsed(&["--chunk-size", text]).map(|config| config.chunk_bytes);
        assert_eq!(bytes("1"), Ok(1));
        assert_eq!(bytes("8KiB"), Ok(8 << 10));
        assert_eq!(bytes("8 kib"), Ok(8 << 10));
        assert_eq!(bytes("64KB"), Ok(64_000));
        assert_eq!(bytes("1MiB"), Ok(1 << 20));
        assert_eq!(bytes("1GiB"), Ok(1 << 30));
        for wrong in ["0", "banana", "", "1.5.2KiB", "KiB", "2GiB", "99999999999999999999"] {
            let error = bytes(wrong).unwrap_err();
            assert!(error.contains("--chunk-size <SIZE>"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
        let alias = parsed(&["--high-water-mark", "1"]).unwrap();
        assert_eq!(alias.chunk_bytes, 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn zero_copy_has_larger_chunks_unless_told() {
        let chunk =
            |args: &[&str]| parsed(args).map(|config| (config.zero_copy, config.chunk_bytes));
        assert_eq!(chunk(&[]), Ok((false, 64 << 10)));
        assert_eq!(chunk(&["--zero-copy"]), Ok((true, 1 << 20)));
        assert_eq!(chunk(&["--zero-copy", "--chunk-size", "1"]), Ok((true, 1)));
    }

    #[cfg(not(target_os = "linux"))]
    #[test]
    fn zero_copy_is_for_linux() {
        assert!(parsed(&["--zero-copy"]).unwrap_err().contains("leave it out"));
    }

    #[test]
    fn times_have_a_unit() {
        let grace = |text: &str| parsed(&["--grace", text]).map(|config| config.grace);
        assert_eq!(grace("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(grace("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(grace("0s"), Ok(Duration::ZERO));
        assert!(grace("5").unwrap_err().contains("500ms, 5s, 2m"));
        assert!(parsed(&["--stall-timeout", "0s"]).is_err());
    }

    #[test]
    fn errors_are_one_line_with_the_mend() {
        for (args, part) in [
            (&["--port", "99999"][..], "0..=65535"),
            (&["--preamble", "htp"], "bare, http, none"),
            (&["--prot", "1"], "--port"),
            (&["--workers", "0"], "from 1 up"),
            (&["--workers", "5000"], "1024"),
            (&["--max-connections", "-3"], "--max-connections"),
            (&["a", "b"], "'b'"),
        ] {
            let error = parsed(args).unwrap_err();
            assert!(error.contains(part), "{args:?}: {error}");
            assert!(!error.contains('\n'), "{args:?}: {error}");
        }
    }

    #[test]
    fn help_and_version_are_printed() {
        for (flag, part) in [("--help", "--high-water-mark"), ("--version", "serve-test 0.")] {
            match parse(&TEST, 1, ["serve-test", flag]) {
                Ok(Request::Print(text)) => assert!(text.contains(part), "{text}"),
                other => panic!("{flag}: {other:?}"),
            }
        }
    }
}
