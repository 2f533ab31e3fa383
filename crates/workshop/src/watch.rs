//! The command `watch`, which grades an exercise again whenever the learner saves a file.

use std::io::{self, BufRead};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use console::Style;

use crate::course::Course;
use crate::exercise::Exercise;
use crate::folders::{self, Files, display_path};
use crate::grading::{Grading, Watched};
use crate::learn::{self, Hints};
use crate::output;
use crate::progress::Progress;
use crate::report::{self, Snapshot};
use crate::screen::{Input, Screen};

/// The interval at which the files are read. Reading a few small files takes less than a
/// millisecond. Polling also works in folders without change notifications, such as folders that a
/// container shares with its host.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The keys and their actions. The line and [`RESULT_KEY`] fit into 80 columns.
const KEYS: &str = "h hint  a full text  r rerun  n next  p back  l list  q quit";

/// The action of the other keys while another text replaces the result.
const RESULT_KEY: &str = "  other key: result";

/// Checks an exercise now and after every change, until the learner quits.
pub fn watch(course: &Course, first: &Exercise) -> Result<bool> {
    let source = match Screen::open()? {
        Some(screen) => Source::Screen(screen),
        None => Source::Lines(read_lines()),
    };
    let mut watch = Watch {
        course,
        exercise: first,
        source,
        grading: None,
        checked: Files::new(),
        last: Files::new(),
        snapshot: Snapshot::default(),
        text: None,
        focus: 0,
        is_whole: false,
    };
    watch.start()?;
    loop {
        let input = watch.source.read()?;
        if input == Some(Input::Key('q')) {
            return Ok(true);
        }
        match input {
            Some(Input::Key(key)) => watch.act(key)?,
            Some(Input::Resized) => watch.draw()?,
            None => watch.poll_files()?,
        }
        watch.poll_grading()?;
    }
}

/// The source of the learner's input.
enum Source {
    Screen(Screen),
    /// If there is no terminal, each line is a key.
    Lines(Receiver<String>),
}

impl Source {
    fn read(&self) -> Result<Option<Input>> {
        Ok(match self {
            Self::Screen(screen) => screen.read(POLL_INTERVAL)?,
            Self::Lines(lines) => lines
                .recv_timeout(POLL_INTERVAL)
                .ok()
                .map(|line| Input::Key(line.trim().chars().next().unwrap_or('r'))),
        })
    }
}

/// Returns the lines of stdin.
fn read_lines() -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
        // Keep the channel open, so that `recv_timeout` still waits after the end of stdin.
        loop {
            thread::park();
        }
    });
    lines
}

/// The state of the command.
struct Watch<'a> {
    course: &'a Course,
    exercise: &'a Exercise,
    source: Source,
    /// The check that runs, or `None` if it has ended.
    grading: Option<Grading>,
    /// The files that were checked last.
    checked: Files,
    /// The files at the last poll.
    last: Files,
    snapshot: Snapshot,
    /// The text that the learner requested, or `None` to show the snapshot.
    text: Option<String>,
    /// The index of the line of `text` that must be visible.
    focus: usize,
    /// Indicates whether the learner requested all lines.
    is_whole: bool,
}

impl<'a> Watch<'a> {
    /// Starts a check. Cancels the check that runs.
    fn start(&mut self) -> Result<()> {
        self.grading = None;
        self.checked = self.sources();
        self.last = self.checked.clone();
        (self.text, self.is_whole) = (None, false);
        self.snapshot = Snapshot { status: "building …".to_owned(), ..Snapshot::default() };
        let watched = match &self.source {
            Source::Lines(_) => Watched::Lines,
            Source::Screen(_) if console::colors_enabled() => Watched::Color,
            Source::Screen(_) => Watched::Plain,
        };
        self.grading = Some(Grading::start(self.course, self.exercise, watched)?);
        self.draw()
    }

    /// Starts a check if the files were saved.
    fn poll_files(&mut self) -> Result<()> {
        let now = self.sources();
        // An editor may write a file in several steps, or write a new file and rename it.
        // Therefore, the files count as saved only if they have not changed between two polls.
        let is_saved = now != self.checked && now == self.last;
        let is_complete = now.get(Path::new("main.rs")).is_some_and(|main| !main.is_empty());
        self.last = now;
        if !is_saved || !is_complete {
            return Ok(());
        }
        self.print_line("Saved: checking again.");
        self.start()
    }

