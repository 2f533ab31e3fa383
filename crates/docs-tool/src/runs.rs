//! The fences of a page that show what commands print.

use std::collections::BTreeSet;
use std::env;
use std::path::PathBuf;
use std::sync::LazyLock;

use regex::Regex;

use crate::console::{self, Command};
use crate::markers::{self, Error, Marker, Options};
use crate::output::{self, Sameness};
use crate::page::{Block, Fence, Page};
use crate::stage::{Stage, last_line};

/// Five digits that a command names: a port that the page chose.
static FIVE_DIGITS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b\d{5}\b").expect("it is well-formed"));

/// The output for a fence.
#[derive(Debug, Default)]
pub struct Output {
    /// The lines that the fence should show. Lines without a relevant difference stay as they are
    /// shown.
    pub lines: Vec<String>,
    /// The differences. Each has its number of lines below the start of the fence.
    pub drifts: Vec<(usize, String)>,
    /// The errors, with the same line numbers.
    pub faults: Vec<(usize, Error)>,
}

impl Output {
    fn as_shown(fence: &Fence) -> Self {
        Self { lines: fence.shown.clone(), ..Self::default() }
    }

    fn with_fault(mut self, at: usize, error: Error) -> Self {
        self.faults.push((at, error));
        self
    }

    /// Replaces the shown lines by the actual lines if they differ.
    fn compare(&mut self, at: usize, shown: &[String], actual: Vec<String>, sameness: &Sameness) {
        match sameness.difference(shown, &actual) {
            Some((below, what)) => {
                self.drifts.push((at + below, what));
                self.lines.extend(actual);
            }
            None => self.lines.extend_from_slice(shown),
        }
    }
}

/// The commands of one page.
pub struct Runs<'a> {
    /// Where they run; without one, they are left out.
    pub stage: Option<Stage>,
    /// So many were run, or logs asked for.
    pub runs: usize,
    /// So many were not.
    pub left_out: usize,
    /// Programs that are not on this machine: what calls them is left out.
    pub missing: BTreeSet<&'static str>,
    folders: Vec<PathBuf>,
    is_check: bool,
    /// Without its server, nothing that follows can come out right.
    is_lost: bool,
    chosen: BTreeSet<String>,
    progress: &'a mut dyn FnMut(&str),
}

