//! The server to check, as a command with placeholders.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::verdict::{Outcome, Stop};

/// The default chunk size of the contract, in bytes.
pub const DEFAULT_CHUNK_BYTES: usize = 64 * 1024;

/// The default of [`Target::silence_timeout`]. No correct server pauses that long within a reply.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(20);

/// The default of [`Target::start_timeout`]. The default is sufficient for language runtimes that
/// start slowly.
const FIRST_START_TIMEOUT: Duration = Duration::from_secs(10);

/// The default of [`Target::slack`].
const SLACK: Duration = Duration::from_secs(4);

/// The default of [`Target::long_wait`].
const LONG_WAIT: Duration = Duration::from_secs(8);

/// The linger timeout and the grace period of the contract, for a command that does not contain
/// `{linger}` or `{grace}`.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// A command that starts a server. It contains the placeholders `{file}` and `{port}`, and
/// optionally `{chunk}` (bytes), `{preamble}` (bare, http, none), `{limit}` (clients), and
/// `{stall}`, `{linger}` and `{grace}` (seconds). Each check replaces the placeholders with its own
/// values.
#[derive(Clone, Debug)]
pub struct Target {
    /// The name of the server in tables.
    pub name: String,
    /// The arguments of `conformance` that select this target.
    pub arguments: String,
    /// The linger timeout of the server, if the command does not contain `{linger}`.
    pub linger: Duration,
    /// The grace period of the server, if the command does not contain `{grace}`.
    pub grace: Duration,
    /// The additional time that a server gets after each of its timeouts, because the computer may
    /// be busy. The exercises use a shorter time.
    pub slack: Duration,
    /// The duration of the long pauses of a client. A server must not disconnect a client because
    /// of such a pause. The exercises use a shorter time.
    pub long_wait: Duration,
    /// The maximum time that a client waits for the next byte of a reply. The exercises use a
    /// shorter time, so that a failure is reported sooner.
    pub silence_timeout: Duration,
    /// The time limit for the target's first start.
    pub start_timeout: Duration,
    /// Environment variables for the server.
    pub environment: Vec<(String, String)>,
    /// The maximum value of `{limit}`. A small maximum is useful if the limit is the server's
    /// number of threads.
    pub connection_limit_max: usize,
    words: Vec<String>,
}

/// The values of the placeholders.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub chunk_bytes: usize,
    pub preamble: &'static str,
    /// The stall timeout in seconds, for `{stall}`.
    pub stall_s: u64,
    /// The connection limit, for `{limit}`.
    pub connection_limit: usize,
    /// The linger timeout in seconds, for `{linger}`.
    pub linger_s: u64,
    /// The grace period in seconds, for `{grace}`.
    pub grace_s: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            chunk_bytes: DEFAULT_CHUNK_BYTES,
            preamble: "bare",
            stall_s: 30,
            connection_limit: 2000,
            linger_s: 1,
            grace_s: 1,
        }
    }
}

/// The timeouts of a running server.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub linger: Duration,
    pub grace: Duration,
    /// See [`Target::slack`].
    pub slack: Duration,
}

impl Timeouts {
    /// Returns the maximum time from the start of the linger timeout to the end of the connection.
    pub fn linger_limit(self) -> Duration {
        self.linger + self.slack
    }

    /// Returns the maximum time from the start of the grace period to the exit of the server.
    pub fn grace_limit(self) -> Duration {
        self.grace + self.slack
    }
}

impl Settings {
    /// Returns the bytes that the server must send before the file. For the `http` preamble, whose
    /// bytes vary, returns no bytes. The checks of the `http` preamble read the preamble as part of
    /// the reply.
    pub(crate) fn preamble(self) -> &'static [u8] {
        match self.preamble {
            "bare" => b"HTTP/1.1\n\n",
            _ => b"",
        }
    }
}

impl Target {
    /// Returns a target for a command. `words` contains several words, or one string with all
    /// words.
    ///
    /// # Errors
    ///
    /// Fails if there are no words, quotes are unbalanced, or `{file}` or `{port}` is missing.
    pub fn of_command(words: &[String]) -> io::Result<Self> {
        let words = match words {
            [one] => shell_words::split(one)
                .map_err(|error| invalid(format!("cannot parse the command `{one}`: {error}")))?,
            several => several.to_vec(),
        };
        // In earlier versions, the placeholder `{limit}` was named `{cap}`.
        let words: Vec<_> = words.iter().map(|word| word.replace("{cap}", "{limit}")).collect();
        let Some(first) = words.first() else {
            return Err(invalid(
                "no command to check\nhelp: pass a command, as in `conformance -- CMD {file} \
                 {port}`",
            ));
        };
        for placeholder in ["{file}", "{port}"] {
            if !words.iter().any(|word| word.contains(placeholder)) {
                let help = "help: add the placeholder at the position of the value";
                return Err(invalid(format!("the command has no {placeholder}\n{help}")));
            }
        }
        let name = Path::new(first).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let arguments = format!("-- {}", shell_words::join(&words));
        Ok(Self::new(name, arguments, words))
    }