    fn poll_grading(&mut self) -> Result<()> {
        let Some(grading) = &mut self.grading else { return Ok(()) };
        let update = grading.update();
        let has_changed = update.snapshot.is_some() || update.has_ended;
        if let Some(snapshot) = update.snapshot {
            self.snapshot = snapshot;
        }
        if update.has_ended {
            self.grading = None;
            self.print_waiting();
        }
        match has_changed {
            true => self.draw(),
            false => Ok(()),
        }
    }

    fn act(&mut self, key: char) -> Result<()> {
        let (course, exercise) = (self.course, self.exercise);
        match key {
            'r' => return self.start(),
            'h' => self.show(|| learn::hint(course, exercise, Hints::Watch)),
            'l' => {
                self.show(|| learn::list(course));
                let next = course.next(&Progress::read(&course.work)?);
                let words = next.map(|next| format!(" {}  next ", next.number));
                let mut lines = self.text.as_deref().unwrap_or_default().lines();
                let focus = words.and_then(|words| lines.position(|line| line.contains(&words)));
                self.focus = focus.unwrap_or(0);
            }
            'a' if self.text.is_some() && self.is_whole => {
                (self.text, self.is_whole) = (None, false);
            }
            'a' => self.is_whole = !self.is_whole,
            'n' => match course.following(exercise) {
                Some(next) => return self.change_exercise(next),
                None => self.show_text("This is the last exercise."),
            },
            'p' => match course.previous(exercise) {
                Some(previous) => return self.change_exercise(previous),
                None => self.show_text("This is the first exercise."),
            },
            _ => self.text = None,
        }
        self.print_waiting();
        self.draw()
    }

    fn change_exercise(&mut self, exercise: &'a Exercise) -> Result<()> {
        self.exercise = exercise;
        if matches!(self.source, Source::Lines(_)) {
            learn::print_exercise(self.course, exercise);
        }
        self.start()
    }

    fn show_text(&mut self, text: &str) {
        self.print_line(text);
        (self.text, self.focus, self.is_whole) = (Some(text.to_owned()), 0, false);
    }

    /// Shows what `print` prints, or its error.
    fn show<T>(&mut self, print: impl FnOnce() -> Result<T>) {
        let mut error = None;
        let mut text = output::capture(|| error = print().err());
        if let Some(error) = error {
            text += &output::error_lines(&error).join("\n");
        }
        self.show_text(text.trim());
    }

    fn draw(&self) -> Result<()> {
        let Source::Screen(screen) = &self.source else { return Ok(()) };
        let Exercise { number, plan, .. } = self.exercise;
        let done = self.course.done_line(&Progress::read(&self.course.work).unwrap_or_default());
        let heading = format!("Exercise {number}, {}   ({done} done)", plan.title);
        let status = match &self.grading {
            Some(_) => self.snapshot.status.clone(),
            None => format!("{}; waiting until you save", self.snapshot.status),
        };
        let top = [
            Style::new().bold().apply_to(heading).to_string(),
            format!("edit    {}", report::edited_line(self.course, self.exercise)),
            format!("status  {status}"),
        ];
        let text = match (&self.text, self.is_whole) {
            (Some(text), _) => (text.as_str(), self.focus),
            (None, true) => (self.snapshot.all.as_str(), 0),
            (None, false) => (self.snapshot.brief.as_str(), 0),
        };
        let result_key = if self.text.is_some() { RESULT_KEY } else { "" };
        let keys = Style::new().reverse().apply_to(format!("{KEYS}{result_key}")).to_string();
        Ok(screen.draw(&top, text, &keys, self.is_whole)?)
    }

    /// Prints a line if there is no terminal.
    fn print_line(&self, line: &str) {
        if matches!(self.source, Source::Lines(_)) {
            output::line(line);
        }
    }

    /// Prints the possible actions if there is no terminal and no check runs.
    fn print_waiting(&self) {
        if self.grading.is_none() {
            let file = display_path(&self.course.main_file(self.exercise));
            self.print_line(&format!("\nWaiting for changes to {file}"));
            self.print_line(&format!("Enter a letter: {KEYS}"));
        }
    }

    /// Returns the Rust source files and the Cargo.toml of the exercise, or no files if they cannot
    /// be read.
    fn sources(&self) -> Files {
        let mut files =
            folders::read(&self.course.source_folder(self.exercise)).unwrap_or_default();
        // Ignore an editor's temporary files.
        files.retain(|name, _| name.extension().is_some_and(|extension| extension == "rs"));
        let manifest = self.course.work.join(&self.exercise.name).join("Cargo.toml");
        if let Ok(content) = std::fs::read(manifest) {
            files.insert("Cargo.toml".into(), content);
        }
        files
    }
}
