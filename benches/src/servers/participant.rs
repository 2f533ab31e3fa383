//! Lists all servers that are measured and creates the commands that start these servers.

use std::ffi::OsString;
use std::path::Path;
use std::{fs, io};

use serve_core::Approach;

/// The name of the baseline, which is one thread that calls `sendfile` in a loop.
pub(super) const BASELINE: &str = "baseline";

/// The chunk size of the baseline, in bytes. The value is the maximum chunk size, so that each
/// `sendfile` call sends as much data as possible.
const BASELINE_CHUNK_BYTES: u64 = 1 << 30;

/// A server that is measured.
#[derive(Clone, Debug)]
pub struct Participant {
    /// The name of the server in tables and records.
    pub name: String,
    /// The kind of the server.
    pub kind: Kind,
}

/// The kind of a server.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A sibling in copy mode or in zero-copy mode.
    Sibling {
        /// The approach of the sibling.
        approach: &'static Approach,
        /// Indicates whether the sibling runs with `--zero-copy`.
        is_zero_copy: bool,
    },
    /// The web server nginx.
    Nginx,
    /// The original Node server.
    Node,
    /// The baseline, which is a minimal program for comparison.
    Baseline,
    /// A server from the command line. The words of its command contain `{file}`, `{port}` and
    /// optionally `{chunk}`.
    Command(Vec<String>),
}

/// The settings with which a server is started. If a setting is `None`, the server uses its
/// default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings<'a> {
    /// The chunk size, in bytes.
    pub chunk_bytes: Option<u64>,
    /// The number of worker threads of a sibling with a runtime.
    pub workers: Option<usize>,
    /// The maximum number of open connections of a sibling.
    pub connections_max: Option<u64>,
    /// Indicates whether the server runs without a log. In this case, siblings run with `--log
    /// off`, and the stdout of every server is discarded.
    pub is_quiet: bool,
    /// Indicates whether the stdout of the server is a pipe. [`Server::take_stdout`] returns this
    /// pipe.
    ///
    /// [`Server::take_stdout`]: super::Server::take_stdout
    pub is_piped: bool,
    /// Additional arguments of a sibling.
    pub flags: &'a [&'a str],
    /// The beginning of a command, such as strace, that starts the server.
    pub prefix: &'a [OsString],
}

impl Participant {
    /// Returns all servers, in the order of the rows of the tables.
    pub fn all() -> Vec<Self> {
        let siblings = approaches::built().flat_map(|approach| {
            let name = |mode| format!("{}{mode}", approach.name);
            [(name(""), false), (name("-zero-copy"), true)]
                .map(|(name, is_zero_copy)| (name, Kind::Sibling { approach, is_zero_copy }))
        });
        let others = [("nginx", Kind::Nginx), ("node", Kind::Node), (BASELINE, Kind::Baseline)];
        let others = others.map(|(name, kind)| (name.to_owned(), kind));
        siblings.chain(others).map(|(name, kind)| Self { name, kind }).collect()
    }

    /// Parses a server from text of the form `NAME=COMMAND`, such as `old=./serve {file} {port}`.
    ///
    /// # Errors
    ///
    /// Fails if a required placeholder is missing, or if another server has the same name.
    pub fn from_command(text: &str) -> Result<Self, String> {
        let help = "pass NAME='COMMAND {file} {port}'";
        let (name, command) = text.split_once('=').ok_or(help)?;
        let words = shell_words::split(command).map_err(|error| format!("{error}; {help}"))?;
        let has = |placeholder| words.iter().any(|word: &String| word.contains(placeholder));
        if name.is_empty() || name.contains('/') || !has("{file}") || !has("{port}") {
            return Err(help.to_owned());
        }
        if Self::all().iter().any(|other| other.name == name) {
            return Err(format!("another server has the name `{name}`"));
        }
        Ok(Self { name: name.to_owned(), kind: Kind::Command(words) })
    }

