//! The command line, which is the same for all siblings.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::approach::Approach;
use crate::config::{CHUNK_BYTES_MAX, Config, LogFormat, Preamble};
use crate::limits::Resources;

/// The maximum value of `--workers`, which exceeds the number of cores of common machines. Without
/// a maximum, a typing error could start a million threads.
const WORKERS_MAX: usize = 1024;

/// The minimum value of `--stall-timeout`, because the server checks a connection at most once per
/// millisecond.
const STALL_TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// The default chunk size in zero-copy mode, in bytes (1 MiB). In this mode, a chunk needs no
/// buffer. One `sendfile` call copies at most this number of bytes.
const ZERO_COPY_CHUNK_BYTES: usize = 1 << 20;

const EXAMPLES: &str = "\
Examples:
  {bin}
      Serve a picture to browsers at http://localhost:4000/
  {bin} notes.txt --preamble http
      Serve a file to all HTTP clients, such as curl, wget and fetch
  {bin} --chunk-size 1 --log-chunks
      Send the picture byte by byte, and log each write
  {bin} film.mp4 --zero-copy
      Serve a large file with little CPU time (Linux only)
  {bin} --host 127.0.0.1 --port 0
      Accept only local clients, on a free port

A SIZE is in bytes or has a unit: 1, 8KiB, 1MiB. A TIME has a unit: 500ms, 5s.
After the first Ctrl-C, connected clients can finish within the --grace time.
After a second Ctrl-C, the server exits immediately.";

/// The action that a command line requests.
#[derive(Debug)]
pub(crate) enum Request {
    /// Serve a file.
    Serve(Config),
    /// Print this text (the help or the version), and exit.
    Print(String),
}

