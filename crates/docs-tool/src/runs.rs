//! Runs the commands of pages, and compares their output with the pages.

use std::collections::BTreeSet;
use std::env;
use std::path::PathBuf;
use std::sync::LazyLock;

use regex::Regex;

use crate::common::{pattern, report};
use crate::console::{self, Command};
use crate::markers::{Error, Options, TIME_LIMIT};
use crate::output::{self, Comparison};
use crate::page::{Block, Fence, Page};
use crate::stage::{Stage, last_line};

/// Matches a number with five digits. In a command, the tool treats such a number as a port.
static FIVE_DIGITS: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b\d{5}\b"));

/// The result of the commands in a code block.
#[derive(Debug, Default)]
pub struct Output {
    /// The new lines of the code block. If the output of a command has no relevant difference, the
    /// lines of this output are not changed.
    pub lines: Vec<String>,
    /// The differences. Each entry has the distance from the opening fence of the code block, in
    /// lines, and a message.
    pub drifts: Vec<(usize, String)>,
    /// The errors. Each entry has the distance from the opening fence of the code block, in lines,
    /// and the error.
    pub errors: Vec<(usize, Error)>,
}

/// Runs the commands of pages.
#[derive(Debug, Default)]
pub struct Runs {
    /// The stage, which runs commands. If there is no stage, all commands are skipped.
    stage: Option<Stage>,
    /// The number of commands that were run, plus the number of logs that were read.
    pub runs: usize,
    pub skipped: usize,
    /// The programs that are not installed. Commands that call one of these programs are skipped.
    pub missing: BTreeSet<&'static str>,
    folders: Vec<PathBuf>,
    /// Indicates whether the server of the page failed to start. If the server failed to start, the
    /// later commands of the page are skipped.
    has_no_server: bool,
    chosen_ports: BTreeSet<String>,
}

impl Runs {
    pub fn on(stage: Option<Stage>) -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        Self { stage, folders: env::split_paths(&path).collect(), ..Self::default() }
    }

    /// Prepares for the commands of a page.
    pub fn begin(&mut self, page: &Page) {
        self.has_no_server = false;
        self.chosen_ports = ports(page);
    }

    /// Stops the server of the page.
    pub fn end(&mut self) {
        if let Some(stage) = &mut self.stage {
            stage.clear();
        }
    }

    /// Returns the stage if the command can run. If the command cannot run, counts it as skipped
    /// and returns `None`.
    fn stage_for(&mut self, command: &str) -> Option<&mut Stage> {
        let missing = console::missing(command, &self.folders);
        if self.stage.is_none() || self.has_no_server || missing.is_some() {
            if self.stage.is_some() {
                self.missing.extend(missing);
            }
            self.skipped += 1;
            return None;
        }
        self.runs += 1;
        self.stage.as_mut()
    }

    /// Adds a command to `output`. Then adds the actual lines if they differ from the shown lines,
    /// or else the shown lines. If the command was skipped, `actual` is `None`.
    fn add(
        &self,
        output: &mut Output,
        command: &Command,
        actual: Result<Option<Vec<String>>, Error>,
        options: &Options,
    ) {
        let Command { at, lines, shown } = command;
        output.lines.extend_from_slice(lines);
        let comparison = Comparison { options, chosen_ports: &self.chosen_ports };
        match actual {
            Ok(Some(actual)) => {
                if let Some((below, what)) = comparison.difference(shown, &actual) {
                    output.drifts.push(((at + lines.len()).saturating_sub(1) + below, what));
                    return output.lines.extend(actual);
                }
            }
            Ok(None) => {}
            Err(error) => output.errors.push((*at, error)),
        }
        output.lines.extend_from_slice(shown);
    }

    /// Runs each command of a code block.
    pub fn run(&mut self, fence: &Fence, options: &Options) -> Result<Output, Error> {
        let mut output = Output::default();
        let commands = console::commands(&fence.shown)?;
        for (number, command) in commands.iter().enumerate() {
            let exit = if number + 1 == commands.len() { options.exit } else { 0 };
            let actual = self.run_one(command, options, exit);
            self.add(&mut output, command, actual.map_err(|it| named(command, it)), options);
        }
        Ok(output)
    }

    /// Runs a command. Returns the lines of its output, or `None` if the command was skipped.
    fn run_one(
        &mut self,
        command: &Command,
        options: &Options,
        exit: i32,
    ) -> Result<Option<Vec<String>>, Error> {
        let text = command.text();
        let Some(stage) = self.stage_for(&text) else { return Ok(None) };
        report(format_args!("  $ {}", command.name()));
        let ran = stage.run(&text, options.limit.unwrap_or(TIME_LIMIT))?;
        if ran.code != exit {
            let last = last_line(&ran.output);
            let what = format!("expected exit code {exit}, got {}; {last}", ran.code);
            return Err((what, "fix the command, or write `exit N` in the marker".to_owned()));
        }
        let lines = output::lines(&ran.output, stage.root(), options.lines);
        match lines.iter().find(|line| line.starts_with(console::PROMPT)) {
            None => Ok(Some(lines)),
            Some(line) => {
                let what = format!("the output has a line that looks like a command: `{line}`");
                Err((what, "change the output, for example with `| sed 's/^/  /'`".to_owned()))
            }
        }
    }

    /// Starts the server whose command is in a code block.
    pub fn serve(&mut self, fence: &Fence, options: &Options) -> Result<Output, Error> {
        let commands = console::commands(&fence.shown)?;
        let [command] = &commands[..] else {
            let what = format!("expected 1 command, got {}", commands.len());
            let help = "move the other commands to a code block with the marker `run`";
            return Err((what, help.to_owned()));
        };
        let is_available = self.stage.is_some();
        let served = self.stage_for(&command.text()).map(|stage| {
            report(format_args!("  $ {} &", command.name()));
            let raw = stage.serve(&command.text(), &mut |line| report(line))?;
            Ok(output::lines(&raw, stage.root(), options.lines))
        });
        self.has_no_server = is_available && !matches!(served, Some(Ok(_)));
        let mut output = Output::default();
        let actual = served.transpose().map_err(|error| named(command, error));
        self.add(&mut output, command, actual, options);
        Ok(output)
    }

    /// Returns the output that the server has printed since the last marker `serve` or `log`.
    pub fn log(&mut self, fence: &Fence, options: &Options) -> Output {
        let log = self.stage_for("").map(|stage| {
            report("  the server's log");
            stage.log().map(|raw| output::lines(&raw, stage.root(), options.lines))
        });
        let mut output = Output::default();
        let shown = Command { shown: fence.shown.clone(), ..Command::default() };
        self.add(&mut output, &shown, log.transpose(), options);
        output
    }

    /// Stops the server of the page.
    pub fn stop(&mut self) -> Result<(), Error> {
        match &mut self.stage {
            Some(stage) if !self.has_no_server => stage.stop(),
            _ => Ok(()),
        }
    }
}

/// Adds the first line of a command to the description of an error.
fn named(command: &Command, (what, help): Error) -> Error {
    (format!("`{}`: {what}", command.name()), help)
}

/// Returns the ports in the commands of a page.
fn ports(page: &Page) -> BTreeSet<String> {
    let commands = page.blocks.iter().filter_map(|block| match block {
        Block::Fence(fence) => console::commands(&fence.shown).ok(),
        Block::Comment(_) => None,
    });
    let text: String = commands.flatten().map(|command| command.text() + "\n").collect();
    FIVE_DIGITS.find_iter(&text).map(|port| port.as_str().to_owned()).collect()
}
