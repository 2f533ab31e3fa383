//! Converts the output of commands for a page, and compares the output with the page.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::common::pattern;
use crate::markers::Options;

/// The line that replaces omitted lines.
const MORE: &str = "…";

static SHELL_LINE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(\S*bash): (?:-c: )?line \d+: "));
/// The time at the start of a line in a text log, and the times in a JSON log.
static LOG_TIME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*\d+\.\d{6}\b"));
static JSON_TIME: LazyLock<Regex> = LazyLock::new(|| pattern(r#""(at|wait)_us":\d+"#));
static PORT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(\d+\.\d+\.\d+\.\d+|localhost|\]|::1|::ffff:[\d.]+|port|connection)([:\s])(\d{5})\b")
});
/// The address of a client, which can be any address in the loopback network.
static LOOPBACK: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b127\.\d+\.\d+\.\d+:PORT"));
static PROCESS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(pid|Pid|PID|process|Process)([ =:]+)\d+\b"));
static TIME_WITH_UNIT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\d+(?:[.,]\d+)*\s?(?:ns|µs|us|ms|s)\b"));
static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\d+(?:[.,]\d+)*"));
static SPACES: LazyLock<Regex> = LazyLock::new(|| pattern(r"[ \t]+"));
static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[^\W\d_]+"));

/// Returns at most `max` lines of an output, or all lines if `max` is `None`. Removes colors and
/// the path of the repository.
pub fn lines(raw: &[u8], root: &Path, max: Option<usize>) -> Vec<String> {
    let text = String::from_utf8_lossy(raw).replace("\r\n", "\n");
    let text = console::strip_ansi_codes(&text);
    let root = root.to_string_lossy();
    let inside = format!("{root}/");
    let mut lines: Vec<String> = text
        .lines()
        // On a terminal, the text after a carriage return overwrites the line.
        .map(|line| line.trim_end_matches('\r').rsplit('\r').next().unwrap_or(""))
        .map(|line| line.replace(&inside, "").replace(&*root, "."))
        .map(|line| SHELL_LINE.replace(&line, "$1: ").into_owned())
        .map(|line| line.trim_end().chars().map(printable).collect())
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    if let Some(max) = max.filter(|&max| lines.len() > max) {
        lines.truncate(max);
        lines.push(MORE.to_owned());
    }
    lines
}

fn printable(c: char) -> String {
    if c.is_control() && c != '\t' { c.escape_default().to_string() } else { c.to_string() }
}

/// Compares the output that a page shows with the actual output. Ignores the parts that differ
/// between runs.
#[derive(Debug)]
pub struct Comparison<'a> {
    pub options: &'a Options,
    /// The ports in the commands of the page. The output must contain the same ports. All other
    /// ports can differ.
    pub chosen_ports: &'a BTreeSet<String>,
}

impl Comparison<'_> {
    /// Finds the first difference between the shown lines and the actual lines. Returns its
    /// distance from the opening fence of the code block, in lines, and a message. Returns `None`
    /// if there is no difference.
    pub fn difference(&self, shown: &[String], actual: &[String]) -> Option<(usize, String)> {
        if shown.is_empty() || self.options.shape {
            return match shown.is_empty() {
                true => first_difference(shown, actual, |line| line.to_owned()),
                false => shape_difference(shown, actual),
            };
        }
        if !self.options.any_order {
            return first_difference(shown, actual, |line| self.normalized(line));
        }
        let sorted = |lines: &[String]| {
            let mut lines: Vec<String> = lines.iter().map(|line| self.normalized(line)).collect();
            lines.sort();
            lines
        };
        let sorted_actual = sorted(actual);
        if sorted(shown) == sorted_actual {
            return None;
        }
        let is_missing = |line: &String| !sorted_actual.contains(&self.normalized(line));
        let at = shown.iter().position(is_missing).unwrap_or(shown.len() - 1);
        Some((at + 1, format!("the output does not contain `{}`", shown[at])))
    }

    /// Replaces the parts of a line that differ between runs.
    fn normalized(&self, line: &str) -> String {
        let line = LOG_TIME.replace(line, "0.000000");
        let line = JSON_TIME.replace_all(&line, "\"${1}_us\":0");
        let line = PORT.replace_all(&line, |port: &Captures<'_>| {
            match self.chosen_ports.contains(&port[3]) {
                true => port[0].to_owned(),
                false => format!("{}{}PORT", &port[1], &port[2]),
            }
        });
        let line = LOOPBACK.replace_all(&line, "127.0.0.1:PORT");
        let line = PROCESS.replace_all(&line, "${1}${2}0").trim_end().to_owned();
        if !self.options.vary {
            return line;
        }
        let line = TIME_WITH_UNIT.replace_all(&line, "TIME");
        let line = NUMBER.replace_all(&line, "0");
        SPACES.replace_all(line.trim(), " ").into_owned()
    }
}

/// Finds the first difference between the lines of a code block and the actual lines. Returns its
/// distance from the opening fence of the code block, in lines, and a message. Returns `None` if
/// there is no difference.
pub fn first_difference(
    shown: &[String],
    actual: &[String],
    normalized: impl Fn(&str) -> String,
) -> Option<(usize, String)> {
    let is_same = |(shown, actual): &(&String, &String)| normalized(shown) == normalized(actual);
    let same = shown.iter().zip(actual).take_while(is_same).count();
    let what = match (shown.get(same), actual.get(same)) {
        (None, None) => return None,
        (None, Some(_)) if shown.is_empty() => {
            return Some((0, format!("expected {} lines, the page shows none", actual.len())));
        }
        (Some(shown), Some(actual)) => format!("expected `{actual}`, the page shows `{shown}`"),
        (Some(shown), None) => format!("expected no more lines, the page shows `{shown}`"),
        (None, Some(actual)) => format!("expected `{actual}`, the page shows no more lines"),
    };
    Some((same + 1, what))
}

/// Finds the first line of the page whose words no single line of the output contains. Returns its
/// distance from the opening fence of the code block, in lines, and a message. Returns `None` if
/// there is no such line.
fn shape_difference(shown: &[String], actual: &[String]) -> Option<(usize, String)> {
    let words = |line: &str| -> BTreeSet<String> {
        // A time can have a different unit in the next run, so the units of times are not compared.
        let line = TIME_WITH_UNIT.replace_all(line, "");
        WORD.find_iter(&line).map(|word| word.as_str().to_owned()).collect()
    };
    let actual: Vec<BTreeSet<String>> = actual.iter().map(|line| words(line)).collect();
    let is_missing = |line: &String| {
        let words = words(line);
        line != MORE && !words.is_empty() && !actual.iter().any(|line| words.is_subset(line))
    };
    let at = shown.iter().position(is_missing)?;
    Some((at + 1, format!("no line of the output contains the words of `{}`", shown[at])))
}