    /// Returns the approach of a sibling, or `None` for other servers.
    pub fn approach(&self) -> Option<&'static Approach> {
        match self.kind {
            Kind::Sibling { approach, .. } => Some(approach),
            _ => None,
        }
    }

    /// Returns whether the chunk size of the server can be set.
    pub fn has_chunk_size(&self) -> bool {
        match &self.kind {
            Kind::Sibling { .. } | Kind::Node => true,
            Kind::Nginx | Kind::Baseline => false,
            Kind::Command(words) => words.iter().any(|word| word.contains("{chunk}")),
        }
    }

    /// Returns the command that starts the server. A sibling is started as a process of `program`,
    /// which must call [`main_of_server`](super::main_of_server) first. The server may write files
    /// to `folder`.
    ///
    /// # Errors
    ///
    /// Fails if the configuration of nginx cannot be written.
    pub fn command(
        &self,
        program: &Path,
        settings: Settings<'_>,
        (file, port): (&Path, u16),
        folder: &Path,
    ) -> io::Result<Vec<OsString>> {
        let chunk = settings.chunk_bytes.map(|bytes| bytes.to_string());
        let port = port.to_string();
        Ok(match &self.kind {
            Kind::Sibling { approach, is_zero_copy } => {
                let log = if settings.is_quiet { "off" } else { "json" };
                let mut words = sibling(program, approach.name, file, &port, log);
                words.extend(is_zero_copy.then(|| "--zero-copy".into()));
                words.extend(settings.flags.iter().map(OsString::from));
                let workers = settings.workers.filter(|_| approach.has_workers);
                for (flag, value) in [
                    ("--chunk-size", chunk),
                    ("--workers", workers.map(|workers| workers.to_string())),
                    ("--max-connections", settings.connections_max.map(|max| max.to_string())),
                ] {
                    words.extend(value.into_iter().flat_map(|it| [flag.into(), it.into()]));
                }
                words
            }
            Kind::Baseline => {
                let mut words = sibling(program, BASELINE, file, &port, "off");
                words.extend(["--chunk-size".into(), BASELINE_CHUNK_BYTES.to_string().into()]);
                words
            }
            Kind::Nginx => nginx(file, &port, folder)?,
            Kind::Node => {
                let script =
                    Path::new(env!("CARGO_MANIFEST_DIR")).join("../lessons/node/original.mjs");
                let mut words = vec!["node".into(), script.into(), file.into(), port.into()];
                words.extend(chunk.map(OsString::from));
                words
            }
            Kind::Command(words) => {
                let chunk = chunk.unwrap_or_else(|| (64 * 1024).to_string());
                let fill = |word: &String| {
                    let word = word.replace("{port}", &port).replace("{chunk}", &chunk);
                    word.replace("{file}", &file.display().to_string()).into()
                };
                words.iter().map(fill).collect()
            }
        })
    }
}

fn sibling(program: &Path, name: &str, file: &Path, port: &str, log: &str) -> Vec<OsString> {
    let mut words = vec![program.into(), format!("serve-{name}").into(), file.into()];
    words.extend(["--host", "127.0.0.1", "--log", log, "--port", port].map(OsString::from));
    words
}

/// Writes the configuration of nginx to a folder and returns the command that starts nginx. nginx
/// writes all of its files to this folder.
fn nginx(file: &Path, port: &str, folder: &Path) -> io::Result<Vec<OsString>> {
    // If root starts nginx without this setting, the worker processes run as a user that cannot
    // read the folder.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let root = file.parent().unwrap_or(Path::new("/")).display().to_string();
    let configuration = include_str!("nginx.conf").replace("{USER}", user).replace("{PORT}", port);
    let configuration = configuration.replace("{FOLDER}", &folder.display().to_string());
    let path = folder.join("nginx.conf");
    fs::write(&path, configuration.replace("{ROOT}", &root))?;
    Ok(["nginx".into(), "-p".into(), folder.into(), "-c".into(), path.into()].into())
}