/// Parses a command line, whose first argument is the program's name. The resources limit the
/// default of `--max-connections`.
///
/// # Errors
///
/// Returns a message of two lines, which contain the error and the help.
pub(crate) fn parse(
    approach: &Approach,
    resources: &Resources,
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Request, String> {
    match command(approach).try_get_matches_from(args) {
        Ok(matches) => {
            let mut config = config(&matches)?;
            config.max_connections = value_of(&matches, "max-connections")
                .unwrap_or_else(|| resources.default_connections(approach, &config));
            Ok(Request::Serve(config))
        }
        Err(error) if error.exit_code() == 0 => Ok(Request::Print(error.render().to_string())),
        Err(error) => Err(error_and_help(&error.render().to_string())),
    }
}

fn command(approach: &Approach) -> Command {
    let name = format!("serve-{}", approach.name);
    Command::new(name.clone())
        .version(env!("CARGO_PKG_VERSION"))
        .about(format!("Send a file to every client that connects\nApproach: {}", approach.summary))
        .after_help(EXAMPLES.replace("{bin}", &name))
        .arg(
            Arg::new("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("File to serve; opened for each client [default: assets/river.webp]"),
        )
        .args(reply_args())
        .args(limit_args(approach))
        .args(log_args())
}

fn reply_args() -> [Arg; 5] {
    [
        option("host", "HOST", "Address to listen on; use 127.0.0.1 to accept\nonly local clients")
            .default_value("0.0.0.0"),
        option("port", "PORT", "Port to listen on; 0 lets the system select a\nfree port")
            .default_value("4000")
            .value_parser(value_parser!(u16)),
        option(
            "chunk-size",
            "SIZE",
            "Number of bytes to read and then write at a time,\nat most 1GiB\n\
            [default: 64KiB, with --zero-copy 1MiB]\n",
        )
        .visible_alias("high-water-mark")
        .value_parser(chunk_bytes),
        switch(
            "zero-copy",
            "Copy in the kernel (sendfile), at most one chunk\nper call; Linux only",
        ),
        option(
            "preamble",
            "KIND",
            "Bytes before the file: bare, http (for curl and\nother HTTP clients) or none",
        )
        .default_value("bare")
        .hide_possible_values(true)
        .value_parser(one_of([
            ("bare", Preamble::Bare),
            ("http", Preamble::Http),
            ("none", Preamble::None),
        ])),
    ]
}

fn limit_args(approach: &Approach) -> [Arg; 5] {
    let workers = if approach.has_workers {
        "Number of worker threads [default: one per core]"
    } else {
        "No effect: each connection has its own threads"
    };
    let connections = format!(
        "Maximum number of open connections; at the limit,\n\
        further clients wait in the accept queue\n\
        [default: {}, or fewer if memory or\n\
        file descriptors do not suffice]",
        approach.max_connections
    );
    [
        option("workers", "N", workers).value_parser(|text: &str| count(text, WORKERS_MAX)),
        option("max-connections", "N", connections)
            .value_parser(|text: &str| count(text, usize::MAX)),
        option(
            "stall-timeout",
            "TIME",
            "Disconnect a client that acknowledges no data for\nthis long",
        )
        .default_value("30s")
        .value_parser(|text: &str| duration(text, STALL_TIMEOUT_MIN)),
        option(
            "linger-timeout",
            "TIME",
            "Maximum time to wait for a client's FIN after the\nclient has acknowledged the reply",
        )
        .default_value("5s")
        .value_parser(|text: &str| duration(text, Duration::ZERO)),
        option("grace", "TIME", "Maximum time that a shutdown waits for open\nconnections")
            .default_value("5s")
            .value_parser(|text: &str| duration(text, Duration::ZERO)),
    ]
}

fn log_args() -> [Arg; 2] {
    [
        option(
            "log",
            "FORMAT",
            "Format of the events on stdout: text, json (one\nobject per line) or off",
        )
        .default_value("text")
        .hide_possible_values(true)
        .value_parser(one_of([
            ("text", LogFormat::Text),
            ("json", LogFormat::Json),
            ("off", LogFormat::Off),
        ])),
        switch("log-chunks", "Also log an event for each chunk"),
    ]
}

/// Returns an option with a value. The help texts contain line breaks for 80 columns, because
/// clap's feature `wrap_help` would make the first build two seconds longer.
fn option(name: &'static str, value: &'static str, help: impl Into<String>) -> Arg {
    let arg = Arg::new(name).long(name).value_name(value).help(help.into());
    // With this setting, the error for a value such as `-3` contains the option and the value.
    arg.allow_negative_numbers(true)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn config(matches: &ArgMatches) -> Result<Config, String> {
    let zero_copy = matches.get_flag("zero-copy");
    if zero_copy && !cfg!(target_os = "linux") {
        let help = "omit the flag to copy the file through a buffer";
        return Err(format!("`--zero-copy` requires Linux\nhelp: {help}"));
    }
    let default = Config::new(value_of(matches, "FILE").unwrap_or_else(default_file));
    let default_chunk_bytes = if zero_copy { ZERO_COPY_CHUNK_BYTES } else { default.chunk_bytes };
    Ok(Config {
        file: default.file,
        host: value_of(matches, "host").unwrap_or(default.host),
        port: value_of(matches, "port").unwrap_or(default.port),
        chunk_bytes: value_of(matches, "chunk-size").unwrap_or(default_chunk_bytes),
        zero_copy,
        preamble: value_of(matches, "preamble").unwrap_or(default.preamble),
        workers: value_of(matches, "workers").unwrap_or(default.workers),
        max_connections: default.max_connections,
        stall_timeout: value_of(matches, "stall-timeout").unwrap_or(default.stall_timeout),
        linger_timeout: value_of(matches, "linger-timeout").unwrap_or(default.linger_timeout),
        grace: value_of(matches, "grace").unwrap_or(default.grace),
        log: value_of(matches, "log").unwrap_or(default.log),
        log_chunks: matches.get_flag("log-chunks"),
    })
}

fn value_of<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Option<T> {
    matches.get_one(name).cloned()
}

/// Returns the path of the picture in this repository. The path is absolute and is determined at
/// build time, so that the program finds the picture from any working directory.
fn default_file() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = crate_folder.ancestors().nth(2).unwrap_or(crate_folder);
    root.join("assets").join("river.webp")
}

fn chunk_bytes(text: &str) -> Result<usize, String> {
    let help = "expected a size of at least 1 byte, for example 1, 8KiB or 1MiB";
    let size: ByteSize = text.trim().parse().map_err(|_| help.to_owned())?;
    match size.as_u64() {
        0 => Err(help.to_owned()),
        bytes if bytes > CHUNK_BYTES_MAX => Err("the maximum is 1GiB".to_owned()),
        bytes => usize::try_from(bytes).map_err(|error| error.to_string()),
    }
}

fn duration(text: &str, min: Duration) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Err(_) => Err("expected a number with a unit, for example 500ms, 5s or 2m".to_owned()),
        Ok(time) if time < min => {
            Err(format!("the minimum is {}", humantime::format_duration(min)))
        }
        Ok(time) => Ok(time),
    }
}

fn count(text: &str, max: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected an integer of at least 1".to_owned()),
        Ok(count) if count > max => Err(format!("the maximum is {max}")),
        Ok(count) => Ok(count),
    }
}

