//! Parses code blocks that contain commands and the output of each command. A command starts with
//! `$ `.

use std::path::PathBuf;

use crate::markers::Error;

/// The prompt at the start of each command.
pub const PROMPT: &str = "$ ";

/// A command in a code block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The distance from the opening fence of the code block to the command, in lines.
    pub at: usize,
    /// The lines of the command, including the prompt. A command continues on the next line if the
    /// line ends with `\`.
    pub lines: Vec<String>,
    /// The output that the page shows.
    pub shown: Vec<String>,
}

impl Command {
    /// Returns the text of the command without the prompt.
    pub fn text(&self) -> String {
        let text = self.lines.join("\n");
        text.strip_prefix(PROMPT).unwrap_or(&text).to_owned()
    }

    /// Returns the first line of the command.
    pub fn name(&self) -> String {
        self.text().lines().next().unwrap_or("").trim_end_matches('\\').trim_end().to_owned()
    }
}

/// Returns the commands in the lines of a code block.
pub fn commands(lines: &[String]) -> Result<Vec<Command>, Error> {
    let mut commands: Vec<Command> = Vec::new();
    let mut continues = false;
    for (at, line) in lines.iter().enumerate() {
        let is_command = continues || line.starts_with(PROMPT);
        match commands.last_mut() {
            Some(command) if continues => command.lines.push(line.clone()),
            _ if is_command => {
                let lines = vec![line.clone()];
                commands.push(Command { at: at + 1, lines, shown: Vec::new() });
            }
            Some(command) => command.shown.push(line.clone()),
            None => {
                let what = format!("`{line}` is before the first command");
                let help = "begin the code block with a command: `$ cargo run …`";
                return Err((what, help.to_owned()));
            }
        }
        continues = is_command && line.ends_with('\\');
    }
    if commands.is_empty() {
        let help = "put a line that begins with `$ ` into the code block";
        return Err(("the code block has no command".to_owned(), help.to_owned()));
    }
    Ok(commands)
}

/// Returns one list of `cargo` arguments for each program that the command runs with Cargo. With
/// these arguments, Cargo builds the program.
pub fn builds(text: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    let words = shell_words::split(&joined)
        .unwrap_or_else(|_| joined.split_whitespace().map(str::to_owned).collect());
    let is_end = |word: &&String| {
        word.as_str() == "--" || word.starts_with(['|', '&', ';', '<', '>', '2', ')', '#'])
    };
    let builds = words.windows(2).enumerate().filter_map(|(at, pair)| {
        let mut build: Vec<String> = match (pair[0].as_str(), pair[1].as_str()) {
            ("cargo", "run" | "r") => vec!["build".to_owned()],
            ("cargo", "test" | "t" | "bench") => vec![pair[1].clone(), "--no-run".to_owned()],
            _ => return None,
        };
        build.extend(words[at + 2..].iter().take_while(|word| !is_end(word)).cloned());
        let last = build.last_mut()?;
        *last = last.trim_end_matches([';', '&', ')']).to_owned();
        Some(build)
    });
    builds.collect()
}

/// The programs that the commands of pages call and that are not installed on every system.
const PROGRAMS: [&str; 8] = ["node", "npm", "just", "curl", "wget", "strace", "nginx", "python3"];

/// Returns the first of the [`PROGRAMS`] that a command calls and that is not in any of the
/// folders. Returns `None` if no program is missing.
pub fn missing(text: &str, folders: &[PathBuf]) -> Option<&'static str> {
    let words = shell_words::split(text).unwrap_or_default();
    // An argument can also be a command, for example `'node a.mjs {port}'`.
    let first = |word: &String| word.split(' ').next().unwrap_or("").to_owned();
    let called: Vec<String> = words.iter().map(first).collect();
    let is_called = |name: &str| called.iter().any(|it| it.trim_matches(['(', ')', ';']) == name);
    let is_installed = |name: &str| folders.iter().any(|folder| folder.join(name).is_file());
    PROGRAMS.into_iter().find(|name| is_called(name) && !is_installed(name))
}

/// Returns the arguments of `just` if the command runs a recipe, or `None` if it does not.
pub fn recipe(text: &str) -> Option<Vec<String>> {
    let mut words = shell_words::split(text).ok()?.into_iter();
    (words.next()? == "just").then(|| words.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_programs_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_owned()];
        assert_eq!(missing("node a.mjs; echo", &folders), Some("node"));
        assert_eq!(
            missing("cargo run -p conformance -- 'node a.mjs {port}'", &folders),
            Some("node")
        );
        assert_eq!(missing("echo nodes curly", &folders), None);
        std::fs::write(folder.path().join("node"), "").unwrap();
        assert_eq!(missing("node a.mjs", &folders), None);
    }

    #[test]
    fn the_builds_of_a_command_are_found() {
        let args = |text: &str| builds(text).iter().map(|it| it.join(" ")).collect::<Vec<_>>();
        assert_eq!(args("cargo run -p probe -- a:1 --close"), ["build -p probe"]);
        assert_eq!(args("cargo run -p serve-std &"), ["build -p serve-std"]);
        let both = "cargo run -q -p a | head; cargo test -p b 2>&1 | tail";
        assert_eq!(args(both), ["build -q -p a", "test --no-run -p b"]);
        assert_eq!(args("cargo run \\\n  -p a -- x"), ["build -p a"]);
        assert!(args("cargo tree").is_empty() && args("echo cargo").is_empty());
        assert_eq!(recipe("just exercise check 03").unwrap(), ["exercise", "check", "03"]);
        assert_eq!(recipe("cargo run"), None);
    }
}
