//! Console fences: commands behind `$ `, and below each its output.

use std::path::PathBuf;

use crate::markers::Error;

/// What begins a command.
pub const PROMPT: &str = "$ ";

/// One command of a fence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// How many lines below the fence's beginning it stands.
    pub at: usize,
    /// As it stands, the sign included; more than one line where a `\` goes on.
    pub lines: Vec<String>,
    /// What is shown of its output.
    pub shown: Vec<String>,
}

impl Command {
    /// What a shell is given.
    #[must_use]
    pub fn text(&self) -> String {
        let text = self.lines.join("\n");
        text.strip_prefix(PROMPT).unwrap_or(&text).to_owned()
    }

    /// Its first line, to name it by.
    #[must_use]
    pub fn name(&self) -> String {
        let first = self.lines.first().map_or("", String::as_str);
        first.strip_prefix(PROMPT).unwrap_or(first).trim_end_matches('\\').trim_end().to_owned()
    }
}

/// The commands of a fence's lines.
///
/// # Errors
///
/// When there is none, or something stands before the first.
pub fn commands(lines: &[String]) -> Result<Vec<Command>, Error> {
    let mut commands: Vec<Command> = Vec::new();
    let mut goes_on = false;
    for (at, line) in lines.iter().enumerate() {
        match commands.last_mut() {
            Some(command) if goes_on => command.lines.push(line.clone()),
            _ if line.starts_with(PROMPT) => {
                let lines = vec![line.clone()];
                commands.push(Command { at: at + 1, lines, shown: Vec::new() });
            }
            Some(command) => command.shown.push(line.clone()),
            None if line.trim().is_empty() => {}
            None => {
                let what = format!("`{line}` stands before any command");
                return Err((what, "begin the fence with a command: `$ cargo run …`".to_owned()));
            }
        }
        let is_command = goes_on || line.starts_with(PROMPT);
        goes_on = is_command && line.ends_with('\\');
    }
    match commands.is_empty() {
        true => {
            let help = "put a line into the fence that begins with `$ `";
            Err(("there is no command to run".to_owned(), help.to_owned()))
        }
        false => Ok(commands),
    }
}

/// What has to be built before a command's time counts: the arguments of `cargo` for it.
#[must_use]
pub fn builds(text: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    let words = shell_words::split(&joined)
        .unwrap_or_else(|_| joined.split_whitespace().map(str::to_owned).collect());
    let mut builds = Vec::new();
    for (at, pair) in words.windows(2).enumerate() {
        let [cargo, subcommand] = pair else { continue };
        if cargo != "cargo" {
            continue;
        }
        let mut build: Vec<String> = match subcommand.as_str() {
            "run" | "r" => vec!["build".to_owned()],
            "test" | "t" | "bench" => vec![subcommand.clone(), "--no-run".to_owned()],
            _ => continue,
        };
        let is_end = |word: &&String| {
            word.as_str() == "--" || word.starts_with(['|', '&', ';', '<', '>', '2', ')', '#'])
        };
        build.extend(words[at + 2..].iter().take_while(|word| !is_end(word)).cloned());
        if let Some(last) = build.last_mut() {
            *last = last.trim_end_matches([';', '&', ')']).to_owned();
        }
        builds.push(build);
    }
    builds
}

/// Programs of others that not every machine has, and commands call.
const OTHERS: [&str; 8] = ["node", "npm", "just", "curl", "wget", "strace", "nginx", "python3"];

/// The program that a command calls and that is not found in these folders.
#[must_use]
pub fn missing(text: &str, folders: &[PathBuf]) -> Option<&'static str> {
    let words = shell_words::split(text).unwrap_or_default();
    // A command may be another's argument, as one word.
    let first = |word: &String| {
        word.split(' ').next().unwrap_or("").trim_matches(['(', ')', ';']).to_owned()
    };
    let called: Vec<String> = words.iter().map(first).collect();
    let is_called = |other: &&str| called.iter().any(|word| word == other);
    let is_there = |other: &str| folders.iter().any(|folder| folder.join(other).is_file());
    OTHERS.into_iter().filter(is_called).find(|other| !is_there(other))
}

/// What a `just` recipe is called with, if the command is one.
#[must_use]
pub fn recipe(text: &str) -> Option<Vec<String>> {
    let mut words = shell_words::split(text).ok()?.into_iter();
    (words.next()? == "just").then(|| words.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn commands_and_their_output_are_told_apart() {
        let commands = commands(&lines("$ a \\\n  b\nout\n\nmore\n$ c\n")).unwrap();
        assert_eq!(commands.len(), 2);
        assert_eq!(commands[0].text(), "a \\\n  b");
        assert_eq!(commands[0].name(), "a");
        assert_eq!(commands[0].shown, ["out", "", "more"]);
        assert_eq!((commands[1].at, commands[1].text().as_str()), (6, "c"));
    }

    #[test]
    fn a_fence_without_a_command_is_told() {
        assert_eq!(commands(&[]).unwrap_err().0, "there is no command to run");
        assert!(commands(&lines("out\n$ a")).unwrap_err().0.contains("before any command"));
    }

    #[test]
    fn a_program_that_is_not_there_is_known() {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let folders = [folder.path().to_owned()];
        assert_eq!(missing("node a.mjs; echo", &folders), Some("node"));
        assert_eq!(
            missing("cargo run -p conformance -- 'node a.mjs {port}'", &folders),
            Some("node")
        );
        assert_eq!(missing("echo nodes curly", &folders), None);
        std::fs::write(folder.path().join("node"), "").expect("it can be written");
        assert_eq!(missing("node a.mjs", &folders), None);
    }

    #[test]
    fn what_cargo_would_build_is_known() {
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
