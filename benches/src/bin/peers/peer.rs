//! Who takes part.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use benches::sibling::Sibling;
use serve_core::Approach;

use crate::{floor, nginx};

/// One that takes part.
#[derive(Clone, Debug)]
pub struct Peer {
    /// What it is called.
    pub name: String,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub enum Kind {
    /// One of the kit's own.
    Sibling(Sibling),
    Nginx,
    /// The note's server.
    Node,
    Floor,
    /// A server from elsewhere: words with `{file}`, `{port}` and perhaps `{chunk}`.
    Command(Vec<String>),
}

/// The options with which a server is started for one measurement.
#[derive(Clone, Copy, Debug)]
pub struct StartOptions<'a> {
    pub file: &'a Path,
    pub port: u16,
    /// The chunk size, or `None` for the server's default.
    pub chunk_bytes: Option<u64>,
    pub is_logging: bool,
    /// The maximum number of open connections, or `None` for the server's default.
    pub clients: Option<u64>,
    /// The folder for the files that the server writes.
    pub folder: &'a Path,
}

/// All that the race knows, in the order of the tables.
pub fn known() -> Vec<Peer> {
    let of = |sibling: Sibling| Peer { name: sibling.name(), kind: Kind::Sibling(sibling) };
    let mut all: Vec<Peer> = Sibling::all().map(of).collect();
    let others = [("nginx", Kind::Nginx), ("node", Kind::Node), ("floor", Kind::Floor)];
    all.extend(others.map(|(name, kind)| Peer { name: name.to_owned(), kind }));
    all
}

impl Peer {
    /// From `NAME=CMD`.
    pub fn of_command(text: &str) -> Result<Self, String> {
        let help = "say NAME='CMD {file} {port}'";
        let (name, command) = text.split_once('=').ok_or(help)?;
        let words = shell_words::split(command).map_err(|error| format!("{error}; {help}"))?;
        let has = |place| words.iter().any(|word: &String| word.contains(place));
        if name.is_empty() || !has("{file}") || !has("{port}") {
            return Err(help.to_owned());
        }
        if known().iter().any(|peer| peer.name == name) {
            return Err(format!("{name} is the name of another; {help}"));
        }
        Ok(Self { name: name.to_owned(), kind: Kind::Command(words) })
    }

    pub fn approach(&self) -> Option<&'static Approach> {
        match self.kind {
            Kind::Sibling(sibling) => Some(sibling.approach),
            _ => None,
        }
    }

    /// Whether it can be told how many bytes to send at a time.
    pub fn has_chunks(&self) -> bool {
        match &self.kind {
            Kind::Sibling(_) | Kind::Node => true,
            Kind::Nginx | Kind::Floor => false,
            Kind::Command(words) => words.iter().any(|word| word.contains("{chunk}")),
        }
    }

    /// Whether it serves more than one client at a time.
    pub fn serves_many(&self) -> bool {
        !matches!(self.kind, Kind::Floor)
    }

    /// The words that start it.
    pub fn words(&self, options: StartOptions<'_>) -> io::Result<Vec<OsString>> {
        let file = options.file.as_os_str().to_owned();
        let port = options.port.to_string();
        Ok(match &self.kind {
            Kind::Sibling(sibling) => {
                let log = if options.is_logging { "json" } else { "off" };
                let mut words = sibling.words(&this_program()?, options.file, options.port, log);
                let number = |flag: &str, number: u64| [flag.into(), number.to_string().into()];
                words.extend(options.chunk_bytes.iter().flat_map(|&n| number("--chunk-size", n)));
                words.extend(options.clients.iter().flat_map(|&n| number("--max-connections", n)));
                words
            }
            Kind::Nginx => nginx::words(options)?,
            Kind::Node => {
                let script =
                    Path::new(env!("CARGO_MANIFEST_DIR")).join("../lessons/node/original.mjs");
                let mut words = vec!["node".into(), script.into(), file, port.into()];
                words.extend(options.chunk_bytes.map(|bytes| bytes.to_string().into()));
                words
            }
            Kind::Floor => vec![this_program()?, floor::ARGUMENT.into(), file, port.into()],
            Kind::Command(words) => {
                let chunk = options.chunk_bytes.unwrap_or(64 * 1024).to_string();
                let fill = |word: &String| {
                    let word = word.replace("{port}", &port).replace("{chunk}", &chunk);
                    word.replace("{file}", &options.file.display().to_string()).into()
                };
                words.iter().map(fill).collect()
            }
        })
    }
}

/// What is measured is what was built.
fn this_program() -> io::Result<OsString> {
    env::current_exe().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> StartOptions<'static> {
        StartOptions {
            file: Path::new("/a b/file.bin"),
            port: 7,
            chunk_bytes: Some(1),
            is_logging: true,
            clients: None,
            folder: Path::new("/tmp"),
        }
    }

    #[test]
    fn names_are_unique_and_siblings_come_twice() {
        let names: Vec<String> = known().into_iter().map(|peer| peer.name).collect();
        assert_eq!(names[..4], ["std", "std-zero-copy", "tokio", "tokio-zero-copy"]);
        assert_eq!(names[8..], ["nginx", "node", "floor"]);
    }

    #[test]
    fn a_sibling_is_this_program() {
        let words = known()[3].words(options()).unwrap();
        let after: Vec<_> = words[1..].iter().map(|word| word.to_str().unwrap()).collect();
        let expected = "serve-tokio|/a b/file.bin|--host|127.0.0.1|--log|json|--port|7|\
                        --zero-copy|--chunk-size|1";
        assert_eq!(after.join("|"), expected);
    }

    #[test]
    fn a_command_has_places() {
        let peer = Peer::of_command("old='./serve old' {file} -p{port}").unwrap();
        assert_eq!(peer.words(options()).unwrap(), ["./serve old", "/a b/file.bin", "-p7"]);
        assert!(!peer.has_chunks());
        assert!(Peer::of_command("a={file} {port} {chunk}").unwrap().has_chunks());
        for wrong in ["old", "old=serve {file}", "={file} {port}", "std={file} {port}"] {
            assert!(Peer::of_command(wrong).is_err(), "{wrong}");
        }
    }
}
