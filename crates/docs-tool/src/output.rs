//! What commands print: made fit for a page, and compared with what a page shows.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::markers::Compare;

/// What follows where lines are left out.
pub const MORE: &str = "…";

fn regex(expression: &str) -> Regex {
    Regex::new(expression).expect("the expressions here are well-formed")
}

static SHELL_LINE: LazyLock<Regex> = LazyLock::new(|| regex(r"^(\S*bash): (?:-c: )?line \d+: "));
/// The time at a line's beginning in a text log, and those of a JSON log.
static LOG_TIME: LazyLock<Regex> = LazyLock::new(|| regex(r"^\s*\d+\.\d{6}\b"));
static JSON_TIME: LazyLock<Regex> = LazyLock::new(|| regex(r#""(at|wait)_us":\d+"#));
static PORT: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(\d+\.\d+\.\d+\.\d+|localhost|\]|::1|::ffff:[\d.]+|port|connection)([:\s])(\d{5})\b")
});
/// All of this network is this machine; a client may take any address of it.
static OWN: LazyLock<Regex> = LazyLock::new(|| regex(r"\b127\.\d+\.\d+\.\d+:PORT"));
static PROCESS: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\b(pid|Pid|PID|process|Process)([ =:]+)\d+\b"));
static TIME_WITH_UNIT: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\d+(?:[.,]\d+)*\s?(?:ns|µs|us|ms|s)\b"));
static NUMBER: LazyLock<Regex> = LazyLock::new(|| regex(r"\d+(?:[.,]\d+)*"));
static SPACES: LazyLock<Regex> = LazyLock::new(|| regex(r"[ \t]+"));
static WORD: LazyLock<Regex> = LazyLock::new(|| regex(r"[^\W\d_]+"));

/// Lines as they can stand on a page: without colours, and without this machine's paths.
#[must_use]
pub fn lines(raw: &[u8], root: &Path) -> Vec<String> {
    let text = String::from_utf8_lossy(raw).replace("\r\n", "\n");
    let text = console::strip_ansi_codes(&text);
    let root = root.to_string_lossy();
    let inside = format!("{root}/");
    let mut lines: Vec<String> = text
        .lines()
        // A line that was written over is what it became.
        .map(|line| line.trim_end_matches('\r').rsplit('\r').next().unwrap_or(""))
        .map(|line| line.replace(&inside, "").replace(&*root, "."))
        .map(|line| SHELL_LINE.replace(&line, "$1: ").into_owned())
        .map(|line| line.trim_end().chars().map(printable).collect())
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

fn printable(c: char) -> String {
    if c.is_control() && c != '\t' { c.escape_default().to_string() } else { c.to_string() }
}

/// The first so many lines, and a sign that there were more.
#[must_use]
pub fn first_lines(mut lines: Vec<String>, count: Option<usize>) -> Vec<String> {
    if let Some(count) = count.filter(|&count| lines.len() > count) {
        lines.truncate(count);
        lines.push(MORE.to_owned());
    }
    lines
}

/// Whether two outputs say the same, but for what differs from run to run.
#[derive(Clone, Debug, Default)]
pub struct Sameness {
    /// As the marker says.
    pub compare: Compare,
    /// Numbers that the page's commands choose: such a port is not the system's.
    pub chosen: BTreeSet<String>,
}

impl Sameness {
    /// None if they are the same; else how many lines below the beginning they differ first, and
    /// in what.
    #[must_use]
    pub fn difference(&self, shown: &[String], actual: &[String]) -> Option<(usize, String)> {
        if shown.is_empty() && !actual.is_empty() {
            return Some((0, format!("nothing is shown of {} lines of output", actual.len())));
        }
        if self.compare.shape {
            return shape_difference(shown, actual);
        }
        let mut shown_alike: Vec<String> = shown.iter().map(|line| self.alike(line)).collect();
        let mut actual_alike: Vec<String> = actual.iter().map(|line| self.alike(line)).collect();
        if self.compare.any_order {
            shown_alike.sort();
            actual_alike.sort();
            if shown_alike == actual_alike {
                return None;
            }
            let missing = shown.iter().position(|line| !actual_alike.contains(&self.alike(line)));
            let at = missing.unwrap_or(shown.len().saturating_sub(1));
            let what = format!("`{}` did not come", shown.get(at).map_or("", String::as_str));
            return Some((at + 1, what));
        }
        let pairs = shown_alike.iter().zip(&actual_alike);
        let same = pairs.take_while(|(shown, actual)| shown == actual).count();
        match (shown.get(same), actual.get(same)) {
            (None, None) => None,
            (Some(shown), Some(actual)) => {
                Some((same + 1, format!("it shows `{shown}`, but `{actual}` came")))
            }
            (Some(shown), None) => {
                Some((same + 1, format!("it shows `{shown}`, which did not come")))
            }
            (None, Some(actual)) => {
                Some((same + 1, format!("it does not show `{actual}`, which came")))
            }
        }
    }

    /// A line without what differs from run to run.
    fn alike(&self, line: &str) -> String {
        let line = LOG_TIME.replace(line, "0.000000");
        let line = JSON_TIME.replace_all(&line, "\"${1}_us\":0");
        let line =
            PORT.replace_all(&line, |port: &Captures<'_>| match self.chosen.contains(&port[3]) {
                true => port[0].to_owned(),
                false => format!("{}{}PORT", &port[1], &port[2]),
            });
        let line = OWN.replace_all(&line, "127.0.0.1:PORT");
        let line = PROCESS.replace_all(&line, "${1}${2}0").trim_end().to_owned();
        if !self.compare.vary {
            return line;
        }
        let line = TIME_WITH_UNIT.replace_all(&line, "TIME");
        let line = NUMBER.replace_all(&line, "0");
        SPACES.replace_all(line.trim(), " ").into_owned()
    }
}

