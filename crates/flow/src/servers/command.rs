//! The command lines of the servers.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The command that starts a server.
#[derive(Clone, Debug)]
pub enum Command {
    /// A sibling, such as `tokio`.
    Sibling(String),
    /// A server like a sibling that runs only if [`Setup::with_on_demand`] is set.
    ///
    /// [`Setup::with_on_demand`]: super::Setup::with_on_demand
    OnDemand(String),
    /// A command with the placeholders `{file}` and `{port}`.
    Other(String),
}

impl Command {
    /// Returns the words of the command, with the placeholders. A sibling runs as a process of this
    /// program, and selects its port itself.
    ///
    /// # Errors
    ///
    /// Fails if quotes are unbalanced, if a placeholder is missing, or if the path of this program
    /// is unknown.
    pub fn words(&self) -> anyhow::Result<Vec<String>> {
        let text = match self {
            Self::Sibling(name) | Self::OnDemand(name) => {
                let program = program().context("cannot find the program of the servers")?;
                let program = program.into_os_string().into_string();
                let Ok(program) = program else { bail!("the path of `flow` is not valid Unicode") };
                let arguments = "{file} --host 127.0.0.1 --port 0 --log json --log-chunks";
                let first = [program, format!("serve-{name}")].into_iter();
                return Ok(first.chain(arguments.split(' ').map(str::to_owned)).collect());
            }
            Self::Other(text) => text,
        };
        let words = shell_words::split(text)
            .with_context(|| format!("cannot parse the command `{text}`"))?;
        for placeholder in ["{file}", "{port}"] {
            if !words.iter().any(|word| word.contains(placeholder)) {
                bail!(
                    "the command `{text}` has no {placeholder}\n\
                     help: add the placeholder at the position of the value"
                );
            }
        }
        Ok(words)
    }

    /// Returns the number of bytes that the server sends before the file, or `None` if the number is
    /// unknown. `arguments` are the additional arguments of a sibling.
    #[must_use]
    pub(super) fn preamble_bytes(&self, arguments: &[&str]) -> Option<u64> {
        /// The length of the preamble `HTTP/1.1\n\n`, which is the default.
        const BARE_BYTES: u64 = 10;
        let has_preamble = arguments.iter().any(|argument| argument.starts_with("--preamble"));
        (!matches!(self, Self::Other(_)) && !has_preamble).then_some(BARE_BYTES)
    }

    /// Returns the name under which the page shows the server. For a command, these are the words
    /// before the first placeholder, without folders: `node server.mjs`.
    #[must_use]
    pub fn name(&self) -> String {
        let text = match self {
            Self::Sibling(name) | Self::OnDemand(name) => return name.clone(),
            Self::Other(text) => text,
        };
        let words = shell_words::split(text).unwrap_or_default();
        let words = words.iter().take_while(|word| !word.contains('{'));
        words.map(file_name).collect::<Vec<_>>().join(" ")
    }
}

/// Returns the names of servers. If several servers have the same name, the name is followed by the
/// number of the server, counted from 1.
#[must_use]
pub fn names(commands: &[Command]) -> Vec<String> {
    let names: Vec<String> = commands.iter().map(Command::name).collect();
    let is_repeated = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    let unique = names.iter().enumerate().map(|(index, name)| match is_repeated(name) {
        true => format!("{name} ({})", index + 1),
        false => name.clone(),
    });
    unique.collect()
}

/// Replaces the placeholders.
pub(super) fn with_values(words: &[String], file: &Path, port: u16) -> Vec<OsString> {
    // `{file}` is replaced last, because the path may contain the text of another placeholder.
    let values = [("{port}", port.to_string()), ("{file}", file.display().to_string())];
    let replace = |word: String, (place, value): &(&str, String)| word.replace(place, value);
    words.iter().map(|word| values.iter().fold(word.clone(), replace).into()).collect()
}

/// Returns a readable command line, without the folders of the program and of the file. For a
/// sibling, the command line begins with the name of the sibling's own program.
pub(super) fn display(words: &[OsString], file: &Path) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let words: &[_] = match &words[..] {
        [_, rest @ ..] if rest.first().is_some_and(|word| word.starts_with("serve-")) => rest,
        all => all,
    };
    let mut words: Vec<String> =
        words.iter().map(|word| word.replace(&*file.to_string_lossy(), file_name(file))).collect();
    if let Some(first) = words.first_mut() {
        *first = file_name(&*first).to_owned();
    }
    shell_words::join(words)
}

fn file_name<P: AsRef<Path> + ?Sized>(path: &P) -> &str {
    path.as_ref().file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Returns the path of the program `flow`, which contains the siblings.
fn program() -> io::Result<PathBuf> {
    let this = std::env::current_exe()?;
    // A test is a program in the folder `deps`, beside `flow`.
    match this.parent() {
        Some(folder) if folder.ends_with("deps") => {
            Ok(folder.with_file_name(format!("flow{EXE_SUFFIX}")))
        }
        _ => Ok(this),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_unique() {
        let other = |text: &str| Command::Other(text.to_owned());
        let commands = [
            Command::Sibling("tokio".to_owned()),
            other("/usr/bin/node 'my servers/server.mjs' {file} {port}"),
            other("./mine --port {port} {file}"),
            other("./mine --port {port} --fast {file}"),
        ];
        let expected = ["tokio", "node server.mjs", "mine --port (3)", "mine --port (4)"];
        assert_eq!(names(&commands), expected);
    }

    #[test]
    fn the_displayed_command_line_has_no_folders() {
        let file = Path::new("/tmp/highwater-x/file.bin");
        let words = Command::Other("/bin/serve {file} {port}".to_owned()).words().unwrap();
        let words = with_values(&words, file, 4711);
        assert_eq!(words, ["/bin/serve", "/tmp/highwater-x/file.bin", "4711"]);
        assert_eq!(display(&words, file), "serve file.bin 4711");
        let words = Command::Sibling("std".to_owned()).words().unwrap();
        let shown = display(&with_values(&words, file, 0), file);
        assert!(shown.starts_with("serve-std file.bin --host 127.0.0.1 --port 0"), "{shown}");
    }

    #[test]
    fn a_missing_placeholder_is_an_error() {
        let error = Command::Other("node server.mjs {file}".to_owned()).words().unwrap_err();
        assert!(error.to_string().contains("has no {port}\nhelp: "), "{error}");
    }
}
