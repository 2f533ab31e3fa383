//! The server to be judged: a command with placeholders.

#[cfg(feature = "program")]
use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

#[cfg(feature = "program")]
use serve_core::Approach;

use crate::check::{Outcome, Stop};

/// The chunk size that the contract's servers have when nobody tells them, in bytes.
pub const DEFAULT_CHUNK_BYTES: usize = 64 * 1024;

/// The default of [`Target::silence_timeout`]. No correct server pauses that long within a reply.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(20);

/// Long enough for a virtual machine's start.
const FIRST_START_TIMEOUT: Duration = Duration::from_secs(10);

/// A command that starts a server, with `{file}`, `{port}`, and perhaps `{chunk}` (bytes),
/// `{preamble}` (bare, http, none), `{stall}` (seconds) and `{cap}` (clients), for what each check
/// wants.
#[derive(Clone, Debug)]
pub struct Target {
    /// What it is called in tables.
    pub name: String,
    /// The words to say to run it again.
    pub spelled: String,
    /// How long it may hear a client that has the whole file.
    pub linger: Duration,
    /// How long it may wait for clients at its shutdown.
    pub grace: Duration,
    /// The maximum time that a client waits for the next byte of a reply. The exercises use a
    /// shorter one, so that a failure is reported sooner.
    pub silence_timeout: Duration,
    /// How long it may take to listen the first time: a virtual machine's start, say.
    pub start_timeout: Duration,
    words: Vec<String>,
}

/// The values that a check passes to the command.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub chunk_bytes: usize,
    pub preamble: &'static str,
    /// The stall timeout in seconds, for `{stall}`.
    pub stall_s: u64,
    /// The connection limit, for `{cap}`.
    pub connection_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            chunk_bytes: DEFAULT_CHUNK_BYTES,
            preamble: "bare",
            stall_s: 30,
            connection_limit: 2000,
        }
    }
}

impl Target {
    /// A command of somebody's, as words, or as one that holds them all.
    ///
    /// # Errors
    ///
    /// When it has no words, unbalanced quotes, or no place for the file or the port.
    pub fn of_command(words: &[String]) -> Result<Self, String> {
        let words = match words {
            [one] => shell_words::split(one).map_err(|error| format!("{one}: {error}"))?,
            several => several.to_vec(),
        };
        if words.is_empty() {
            return Err("name a command: conformance -- CMD {file} {port}".to_owned());
        }
        for placeholder in ["{file}", "{port}"] {
            if !words.iter().any(|word| word.contains(placeholder)) {
                let help = "put it where the server expects it";
                return Err(format!("the command has no {placeholder}; help: {help}"));
            }
        }
        let spelled = format!("-- {}", shell_words::join(&words));
        let name = words.first().map_or_else(String::new, |word| {
            Path::new(word)
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
        });
        // The contract's own limits, since nobody told it others.
        let five_seconds = Duration::from_secs(5);
        Ok(Self {
            name,
            spelled,
            linger: five_seconds,
            grace: five_seconds,
            silence_timeout: SILENCE_TIMEOUT,
            start_timeout: FIRST_START_TIMEOUT,
            words,
        })
    }

    /// A sibling, run by this very program (see [`serve_core::main_with_args`]), with short limits so
    /// that nobody waits for long, and further flags.
    ///
    /// # Errors
    ///
    /// When this program does not know where it is.
    #[cfg(feature = "program")]
    pub fn of_approach(approach: &Approach, flags: &[String]) -> Result<Self, String> {
        let program = env::current_exe().map_err(|error| error.to_string())?;
        let program = program.into_os_string().into_string().map_err(|path: OsString| {
            format!("{}: the path of this program has to be Unicode", path.to_string_lossy())
        })?;
        let own = format!(
            "serve-{} {{file}} --host 127.0.0.1 --port {{port}} --chunk-size {{chunk}} \
             --preamble {{preamble}} --stall-timeout {{stall}}s --max-connections {{cap}} \
             --linger-timeout 2s --grace 2s --log json --log-chunks",
            approach.name
        );
        let words = own.split(' ').map(str::to_owned).chain(flags.iter().cloned());
        let mut spelled = format!("--approach {}", approach.name);
        if !flags.is_empty() {
            spelled = format!("{spelled} -- {}", shell_words::join(flags));
        }
        let two_seconds = Duration::from_secs(2);
        Ok(Self {
            name: approach.name.to_owned(),
            spelled,
            linger: two_seconds,
            grace: two_seconds,
            silence_timeout: SILENCE_TIMEOUT,
            start_timeout: FIRST_START_TIMEOUT,
            words: [program].into_iter().chain(words).collect(),
        })
    }

    /// Whether the command has a place for this.
    pub(crate) fn takes(&self, place: &str) -> bool {
        self.words.iter().any(|word| word.contains(place))
    }

    /// The command must have a place for this, or the check is not applicable.
    pub(crate) fn needs(&self, place: &str) -> Outcome {
        if self.takes(place) {
            return Ok(());
        }
        Err(Stop::not_applicable(format!("the command has no {place}")))
    }

    /// The command's words for one run.
    pub(crate) fn words(&self, file: &Path, port: u16, settings: Settings) -> Vec<OsString> {
        let places = [
            ("{port}", port.to_string()),
            ("{chunk}", settings.chunk_bytes.to_string()),
            ("{preamble}", settings.preamble.to_owned()),
            ("{stall}", settings.stall_s.to_string()),
            ("{cap}", settings.connection_limit.to_string()),
            // The last one: a folder's name may look like a place.
            ("{file}", file.display().to_string()),
        ];
        let fill = |word: &String| {
            let fill = |word: String, (place, value): &(&str, String)| word.replace(place, value);
            places.iter().fold(word.clone(), fill).into()
        };
        self.words.iter().map(fill).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: &str) -> Result<Target, String> {
        Target::of_command(&[command.to_owned()])
    }

    #[test]
    fn a_command_is_words_with_places() {
        let target = of("/usr/bin/node 'my server.mjs' {file} --port={port}").unwrap();
        assert_eq!(target.name, "node");
        assert!(target.takes("{file}") && !target.takes("{chunk}"));
        let words = target.words(Path::new("a b"), 7, Settings::default());
        assert_eq!(words, ["/usr/bin/node", "my server.mjs", "a b", "--port=7"]);
        assert_eq!(target.spelled, "-- /usr/bin/node 'my server.mjs' {file} '--port={port}'");
    }

    #[test]
    fn a_command_without_places_is_refused() {
        assert!(of("node server.mjs {port}").unwrap_err().contains("{file}"));
        assert!(of("node server.mjs {file}").unwrap_err().contains("{port}"));
        assert!(of("").unwrap_err().contains("name a command"));
        assert!(of("node 'server.mjs {file} {port}").is_err());
    }

    #[cfg(feature = "program")]
    #[test]
    fn an_approach_has_all_places() {
        let target = Target::of_approach(approaches::ALL[0], &[]).unwrap();
        for place in ["{file}", "{port}", "{chunk}", "{preamble}", "{stall}", "{cap}"] {
            assert!(target.takes(place), "{place}");
        }
        assert_eq!(target.spelled, "--approach std");
    }
}