/// Each shown line's words, letters only, have to be together in one line of the actual
/// output.
fn shape_difference(shown: &[String], actual: &[String]) -> Option<(usize, String)> {
    let words = |line: &str| -> BTreeSet<String> {
        // A time may have another unit next time.
        let line = TIME_WITH_UNIT.replace_all(line, "");
        WORD.find_iter(&line).map(|word| word.as_str().to_owned()).collect()
    };
    let actual: Vec<BTreeSet<String>> = actual.iter().map(|line| words(line)).collect();
    let is_missing = |line: &String| {
        let words = words(line);
        line != MORE && !words.is_empty() && !actual.iter().any(|line| words.is_subset(line))
    };
    let at = shown.iter().position(is_missing)?;
    Some((at + 1, format!("no line came with the words of `{}`", shown[at])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    fn same(compare: Compare, shown: &[&str], actual: &[&str]) -> bool {
        let sameness = Sameness { compare, chosen: ["40000".to_owned()].into() };
        sameness.difference(&text(shown), &text(actual)).is_none()
    }

    const EXACT: Compare = Compare { vary: false, shape: false, any_order: false };
    const VARY: Compare = Compare { vary: true, ..EXACT };
    const SHAPE: Compare = Compare { shape: true, ..EXACT };
    const ANY_ORDER: Compare = Compare { any_order: true, ..EXACT };

    #[test]
    fn output_is_made_fit_for_a_page() {
        let raw = b"\x1b[1mbold\x1b[0m  \r\n 1%\r 2%\rdone\n/r/target/x in /r\nbash: line 2: y: no\n\x07\n\n\n";
        let lines = lines(raw, Path::new("/r"));
        assert_eq!(lines, ["bold", "done", "target/x in .", "bash: y: no", "\\u{7}"]);
        assert_eq!(first_lines(text(&["a", "b", "c"]), Some(2)), ["a", "b", "…"]);
        assert_eq!(first_lines(text(&["a", "b"]), Some(2)), ["a", "b"]);
    }

    #[test]
    fn times_of_logs_ports_and_processes_are_always_the_same() {
        let is = |shown: &str, actual: &str| same(EXACT, &[shown], &[actual]);
        let connected = "   0.000425  #1 connected: 127.0.0.1:37078";
        assert!(!is(connected, "  12.1  #1 x"));
        assert!(is(connected, "  12.000001  #1 connected: 127.0.0.1:50000"));
        assert!(is(connected, "   0.000425  #1 connected: 127.34.5.6:50000"));
        assert!(is(r#"{"at_us":1,"wait_us":2}"#, r#"{"at_us":30,"wait_us":4}"#));
        assert!(is("pid 12, PID=3", "pid 4567, PID=89"));
        assert!(!is("127.0.0.1:40000", "127.0.0.1:40001"), "the page chose this port");
        assert!(!is("sent 156926", "sent 156927") && !is("127.0.0.1:4000", "127.0.0.1:4001"));
    }

    #[test]
    fn what_may_vary_is_compared_without_its_numbers() {
        assert!(same(VARY, &["a   12.5 ms, 1,000 b"], &["a 900 µs, 7 b"]));
        assert!(!same(VARY, &["a 12"], &["b 12"]));
        assert!(!same(VARY, &["a 12"], &["a 12", "a 13"]));
    }

    #[test]
    fn of_a_shape_only_the_words_are_asked() {
        assert!(same(
            SHAPE,
            &["7 reads took 3 ms", "…"],
            &["first", "it took 4 s for reads, took"]
        ));
        assert!(!same(SHAPE, &["reads took"], &["reads", "took"]));
    }

    #[test]
    fn lines_may_come_in_any_order() {
        assert!(same(ANY_ORDER, &["a", "b"], &["b", "a"]));
        assert!(
            !same(ANY_ORDER, &["a", "b"], &["b", "b"]) && !same(EXACT, &["a", "b"], &["b", "a"])
        );
    }

    #[test]
    fn a_difference_is_told_with_its_line() {
        let difference = |shown: &[&str], actual: &[&str]| {
            Sameness::default().difference(&text(shown), &text(actual)).unwrap()
        };
        let (at, what) = difference(&["a", "b"], &["a", "c"]);
        assert_eq!((at, what.as_str()), (2, "it shows `b`, but `c` came"));
        assert_eq!(difference(&[], &["a"]).0, 0);
        assert_eq!(difference(&["a", "b"], &["a"]), (2, "it shows `b`, which did not come".into()));
    }
}
