//! System calls, counted by `strace -c`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Calls;

/// Returns why system calls cannot be counted on this machine, with help, or `None` if they can.
#[must_use]
pub fn why_not() -> Option<String> {
    let tried = Command::new("strace")
        .args(["-f", "-c", "-U", "name,calls,errors", "-o", "/dev/null", "true"])
        .stdin(Stdio::null())
        .output();
    match tried {
        Err(_) => Some("strace is not installed (apt install strace)".to_owned()),
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            let line = words.lines().next().unwrap_or("no words").to_owned();
            Some(format!("strace may not, or is older than 5.7: {line}"))
        }
    }
}

/// The words before a command that is to be counted.
pub(super) fn prefix(counts: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> =
        ["strace", "-f", "-c", "-U", "name,calls,errors", "-o"].map(Into::into).into();
    words.push(counts.into());
    words
}

/// What was counted.
pub(super) fn counts(path: &Path) -> Result<BTreeMap<String, Calls>, String> {
    let text =
        fs::read_to_string(path).map_err(|error| format!("strace wrote nothing: {error}"))?;
    let counts = parse(&text);
    match counts.is_empty() {
        true => Err(format!("strace counted nothing: {text}")),
        false => Ok(counts),
    }
}

fn parse(text: &str) -> BTreeMap<String, Calls> {
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let Some(Ok(calls)) = words.next().map(str::parse) else { continue };
        if name != "total" {
            let errors = words.next().and_then(|errors| errors.parse().ok()).unwrap_or(0);
            counts.insert(name.to_owned(), Calls { calls, errors });
        }
    }
    counts
}

/// What a run made beyond what starting and ending alone made.
pub(super) fn beyond(
    mut counts: BTreeMap<String, Calls>,
    baseline: &BTreeMap<String, Calls>,
) -> BTreeMap<String, Calls> {
    for (name, calls) in &mut counts {
        if let Some(before) = baseline.get(name) {
            calls.calls = calls.calls.saturating_sub(before.calls);
            calls.errors = calls.errors.saturating_sub(before.errors).min(calls.calls);
        }
    }
    counts.retain(|_, calls| calls.calls > 0);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_and_a_baseline_taken_away() {
        let text = "syscall              calls    errors\n\
                    ---------------- --------- ---------\n\
                    openat                  34        13\n\
                    mmap                    30          \n\
                    ---------------- --------- ---------\n\
                    total                   64        13\n";
        let counts = parse(text);
        assert_eq!(counts.len(), 2);
        assert_eq!(counts["openat"], Calls { calls: 34, errors: 13 });
        assert_eq!(counts["mmap"], Calls { calls: 30, errors: 0 });
        let baseline = [
            ("openat".to_owned(), Calls { calls: 30, errors: 13 }),
            ("mmap".to_owned(), Calls { calls: 31, errors: 0 }),
        ];
        let beyond = beyond(counts, &baseline.into());
        assert_eq!(beyond.len(), 1);
        assert_eq!(beyond["openat"], Calls { calls: 4, errors: 0 });
    }
}
