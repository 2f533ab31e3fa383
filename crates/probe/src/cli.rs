//! The command line, and the plan that comes of it.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use probe::text;

const EXAMPLES: &str = r#"Examples, with a server there (cargo run -p serve-tokio):
  probe localhost:4000
      connect, say nothing, and read to the end
  probe localhost:4000 --expect assets/river.webp
      the same, and compare every byte
  probe localhost:4000 --say "GET / HTTP/1.1\r\n\r\n" --hex
      ask as a browser does, and show how the answer begins
  probe localhost:4000 --say hello --half-close
      say a word and "that was all", and read on
  probe localhost:4000 --small --wait 3
      read nothing for 3 s: where do the bytes wait?
  probe localhost:4000 --small --slow 20KiB
      a slow reader
  probe localhost:4000 --read 10 --reset
      vanish in the middle by a RST; with --close instead as a program does that
      has had enough

On the one connection it says, uploads, half-closes, waits, reads, stays and
ends, always in this order. Times count from when it was connected.

Sizes are bytes or have a unit: 10, 64KiB, 20MB. Times are seconds or have a
unit: 3, 0.5, 500ms. Text knows \r \n \t \\ \xNN.

Exit code: 0 the server ended it with a FIN, or it ended here as was asked;
1 it ended otherwise, or was not what --expect names; 2 it could not begin."#;

/// What to do on the connection.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) addr: SocketAddr,
    pub(crate) is_small: bool,
    pub(crate) say: Vec<u8>,
    pub(crate) upload_bytes: u64,
    pub(crate) is_half_closing: bool,
    pub(crate) wait: Duration,
    /// Read so many before staying or ending; none: to the end.
    pub(crate) read_bytes: Option<u64>,
    pub(crate) stay: Duration,
    pub(crate) end: Option<End>,
    pub(crate) slow_bytes_per_s: Option<u64>,
    pub(crate) timeout: Duration,
    pub(crate) expect: Option<PathBuf>,
    pub(crate) shows_times: bool,
    /// How much of the reply's beginning to show.
    pub(crate) hex_bytes: usize,
}

/// How the client ends the connection before the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Close,
    Reset,
}

pub(crate) fn command() -> Command {
    Command::new("probe")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Makes one connection, and tells what comes, as it comes")
        .after_help(EXAMPLES)
        .max_term_width(80)
        .next_line_help(false)
        .arg(
            Arg::new("server")
                .value_name("HOST:PORT")
                .required(true)
                .value_parser(address)
                .help("The server; a port alone is one of this machine"),
        )
        .args(saying_args())
        .args(reading_args())
        .args(ending_args())
        .args(telling_args())
}

/// What a command line asks for.
///
/// # Errors
///
/// Returns the flags that exclude each other, and how to fix that.
pub(crate) fn plan(matches: &ArgMatches) -> Result<Plan, String> {
    let number = |name: &str| matches.get_one::<u64>(name).copied();
    let time = |name: &str| matches.get_one::<Duration>(name).copied().unwrap_or_default();
    let read_bytes = number("read");
    let stay = time("stay");
    let end = match (matches.get_flag("reset"), matches.get_flag("close")) {
        (true, _) => Some(End::Reset),
        (_, true) => Some(End::Close),
        // "Read so many": and nobody is told to read on.
        _ if read_bytes.is_some() && stay.is_zero() => Some(End::Close),
        _ => None,
    };
    Ok(Plan {
        addr: *matches.get_one("server").ok_or("name a server: localhost:4000")?,
        is_small: matches.get_flag("small"),
        say: matches.get_one("say").cloned().unwrap_or_default(),
        upload_bytes: number("upload").unwrap_or(0),
        is_half_closing: matches.get_flag("half-close"),
        wait: time("wait"),
        read_bytes,
        stay,
        end,
        slow_bytes_per_s: number("slow"),
        timeout: time("timeout"),
        expect: matches.get_one("expect").cloned(),
        shows_times: matches.get_flag("times"),
        hex_bytes: number("hex").unwrap_or(0).try_into().unwrap_or(usize::MAX),
    })
}

fn saying_args() -> [Arg; 3] {
    [
        option("say", "TEXT", "Say this first").value_parser(text::unescaped),
        option("upload", "BYTES", "Send so many more before anything is read")
            .value_parser(text::bytes),
        switch("half-close", "Then end the writing side: a FIN, \"that was all\""),
    ]
}