/// Returns a parser that accepts only the names in `values`. The parser returns the value of the
/// name that the user specified.
fn one_of<T: Copy + Send + Sync + 'static>(
    values: [(&'static str, T); 3],
) -> impl TypedValueParser<Value = T> {
    let names = PossibleValuesParser::new(values.map(|(name, _)| name));
    names.map(move |given| {
        let value = values.into_iter().find(|&(name, _)| name == given);
        value.expect("clap accepts only these names").1
    })
}

/// Returns an error from clap as a message of two lines. The second line is the help, which
/// contains the possible values and clap's tips. The message does not contain clap's usage line.
fn error_and_help(message: &str) -> String {
    let mut lines = message.lines().map(str::trim).filter(|line| {
        !line.is_empty() && !line.starts_with("Usage:") && !line.starts_with("For more information")
    });
    let error = lines.next().unwrap_or_default().trim_start_matches("error: ");
    let tips = lines.map(|line| line.trim_start_matches("tip: "));
    let help: Vec<&str> = tips.chain(["see --help for all flags"]).collect();
    format!("{error}\nhelp: {}", help.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approach::TEST;

    /// The resources of a system with file descriptors for 1,500 connections.
    const RESOURCES: Resources = Resources { descriptors: 3_020, ..Resources::UNLIMITED };

    fn parsed(args: &[&str]) -> Result<Config, String> {
        match parse(&TEST, &RESOURCES, ["serve-test"].iter().chain(args))? {
            Request::Serve(config) => Ok(config),
            Request::Print(text) => panic!("expected a configuration, got text: {text}"),
        }
    }

    fn printed(flag: &str) -> String {
        match parse(&TEST, &RESOURCES, ["serve-test", flag]) {
            Ok(Request::Print(text)) => text,
            other => panic!("{flag}: expected text, got {other:?}"),
        }
    }

    #[test]
    fn a_command_line_without_flags_has_the_documented_defaults() {
        let config = parsed(&[]).unwrap();
        assert!(config.file.ends_with("assets/river.webp"), "{:?}", config.file);
        assert_eq!((config.host.as_str(), config.port), ("0.0.0.0", 4000));
        assert_eq!(config.chunk_bytes, 65_536);
        assert_eq!(config.preamble, Preamble::Bare);
        assert_eq!(config.stall_timeout, Duration::from_secs(30));
        assert_eq!(config.linger_timeout, Duration::from_secs(5));
        assert_eq!(config.grace, Duration::from_secs(5));
        assert_eq!((config.log, config.log_chunks), (LogFormat::Text, false));
    }

    #[test]
    fn few_resources_lower_only_the_default_connection_limit() {
        let limit = |args: &[&str]| parsed(args).map(|config| config.max_connections);
        assert_eq!(limit(&[]), Ok(1500));
        assert_eq!(limit(&["--max-connections", "5000"]), Ok(5000));
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
        for invalid in ["0", "banana", "", "1.5.2KiB", "KiB", "2GiB", "99999999999999999999"] {
            let error = bytes(invalid).unwrap_err();
            assert!(error.contains("--chunk-size <SIZE>"), "{error}");
        }
        let alias = parsed(&["--high-water-mark", "1"]).unwrap();
        assert_eq!(alias.chunk_bytes, 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn zero_copy_has_a_larger_default_chunk_size() {
        let chunk =
            |args: &[&str]| parsed(args).map(|config| (config.zero_copy, config.chunk_bytes));
        assert_eq!(chunk(&[]), Ok((false, 64 << 10)));
        assert_eq!(chunk(&["--zero-copy"]), Ok((true, 1 << 20)));
        assert_eq!(chunk(&["--zero-copy", "--chunk-size", "1"]), Ok((true, 1)));
    }

    #[cfg(not(target_os = "linux"))]
    #[test]
    fn zero_copy_requires_linux() {
        assert!(parsed(&["--zero-copy"]).unwrap_err().contains("omit the flag"));
    }

    #[test]
    fn times_need_a_unit() {
        let grace = |text: &str| parsed(&["--grace", text]).map(|config| config.grace);
        assert_eq!(grace("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(grace("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(grace("0s"), Ok(Duration::ZERO));
        assert!(grace("5").unwrap_err().contains("500ms, 5s or 2m"));
        assert!(parsed(&["--stall-timeout", "0s"]).is_err());
    }

    #[test]
    fn an_error_has_a_second_line_with_help() {
        for (args, part) in [
            (&["--port", "99999"][..], "0..=65535"),
            (&["--preamble", "htp"], "bare, http, none"),
            (&["--prot", "1"], "--port"),
            (&["--workers", "0"], "at least 1"),
            (&["--workers", "5000"], "1024"),
            (&["--max-connections", "-3"], "--max-connections"),
            (&["a", "b"], "'b'"),
        ] {
            let error = parsed(args).unwrap_err();
            assert!(error.contains(part), "{args:?}: expected `{part}`, got {error}");
            assert_eq!(error.lines().count(), 2, "{args:?}: {error}");
            assert!(error.contains("\nhelp: "), "{args:?}: {error}");
        }
    }

    #[test]
    fn help_and_version_are_printed() {
        assert!(printed("--version").starts_with("serve-test 0."));
        let help = printed("--help");
        assert!(help.contains("--high-water-mark"), "{help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "expected at most 80 columns, got {line}");
        }
    }
}
