//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::mutant::Mutant;

/// The usage message.
pub const USAGE: &str = "usage: mutants [--bug NAME] FILE PORT [--chunk BYTES] \
[--preamble bare|http|none]\n           [--max-connections N] [--stall-timeout 30s] \
[--linger-timeout 5s] [--grace 5s]\n           [--log-chunks]\n       mutants --list\n";

/// The preamble of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preamble {
    /// `HTTP/1.1` and two newlines.
    Bare,
    /// A response header.
    Http,
    /// Nothing.
    None,
}

/// The options of the server.
#[derive(Clone, Debug)]
pub struct Options {
    pub mutant: Option<Mutant>,
    pub file: PathBuf,
    pub port: u16,
    pub chunk_bytes: usize,
    pub preamble: Preamble,
    pub max_connections: usize,
    pub stall_timeout: Duration,
    pub linger_timeout: Duration,
    pub grace: Duration,
    pub log_chunks: bool,
}

impl Options {
    /// Parses the arguments after the program's name.
    ///
    /// # Errors
    ///
    /// Returns a message for the user if an argument is missing, unknown, or invalid.
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            mutant: None,
            file: PathBuf::new(),
            port: 0,
            chunk_bytes: 65_536,
            preamble: Preamble::Bare,
            max_connections: 2_000,
            stall_timeout: Duration::from_secs(30),
            linger_timeout: Duration::from_secs(5),
            grace: Duration::from_secs(5),
            log_chunks: false,
        };
        let mut plain = Vec::new();
        let mut args = args;
        while let Some(arg) = args.next() {
            let Some(flag) = arg.strip_prefix("--") else {
                plain.push(arg);
                continue;
            };
            if flag == "log-chunks" {
                options.log_chunks = true;
                continue;
            }
            let value = args.next().ok_or_else(|| format!("--{flag} needs a value"))?;
            match flag {
                "bug" => options.mutant = Some(mutant(&value)?),
                "chunk" => options.chunk_bytes = number(&value)?,
                "preamble" => options.preamble = preamble(&value)?,
                "max-connections" => options.max_connections = number(&value)?,
                "stall-timeout" => options.stall_timeout = duration(&value)?,
                "linger-timeout" => options.linger_timeout = duration(&value)?,
                "grace" => options.grace = duration(&value)?,
                _ => return Err(format!("there is no --{flag}")),
            }
        }
        let [file, port] = plain.as_slice() else {
            return Err("name one FILE and one PORT".to_owned());
        };
        if options.chunk_bytes == 0 || options.max_connections == 0 {
            return Err("--chunk and --max-connections are at least 1".to_owned());
        }
        options.file = file.into();
        options.port = number(port)?;
        Ok(options)
    }
}

fn mutant(name: &str) -> Result<Mutant, String> {
    let found = Mutant::ALL.iter().find(|mutant| mutant.name() == name);
    found
        .copied()
        .ok_or_else(|| format!("there is no mutant `{name}`; `mutants --list` lists them"))
}

fn preamble(name: &str) -> Result<Preamble, String> {
    match name {
        "bare" => Ok(Preamble::Bare),
        "http" => Ok(Preamble::Http),
        "none" => Ok(Preamble::None),
        _ => Err(format!("there is no preamble {name}: bare, http or none")),
    }
}

/// `500ms`, `5s` or, in seconds, `5`.
fn duration(text: &str) -> Result<Duration, String> {
    match text.strip_suffix("ms") {
        Some(millis) => Ok(Duration::from_millis(number(millis)?)),
        None => Ok(Duration::from_secs(number(text.strip_suffix('s').unwrap_or(text))?)),
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not a number that fits here"))
}