fn reading_args() -> [Arg; 5] {
    [
        option("wait", "SECONDS", "Read nothing for so long, then begin").value_parser(text::time),
        option(
            "read",
            "BYTES",
            "Read so many, then close; or go on with what --stay, --reset or --close ask",
        )
        .value_parser(text::bytes),
        option("slow", "BYTES", "Read at most so much in a second")
            .value_parser(text::positive_bytes),
        switch(
            "small",
            "A small receive buffer, small segments and, on Linux within this machine, an address \
             that no earlier client had, so that the kernel takes little for a client who does \
             not read",
        ),
        option("timeout", "SECONDS", "How long to wait for the next byte, or to find room for one")
            .default_value("30")
            .value_parser(text::time),
    ]
}

fn ending_args() -> [Arg; 3] {
    [
        option(
            "stay",
            "SECONDS",
            "Stay connected for so long and read nothing, after --read if that is given; then \
             read on, or end",
        )
        .value_parser(text::time),
        switch("reset", "End the connection by a RST, after --read, --wait or --stay")
            .conflicts_with("close"),
        switch(
            "close",
            "End it by closing the socket; if there is something unread, the kernel \
             makes a RST of that",
        ),
    ]
}

fn telling_args() -> [Arg; 3] {
    [
        option("expect", "FILE", "Compare the reply with a preamble and this file")
            .value_parser(value_parser!(PathBuf)),
        option(
            "hex",
            "BYTES",
            "Show so much of the reply's beginning; 64 if you do not say how much",
        )
        .num_args(0..=1)
        .default_value("16")
        .default_missing_value("64")
        .value_parser(text::bytes),
        switch("times", "Tell every read: when, and how many bytes"),
    ]
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    let arg = Arg::new(name).long(name).value_name(value).help(help);
    // So that the error for -3 speaks of the value.
    arg.allow_negative_numbers(true)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let help = "name host and port, localhost:4000, or a port of this machine, 4000";
    if let Ok(port) = text.trim_start_matches(':').parse::<u16>() {
        return Ok(([127, 0, 0, 1], port).into());
    }
    let found = text.to_socket_addrs().map_err(|error| format!("{error}; {help}"))?;
    let addresses: Vec<SocketAddr> = found.collect();
    // A name may have both, and the kit's servers listen on version 4 unless told otherwise.
    let first = addresses.iter().find(|addr| addr.is_ipv4()).or(addresses.first());
    first.copied().ok_or_else(|| format!("it has no address; {help}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(args: &[&str]) -> Result<Plan, String> {
        let args = ["probe"].iter().chain(args);
        let matches = command().try_get_matches_from(args).map_err(|error| error.to_string())?;
        plan(&matches)
    }

    #[test]
    fn flags_become_a_plan() {
        let bare = planned(&["4000"]).unwrap();
        assert_eq!(bare.addr, "127.0.0.1:4000".parse().unwrap());
        assert_eq!((bare.end, bare.read_bytes, bare.hex_bytes), (None, None, 16));
        assert_eq!(bare.timeout, Duration::from_secs(30));
        let read = planned(&[":4000", "--read", "10"]).unwrap();
        assert_eq!((read.end, read.read_bytes), (Some(End::Close), Some(10)));
        let stays = planned(&["127.0.0.1:4000", "--read", "10", "--stay", "0.5"]).unwrap();
        assert_eq!((stays.end, stays.stay), (None, Duration::from_millis(500)));
        let reset = planned(&["4000", "--read", "10", "--stay", "1", "--reset"]).unwrap();
        assert_eq!(reset.end, Some(End::Reset));
        let says = planned(&["4000", "--say", "hello\\n", "--hex", "--half-close"]).unwrap();
        assert_eq!((says.say, says.hex_bytes), (b"hello\n".to_vec(), 64));
        assert!(says.is_half_closing);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (args, part) in [
            (&["localhost"][..], "localhost:4000"),
            (&[], "HOST:PORT"),
            (&["4000", "--reset", "--close"], "--close"),
            (&["4000", "--slow", "0"], "the least is 1"),
            (&["4000", "--wait", "soon"], "500ms"),
            (&["4000", "--say", "\\q"], "after \\"),
        ] {
            let error = planned(args).map(|_| ()).unwrap_err();
            assert!(error.contains(part), "{args:?}: {error}");
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