impl<'a> Runs<'a> {
    /// Those of this page, on this stage.
    pub fn on(
        page: &Page,
        stage: Option<Stage>,
        is_check: bool,
        progress: &'a mut dyn FnMut(&str),
    ) -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        Self {
            stage,
            runs: 0,
            left_out: 0,
            missing: BTreeSet::new(),
            folders: env::split_paths(&path).collect(),
            is_check,
            is_lost: false,
            chosen: chosen(page),
            progress,
        }
    }

    fn sameness(&self, options: &Options) -> Sameness {
        Sameness { compare: options.compare, chosen: self.chosen.clone() }
    }

    /// Whether a command calls what this machine does not have.
    fn is_missing(&mut self, command: &str) -> bool {
        let missing = console::missing(command, &self.folders);
        self.missing.extend(missing);
        missing.is_some()
    }

    /// Tells the command, and counts it.
    fn begin(&mut self, words: &str) {
        self.runs += 1;
        (self.progress)(&format!("  {words}"));
    }

    /// Runs each command of a fence.
    pub fn run(&mut self, fence: &Fence, options: &Options) -> Output {
        let commands = match console::commands(&fence.shown) {
            Ok(commands) => commands,
            Err(error) => return Output::as_shown(fence).with_fault(0, error),
        };
        let mut output = Output::default();
        let count = commands.len();
        for (number, command) in commands.into_iter().enumerate() {
            output.lines.extend_from_slice(&command.lines);
            // Those before the last lead up to it.
            let exit = if number + 1 == count { options.exit } else { 0 };
            self.run_one(&command, options, exit, &mut output);
        }
        output
    }

    fn run_one(&mut self, command: &Command, options: &Options, exit: i32, output: &mut Output) {
        let is_over = options.once.is_some() && (self.is_check || !command.shown.is_empty());
        let is_left_out = self.stage.is_none() || self.is_lost || is_over;
        if is_left_out || self.is_missing(&command.text()) {
            self.left_out += 1;
            output.lines.extend_from_slice(&command.shown);
            return;
        }
        let name = command.name();
        self.begin(&format!("$ {name}"));
        let Some(stage) = &mut self.stage else { return };
        let error = match stage.run(&command.text(), options.limit) {
            Ok(ran) if ran.code == exit => {
                let lines = output::lines(&ran.output, stage.root());
                match prompt_in(&lines) {
                    None => {
                        let lines = output::first_lines(lines, options.lines);
                        let sameness = self.sameness(options);
                        let at = command.at + command.lines.len() - 1;
                        return output.compare(at, &command.shown, lines, &sameness);
                    }
                    Some(error) => error,
                }
            }
            Ok(ran) => {
                let what = format!(
                    "expected exit code {exit}, got {}; {}",
                    ran.code,
                    last_line(&ran.output)
                );
                (what, "fix the command, or write `exit N` in its marker".to_owned())
            }
            Err(error) => error,
        };
        output.lines.extend_from_slice(&command.shown);
        output.faults.push((command.at, (format!("`{name}`: {}", error.0), error.1)));
    }

    /// Starts the one command of a fence.
    pub fn serve(&mut self, fence: &Fence, options: &Options) -> Output {
        let commands = match console::commands(&fence.shown) {
            Ok(commands) => commands,
            Err(error) => return Output::as_shown(fence).with_fault(0, error),
        };
        let [command] = &commands[..] else {
            let what = format!("{} commands instead of the server's one", commands.len());
            let help = "put the others into a `run` of their own";
            return Output::as_shown(fence).with_fault(0, (what, help.to_owned()));
        };
        self.is_lost = self.stage.is_some() && self.is_missing(&command.text());
        if self.stage.is_none() || self.is_lost {
            self.left_out += 1;
            return Output::as_shown(fence);
        }
        let name = command.name();
        self.begin(&format!("$ {name} &"));
        let Some(stage) = &mut self.stage else { return Output::as_shown(fence) };
        match stage.serve(&command.text(), self.progress) {
            Ok(said) => {
                let lines = output::lines(&said, stage.root());
                let lines = output::first_lines(lines, options.lines);
                let mut output = Output { lines: command.lines.clone(), ..Output::default() };
                let at = command.at + command.lines.len() - 1;
                output.compare(at, &command.shown, lines, &self.sameness(options));
                output
            }
            Err((what, help)) => {
                self.is_lost = true;
                Output::as_shown(fence).with_fault(command.at, (format!("`{name}`: {what}"), help))
            }
        }
    }

    /// What the server has said since it was last shown.
    pub fn log(&mut self, fence: &Fence, options: &Options) -> Output {
        if self.stage.is_none() || self.is_lost {
            self.left_out += 1;
            return Output::as_shown(fence);
        }
        self.begin("the server's log");
        let Some(stage) = &mut self.stage else { return Output::as_shown(fence) };
        match stage.log() {
            Ok(said) => {
                let lines = output::lines(&said, stage.root());
                let lines = output::first_lines(lines, options.lines);
                let mut output = Output::default();
                output.compare(0, &fence.shown, lines, &self.sameness(options));
                output
            }
            Err(error) => Output::as_shown(fence).with_fault(0, error),
        }
    }

    /// Ends the server.
    ///
    /// # Errors
    ///
    /// When there is none, or it does not end.
    pub fn stop(&mut self) -> Result<(), Error> {
        match &mut self.stage {
            Some(stage) if !self.is_lost => stage.stop(),
            _ => Ok(()),
        }
    }
}

/// A page's output would be read as a command the next time.
fn prompt_in(lines: &[String]) -> Option<Error> {
    let line = lines.iter().find(|line| line.starts_with(console::PROMPT))?;
    let what = format!("its output has a line like a command: `{line}`");
    Some((what, "let it print that otherwise, for example through `sed 's/^/  /'`".to_owned()))
}

/// The ports that a page's commands choose.
fn chosen(page: &Page) -> BTreeSet<String> {
    let mut is_run = false;
    let mut chosen = BTreeSet::new();
    for block in &page.blocks {
        match block {
            Block::Comment(comment) => {
                let marker = markers::parse(&comment.text);
                is_run = matches!(marker, Ok(Some(Marker::Run(_) | Marker::Serve(_))));
            }
            Block::Fence(fence) => {
                let commands = match is_run {
                    true => console::commands(&fence.shown).unwrap_or_default(),
                    false => Vec::new(),
                };
                for command in commands {
                    let text = command.text();
                    chosen
                        .extend(FIVE_DIGITS.find_iter(&text).map(|port| port.as_str().to_owned()));
                }
            }
        }
    }
    chosen
}
