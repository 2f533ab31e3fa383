//! Estimates the time that a lesson takes, and checks that the lesson and the table of lessons
//! state this time.

use std::sync::LazyLock;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use regex::Regex;

use crate::common::{counted, pattern};
use crate::page::{Block, Page};
use crate::page_error::PageError;
use crate::paths;
use crate::repo::Repo;

/// The page that contains the table of lessons.
const LESSONS: &str = "lessons/README.md";

/// The reading speed for prose. Adults read nonfiction at 238 words per minute on average
/// (Brysbaert 2019). Technical prose takes longer.
const WORDS_PER_MINUTE: f64 = 200.0;
/// The assumed reading speed for code. A reader needs three seconds per line of new code.
const CODE_LINES_PER_MINUTE: f64 = 20.0;
/// The assumed time per command. In 30 seconds, a reader copies a command, runs it, and reads its
/// output.
const MINUTES_PER_COMMAND: f64 = 0.5;
/// The times that lessons state are multiples of this number of minutes.
const STEP_MINUTES: usize = 5;
/// The maximum time that a lesson may take. A longer lesson must be split.
const MINUTES_MAX: usize = 25;

static LESSON: LazyLock<Regex> = LazyLock::new(|| pattern(r"^lessons/\d\d-[^/]*\.md$"));
/// The row that states the time in the first table of a lesson.
static TIME: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^\|\s*Time\s*\|\s*(\d+) minutes\s*\|"));
/// A row of the table of lessons, with the link to a lesson and the number of minutes.
static ROW: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^\|[^|\n]*\]\((\d\d-[^)]*\.md)\)\s*\|\s*(\d+)\s*\|"));

/// The numbers of words, lines of code and commands in a lesson.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts {
    words: usize,
    code_lines: usize,
    commands: usize,
}

impl Parts {
    fn of(page: &Page) -> Self {
        let mut parts = Self { words: words(&page.text), ..Self::default() };
        for block in &page.blocks {
            let Block::Fence(fence) = block else { continue };
            match fence.language() {
                "console" => {
                    parts.commands += fence.shown.iter().filter(|it| it.starts_with("$ ")).count();
                }
                "text" | "" => {}
                _ => {
                    let lines = fence.shown.iter().filter(|line| !line.trim().is_empty());
                    parts.code_lines += lines.count();
                }
            }
        }
        parts
    }

    /// Returns the estimated time in minutes, rounded up to the next multiple of [`STEP_MINUTES`].
    fn minutes(&self) -> usize {
        let Self { words, code_lines, commands } = self;
        let minutes = *words as f64 / WORDS_PER_MINUTE
            + *code_lines as f64 / CODE_LINES_PER_MINUTE
            + *commands as f64 * MINUTES_PER_COMMAND;
        (minutes / STEP_MINUTES as f64).ceil() as usize * STEP_MINUTES
    }
}

/// Returns the number of words that a reader sees outside code blocks.
fn words(text: &str) -> usize {
    let mut prose = String::new();
    let mut is_in_code = false;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => is_in_code = true,
            Event::End(TagEnd::CodeBlock) => is_in_code = false,
            Event::Text(text) | Event::Code(text) if !is_in_code => prose.push_str(&text),
            Event::SoftBreak | Event::HardBreak => prose.push(' '),
            Event::End(
                TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::Item | TagEnd::TableCell,
            ) => prose.push(' '),
            _ => {}
        }
    }
    prose.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
}

/// Returns the errors in the time that a lesson states, or in the table of lessons.
pub fn errors(repo: &Repo, page: &Page) -> Vec<PageError> {
    match page.file.as_str() {
        LESSONS => errors_of_table(repo, page),
        file if LESSON.is_match(file) => error_of_lesson(page).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Returns the number of minutes that a lesson states, and the position of this number in the text.
/// Returns `None` if the lesson does not state its time.
fn stated(text: &str) -> Option<(usize, usize)> {
    let minutes = TIME.captures(text)?.get(1)?;
    Some((minutes.as_str().parse().ok()?, minutes.start()))
}

fn error_of_lesson(page: &Page) -> Option<PageError> {
    let (actual, position) = stated(&page.text)?;
    let parts = Parts::of(page);
    let expected = parts.minutes();
    let Parts { words, code_lines, commands } = parts;
    let code = if code_lines == 1 { "line of code" } else { "lines of code" };
    let (words, commands) = (counted(words, "word"), counted(commands, "command"));
    let parts = format!("{words}, {code_lines} {code}, {commands}");
    let (what, help) = match expected {
        _ if expected > MINUTES_MAX => (
            format!("expected at most {MINUTES_MAX} minutes, got {expected} ({parts})"),
            "shorten or split the lesson".to_owned(),
        ),
        _ if expected != actual => (
            format!("expected {expected} minutes ({parts}), got {actual}"),
            format!(
                "write `| Time | {expected} minutes |`, and write the same time in `{LESSONS}`"
            ),
        ),
        _ => return None,
    };
    Some(PageError::new(page.file.as_str(), page.line_at(position), what, help))
}

fn errors_of_table(repo: &Repo, page: &Page) -> Vec<PageError> {
    let mut errors = Vec::new();
    let mut add = |position, what, help: String| {
        errors.push(PageError::new(LESSONS, page.line_at(position), what, help));
    };
    let lessons = repo.children("lessons");
    let mut missing: Vec<&str> =
        lessons.iter().filter(|file| LESSON.is_match(file)).map(|file| paths::name(file)).collect();
    for row in ROW.captures_iter(&page.text) {
        let (name, actual) = (&row[1], &row[2]);
        let position = row.get(2).map_or(0, |minutes| minutes.start());
        missing.retain(|lesson| *lesson != name);
        // If the lesson of a row does not exist, the check of links reports the error.
        let Ok(text) = repo.read(&format!("lessons/{name}")) else { continue };
        match stated(&text) {
            None => {
                let help =
                    "add a row such as `| Time | 20 minutes |` to the first table of the lesson"
                        .to_owned();
                add(position, format!("`{name}` does not state its time"), help);
            }
            Some((expected, _)) if *actual != expected.to_string() => {
                let what = format!("expected {expected} minutes for `{name}`, got {actual}");
                add(position, what, "write the time that the lesson states".to_owned());
            }
            Some(_) => {}
        }
    }
    for name in missing {
        let help = format!("add the row `| [TITLE]({name}) | MINUTES | SUBJECT |`");
        add(0, format!("the table of lessons has no row for `{name}`"), help);
    }
    errors
}