    /// Returns a target for a sibling, which this program runs itself (see
    /// [`serve_core::main_with_args`]). `flags` are additional flags for the sibling.
    ///
    /// # Errors
    ///
    /// Fails if the path of this program is unknown or is not valid Unicode.
    #[cfg(feature = "program")]
    pub fn of_approach(approach: &serve_core::Approach, flags: &[String]) -> io::Result<Self> {
        let program = std::env::current_exe()?.into_os_string().into_string();
        let program = program.map_err(|path| {
            invalid(format!("the path `{}` is not valid Unicode", path.to_string_lossy()))
        })?;
        let arguments = format!(
            "serve-{} {{file}} --host 127.0.0.1 --port {{port}} --chunk-size {{chunk}} \
             --preamble {{preamble}} --stall-timeout {{stall}}s --max-connections {{limit}} \
             --linger-timeout {{linger}}s --grace {{grace}}s --log json --log-chunks",
            approach.name
        );
        let arguments = arguments.split(' ').map(str::to_owned).chain(flags.iter().cloned());
        let words = [program].into_iter().chain(arguments).collect();
        let mut arguments = format!("--approach {}", approach.name);
        if !flags.is_empty() {
            arguments = format!("{arguments} -- {}", shell_words::join(flags));
        }
        Ok(Self::new(approach.name.to_owned(), arguments, words))
    }

    fn new(name: String, arguments: String, words: Vec<String>) -> Self {
        Self {
            name,
            arguments,
            linger: DEFAULT_TIMEOUT,
            grace: DEFAULT_TIMEOUT,
            slack: SLACK,
            long_wait: LONG_WAIT,
            silence_timeout: SILENCE_TIMEOUT,
            start_timeout: FIRST_START_TIMEOUT,
            environment: Vec::new(),
            connection_limit_max: usize::MAX,
            words,
        }
    }

    /// Returns the timeouts of a server that is started with these settings.
    pub(crate) fn timeouts(&self, settings: Settings) -> Timeouts {
        let value = |placeholder, seconds, default| match self.has(placeholder) {
            true => Duration::from_secs(seconds),
            false => default,
        };
        Timeouts {
            linger: value("{linger}", settings.linger_s, self.linger),
            grace: value("{grace}", settings.grace_s, self.grace),
            slack: self.slack,
        }
    }

    /// Returns two values in seconds for the placeholder of a timeout. The second value is so large
    /// that a server with a fixed timeout fails for at least one of the values: four fifths of the
    /// second value exceed the limit for the first value. Returns only `default` if the command
    /// does not contain the placeholder.
    pub(crate) fn timeout_values(&self, placeholder: &str, default: Duration) -> Vec<u64> {
        match self.has(placeholder) {
            true => vec![1, 1 + (1.25 * (1.0 + self.slack.as_secs_f32())) as u64],
            false => vec![default.as_secs()],
        }
    }

    /// Returns whether the command contains a placeholder.
    pub(crate) fn has(&self, placeholder: &str) -> bool {
        self.words.iter().any(|word| word.contains(placeholder))
    }

    /// Skips the check if the command lacks a placeholder.
    pub(crate) fn require(&self, placeholder: &str) -> Outcome {
        match self.has(placeholder) {
            true => Ok(()),
            false => Err(Stop::skip(format!("the command has no {placeholder}"))),
        }
    }

    /// Returns the command's words for one run, with values in place of the placeholders.
    pub(crate) fn words(&self, file: &Path, port: u16, settings: Settings) -> Vec<OsString> {
        let connection_limit = settings.connection_limit.min(self.connection_limit_max);
        let values = [
            ("{port}", port.to_string()),
            ("{chunk}", settings.chunk_bytes.to_string()),
            ("{preamble}", settings.preamble.to_owned()),
            ("{stall}", settings.stall_s.to_string()),
            ("{limit}", connection_limit.to_string()),
            ("{linger}", settings.linger_s.to_string()),
            ("{grace}", settings.grace_s.to_string()),
            // `{file}` is replaced last, because the path of the file may contain the text of
            // another placeholder.
            ("{file}", file.display().to_string()),
        ];
        let replace = |word: String, (place, value): &(&str, String)| word.replace(place, value);
        self.words.iter().map(|word| values.iter().fold(word.clone(), replace).into()).collect()
    }
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message.into())
}
